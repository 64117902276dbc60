use std::{
    collections::BTreeMap,
    convert::Infallible,
    env,
    ffi::{CStr, OsStr, OsString},
    mem,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    ptr,
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    process::{Command, Environment, SpawnError, spawn},
    server::Secret,
};

/// How long the shell may take. Files with nvm and a prompt framework in them take up to a second
/// on a slow disk; one that waits for somebody to type takes forever, and holds up the first start
/// of every server meanwhile.
const DEADLINE: Duration = Duration::from_secs(3);

/// More than any `PATH` with all that a shell's files may print around it.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// Set for the shell, so that a person's files can leave out what only makes sense in a terminal.
const HINT: &str = "NARTHEX_RESOLVING_PATH";

/// What stands around the answer, each on a line of its own. The shell's files may print anything
/// before it, even without ending their last line, and some print the command itself.
const BEGIN: &str = "<narthex-path>";
const END: &str = "</narthex-path>";

/// Understood by every shell, whatever its syntax for variables: fish keeps `PATH` as a list, csh
/// and nu have rules of their own. `env` finds `printenv` also where `/usr/bin` has no other
/// program.
const SCRIPT: &str = "echo '<narthex-path>'; /usr/bin/env printenv PATH; echo '</narthex-path>'";

/// The same for shells of which it is known how they write it: they start no program for it, which
/// takes a quarter of the time of a shell without files of a person's.
const SCRIPT_OF_KNOWN: &str =
    r#"echo '<narthex-path>'; printf '%s\n' "$PATH"; echo '</narthex-path>'"#;

/// The shells for which [`SCRIPT_OF_KNOWN`] is.
const KNOWN: &[&str] = &["ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"];

/// Why the login shell did not tell its `PATH`.
#[derive(Debug, thiserror::Error)]
pub(in crate::process) enum LoginError {
    #[error("failed to start `{}`: {source}", shell.display())]
    NotStarted { shell: PathBuf, source: SpawnError },
    #[error("`{}` did not answer within {} seconds", shell.display(), DEADLINE.as_secs())]
    TimedOut { shell: PathBuf },
    #[error("`{}` ended without an answer", shell.display())]
    NoAnswer { shell: PathBuf },
}

/// Asks the person's login shell for its `PATH`.
///
/// The shell runs under a guard like any server: without a terminal, with an empty standard input,
/// and everything that it has started is gone afterwards, also at the deadline.
pub(in crate::process) async fn login_path(
    environment: &Environment,
) -> Result<Option<OsString>, LoginError> {
    let shell = login_shell();
    let command = Command {
        program: shell.to_string_lossy().into_owned(),
        args: arguments(&shell),
        cwd: None,
        env: BTreeMap::from([(HINT.to_owned(), Secret::new("1"))]),
    };
    let (_process, pipes) = match spawn(&command, environment) {
        Ok(spawned) => spawned,
        Err(source) => return Err(LoginError::NotStarted { shell, source }),
    };
    drop(pipes.stdin);
    let (mut stdout, mut stderr) = (pipes.stdout, pipes.stderr);
    let answer = async {
        tokio::select! {
            answer = read_answer(&mut stdout) => answer,
            // Not read, complaints would stop a shell that has many. They are no answer.
            never = discard(&mut stderr) => match never {},
        }
    };
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Some(path)) => Ok(Some(path)),
        Ok(None) => Err(LoginError::NoAnswer { shell }),
        Err(_) => Err(LoginError::TimedOut { shell }),
    }
}

/// Login and interactive: Homebrew and uv write into the files of the one, nvm of the other.
fn arguments(shell: &Path) -> Vec<String> {
    let is_csh = shell.as_os_str().as_bytes().ends_with(b"csh");
    // The C shell takes `-l` only alone.
    let flags: &[&str] = if is_csh {
        &["-i", "-c"]
    } else {
        &["-l", "-i", "-c"]
    };
    let name = shell.file_name().and_then(OsStr::to_str);
    let script = if name.is_some_and(|name| KNOWN.contains(&name)) {
        SCRIPT_OF_KNOWN
    } else {
        SCRIPT
    };
    flags
        .iter()
        .chain(&[script])
        .map(|argument| (*argument).to_owned())
        .collect()
}

