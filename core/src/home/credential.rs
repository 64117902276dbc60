use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::HomeError;
use crate::server::Secret;

/// How many random bytes a token has: as many as the strongest hash it is compared under.
const TOKEN_BYTES: usize = 32;

/// How long they are in base64url, without padding.
const TOKEN_CHARS: usize = 43;

/// Returns the credential that stands in `path`, and whether it was made by this call.
///
/// It is one line: `prefix`, then 32 random bytes in base64url. The file appears whole or not at
/// all, readable by this person only; of two that make it at once both get the same credential. An
/// existing file that others may read is closed to them.
///
/// # Errors
/// When the file cannot be read or made, or holds something else than such a credential.
pub fn credential(path: &Path, prefix: &str) -> Result<(Secret, bool), HomeError> {
    if let Some(found) = existing(path, prefix)? {
        return Ok((found, false));
    }
    let made = new_token(prefix);
    match create(path, &made) {
        Ok(()) => Ok((made, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => existing(path, prefix)?
            .map(|found| (found, false))
            .ok_or_else(|| failed("read", path, io::ErrorKind::NotFound.into())),
        Err(error) => Err(failed("write", path, error)),
    }
}

/// Returns a new token: `prefix`, then 32 random bytes in base64url.
pub fn new_token(prefix: &str) -> Secret {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).expect("the system's source of randomness answers");
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn existing(path: &Path, prefix: &str) -> Result<Option<Secret>, HomeError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, error)),
    };
    let token = text.trim();
    if !token.strip_prefix(prefix).is_some_and(is_random_part) {
        return Err(HomeError::Credential {
            path: path.to_owned(),
            prefix: prefix.to_owned(),
        });
    }
    tighten(path).map_err(|error| failed("protect", path, error))?;
    Ok(Some(Secret::new(token)))
}

/// Anything shorter could be guessed, so a token that a person thought up is refused.
fn is_random_part(text: &str) -> bool {
    text.len() == TOKEN_CHARS
        && URL_SAFE_NO_PAD
            .decode(text)
            .is_ok_and(|bytes| bytes.len() == TOKEN_BYTES)
}

/// A temporary file has mode 0600 from its first moment; linking it to its name fails where
/// another process was quicker.
fn create(path: &Path, token: &Secret) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".token-")
        .tempfile_in(folder)?;
    writeln!(file, "{}", token.expose())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}

#[cfg(unix)]
fn tighten(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        tracing::warn!("a credential's file could be read by others; it is closed to them");
    }
    Ok(())
}

#[cfg(not(unix))]
fn tighten(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> HomeError {
    HomeError::Io {
        doing,
        path: PathBuf::from(path),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const PREFIX: &str = "narthex_client_";

    #[test]
    fn a_token_is_the_prefix_and_32_bytes_in_base64url() {
        let token = new_token(PREFIX);

        let random = token.expose().strip_prefix(PREFIX).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
        assert_ne!(token, new_token(PREFIX));
    }

    #[test]
    fn a_credential_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.token");

        let (made, first) = credential(&path, PREFIX).unwrap();
        let (found, second) = credential(&path, PREFIX).unwrap();

        assert_eq!((made.clone(), first), (found, !second));
        assert!(first);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", made.expose()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_many_that_make_it_at_once_all_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.token");

        let got: Vec<_> = thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| credential(&path, PREFIX).unwrap()))
                .collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });

        assert!(got.iter().all(|(token, _)| *token == got[0].0));
        assert_eq!(got.iter().filter(|(_, made)| *made).count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_credential_is_for_this_person_only() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.token");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;

        credential(&path, PREFIX).unwrap();
        assert_eq!(mode(), 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        credential(&path, PREFIX).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn what_is_no_credential_is_refused_and_kept() {
        let control = format!("{}\n", new_token("narthex_control_").expose());
        for text in [
            "",
            "narthex_client_\n",
            "narthex_client_hunter2\n",
            &control,
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("client.token");
            fs::write(&path, text).unwrap();

            let error = credential(&path, PREFIX).unwrap_err();

            assert!(matches!(error, HomeError::Credential { .. }), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
