use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How many copies are kept.
const KEPT: usize = 20;

const PREFIX: &str = "narthex.json.";

/// When a copy was made, and which of that moment it is: the order of the copies.
type Age = (String, u32);

/// Keeps `text` in the folder as `narthex.json.{UTC time}`, for this person only, and removes the
/// oldest copies beyond 20.
pub(super) fn keep(folder: &Path, text: &str) -> io::Result<()> {
    keep_at(folder, text, SystemTime::now())
}

fn keep_at(folder: &Path, text: &str, now: SystemTime) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(now)
        .to_string()
        .replace(['-', ':'], "");
    let mut number = 0;
    let made = loop {
        let name = match number {
            0 => format!("{PREFIX}{time}"),
            _ => format!("{PREFIX}{time}-{number}"),
        };
        match write_new(&folder.join(name), text) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            written => {
                written?;
                break (time, number);
            }
        }
    };
    prune(folder, &made)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The copy just made stays even where the clock went back and it counts as the oldest.
fn prune(folder: &Path, made: &Age) -> io::Result<()> {
    let mut copies: Vec<(Age, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let age = entry.file_name().to_str().and_then(age);
        copies.extend(age.filter(|age| age != made).map(|age| (age, entry.path())));
    }
    copies.sort();
    let surplus = (copies.len() + 1).saturating_sub(KEPT);
    for (_, path) in &copies[..surplus] {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// `None` for a file that is no copy of ours.
fn age(name: &str) -> Option<Age> {
    let age = name.strip_prefix(PREFIX)?;
    let (time, number) = match age.split_once('-') {
        Some((time, number)) => (time, number.parse().ok()?),
        None => (age, 0),
    };
    let ours = time.len() == "20261121T013000.123Z".len()
        && time.ends_with('Z')
        && time.starts_with(|char: char| char.is_ascii_digit());
    ours.then(|| (time.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn at(milliseconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_224_600_123 + milliseconds)
    }

    #[test]
    fn a_copy_is_named_after_its_moment() {
        let folder = tempfile::tempdir().unwrap();

        for text in ["one", "two", "three"] {
            keep_at(folder.path(), text, at(0)).unwrap();
        }

        let wanted = [
            "narthex.json.20261121T013000.123Z",
            "narthex.json.20261121T013000.123Z-1",
            "narthex.json.20261121T013000.123Z-2",
        ];
        assert_eq!(names(folder.path()), wanted);
        let second = fs::read_to_string(folder.path().join(wanted[1])).unwrap();
        assert_eq!(second, "two");
    }

    #[test]
    fn the_last_twenty_are_kept_and_foreign_files_let_be() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("narthex.json.mine"), "").unwrap();
        fs::write(folder.path().join(".lock"), "").unwrap();

        for moment in 0..30 {
            keep_at(folder.path(), "text", at(moment / 15)).unwrap();
        }

        let names = names(folder.path());
        assert_eq!(names.len(), 22);
        let of_first_moment = names.iter().filter(|name| name.contains(".123Z")).count();
        assert_eq!(of_first_moment, 5);
        assert!(names.contains(&"narthex.json.20261121T013000.123Z-10".to_owned()));
        assert!(!names.contains(&"narthex.json.20261121T013000.123Z-9".to_owned()));
    }

    #[test]
    fn a_clock_that_went_back_loses_no_new_copy() {
        let folder = tempfile::tempdir().unwrap();
        for moment in 1..=20 {
            keep_at(folder.path(), "old", at(moment)).unwrap();
        }

        keep_at(folder.path(), "new", at(0)).unwrap();

        let names = names(folder.path());
        assert_eq!(names.len(), 20);
        assert_eq!(names[0], "narthex.json.20261121T013000.123Z");
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_is_for_this_person_only() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();

        keep_at(folder.path(), "text", at(0)).unwrap();

        let path = folder.path().join(&names(folder.path())[0]);
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