/// Reads until the answer is complete: a background process of the shell may hold the pipe longer.
async fn read_answer(stdout: &mut (impl AsyncRead + Unpin)) -> Option<OsString> {
    let mut output = Vec::new();
    while output.len() < OUTPUT_BYTES_MAX && stdout.read_buf(&mut output).await.ok()? > 0 {
        if let Some(path) = find_answer(&output) {
            return Some(path);
        }
    }
    None
}

/// Reads to the end and beyond: it never returns.
async fn discard(stderr: &mut (impl AsyncRead + Unpin)) -> Infallible {
    // A broken pipe of complaints is none of ours.
    let _ = tokio::io::copy(stderr, &mut tokio::io::sink()).await;
    std::future::pending().await
}

fn find_answer(output: &[u8]) -> Option<OsString> {
    let begin = format!("{BEGIN}\n");
    let end = format!("\n{END}");
    let start = memchr::memmem::rfind(output, begin.as_bytes())? + begin.len();
    let rest = output.get(start..)?;
    let path = rest.get(..memchr::memmem::find(rest, end.as_bytes())?)?;
    (!path.is_empty()).then(|| OsString::from_vec(path.to_owned()))
}

/// Returns the shell that the person's terminals start.
fn login_shell() -> PathBuf {
    env::var_os("SHELL")
        .filter(|shell| !shell.is_empty())
        .or_else(shell_of_account)
        .map_or_else(|| PathBuf::from("/bin/sh"), PathBuf::from)
}

/// Reads the shell from the account's entry, for a session that was started without `SHELL`.
fn shell_of_account() -> Option<OsString> {
    let mut buffer = vec![0; 16 * 1024];
    // SAFETY: an all-zero `passwd` is a valid value: numbers and null pointers.
    let mut entry: libc::passwd = unsafe { mem::zeroed() };
    let mut found = ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the length is the buffer's.
    unsafe {
        libc::getpwuid_r(
            rustix::process::getuid().as_raw(),
            &raw mut entry,
            buffer.as_mut_ptr(),
            buffer.len(),
            &raw mut found,
        );
    }
    if found.is_null() || entry.pw_shell.is_null() {
        return None;
    }
    // SAFETY: the entry was found, so that its shell is a terminated text in `buffer`.
    let shell = unsafe { CStr::from_ptr(entry.pw_shell) };
    (!shell.is_empty()).then(|| OsStr::from_bytes(shell.to_bytes()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_among_noise() {
        let output = b"Welcome!\n\x1b]0;echo '<narthex-path>'; /usr/bin/env\x07<narthex-path>\n/a:/b\n</narthex-path>\nbye";

        assert_eq!(find_answer(output), Some("/a:/b".into()));
    }

    #[test]
    fn known_shells_tell_it_themselves_and_others_have_it_printed() {
        for (shell, script) in [
            ("/bin/bash", SCRIPT_OF_KNOWN),
            ("/usr/local/bin/zsh", SCRIPT_OF_KNOWN),
            ("/usr/bin/fish", SCRIPT),
            ("/bin/tcsh", SCRIPT),
            ("/opt/bashful", SCRIPT),
        ] {
            let arguments = arguments(Path::new(shell));
            assert_eq!(
                arguments.last().map(String::as_str),
                Some(script),
                "{shell}"
            );
        }
    }

    #[test]
    fn both_scripts_tell_what_a_shell_has_exported() {
        for script in [SCRIPT, SCRIPT_OF_KNOWN] {
            let told = std::process::Command::new("/bin/sh")
                .args(["-c", &format!("PATH=\"/a b:$PATH\"; {script}")])
                .output()
                .unwrap();
            let path = find_answer(&told.stdout).unwrap();
            assert!(path.as_bytes().starts_with(b"/a b:"), "{script}");
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(find_answer(b"<narthex-path>\n/a:/b"), None);
        assert_eq!(find_answer(b"<narthex-path>\n\n</narthex-path>"), None);
    }
}
