use std::{
    fs,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use crate::config::{Watcher, watch};

/// Long enough for a busy machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn watched(path: &Path) -> (Watcher, Receiver<()>) {
    let (sender, changes) = channel();
    let watcher = watch(path, move || {
        // The test may be over.
        let _ = sender.send(());
    })
    .unwrap();
    (watcher, changes)
}

fn replace(path: &Path, text: &str) {
    let new = path.with_file_name("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_file_replaced_by_a_rename_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    fs::write(&path, "{}").unwrap();
    let (_watcher, changes) = watched(&path);

    for text in ["{\"a\": 1}", "{\"a\": 2}"] {
        while changes.try_recv().is_ok() {}
        replace(&path, text);
        changes.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_file_made_written_and_removed_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    let (_watcher, changes) = watched(&path);

    fs::write(&path, "{}").unwrap();
    changes.recv_timeout(PATIENCE).unwrap();
    while changes.try_recv().is_ok() {}
    fs::remove_file(&path).unwrap();
    changes.recv_timeout(PATIENCE).unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_behind_a_link_is_seen_even_when_the_link_moves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    let [first, second] = ["first", "second"].map(|name| {
        fs::create_dir(folder.path().join(name)).unwrap();
        let file = folder.path().join(name).join("config.json");
        fs::write(&file, "{}").unwrap();
        file
    });
    std::os::unix::fs::symlink(&first, &path).unwrap();
    let (_watcher, changes) = watched(&path);

    replace(&first, "{\"a\": 1}");
    changes.recv_timeout(PATIENCE).unwrap();

    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&second, &link).unwrap();
    while changes.try_recv().is_ok() {}
    fs::rename(&link, &path).unwrap();
    changes.recv_timeout(PATIENCE).unwrap();

    while changes.try_recv().is_ok() {}
    replace(&second, "{\"a\": 2}");
    changes.recv_timeout(PATIENCE).unwrap();
}

/// Events come in order, so once the last change is reported nothing else is on its way. Other
/// systems may report what happened just before the watch as well.
#[cfg(target_os = "linux")]
#[test]
fn other_files_and_reading_are_not_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.json");
    fs::write(&path, "{}").unwrap();
    let (_watcher, changes) = watched(&path);

    fs::write(folder.path().join("journal.db"), "x").unwrap();
    fs::write(folder.path().join("narthex.json.swp"), "x").unwrap();
    for _ in 0..10 {
        fs::read(&path).unwrap();
    }
    fs::remove_file(&path).unwrap();

    changes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(changes.try_iter().count(), 0);
}

#[test]
fn a_dropped_watcher_lets_go_of_its_callback() {
    let folder = tempfile::tempdir().unwrap();
    let (watcher, changes) = watched(&folder.path().join("narthex.json"));

    drop(watcher);

    let ended = changes.recv_timeout(PATIENCE);
    assert_eq!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_folder_that_is_not_there_cannot_be_watched() {
    let folder = tempfile::tempdir().unwrap();

    let error = watch(&folder.path().join("no/narthex.json"), || {}).unwrap_err();

    assert!(error.to_string().starts_with("failed to watch"));
}
