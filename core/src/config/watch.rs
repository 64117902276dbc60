use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};

use super::replace;

/// Watches the file for as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    news: mpsc::Sender<News>,
}

/// Why the file cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("failed to watch {path} for changes", path = path.display())]
pub struct WatchError {
    path: PathBuf,
    source: notify::Error,
}

enum News {
    Event(notify::Result<Event>),
    Dropped,
}

/// Calls `changed` from a thread of its own whenever the file at `path` may have changed: written,
/// replaced by a rename, removed, put there; through symbolic links too. It may be called several
/// times for one change, and once too often rather than never; the caller coalesces. The thread
/// sleeps until the system reports something. A call under way when the [`Watcher`] is dropped is
/// not waited for.
///
/// The folder is watched instead of the file, since most editors put a new file in its place.
///
/// # Errors
/// When the system cannot watch the folder, for instance because it is not there.
pub fn watch(path: &Path, changed: impl Fn() + Send + 'static) -> Result<Watcher, WatchError> {
    let failed = |source| WatchError {
        path: path.to_owned(),
        source,
    };
    let (news, incoming) = mpsc::channel();
    let sender = news.clone();
    let notifier = notify::recommended_watcher(move |event| {
        // Nobody listens only when the watcher was dropped.
        let _ = sender.send(News::Event(event));
    })
    .map_err(failed)?;
    let mut watched = Watched {
        path: path.to_owned(),
        notifier,
        names: BTreeSet::new(),
        folders: BTreeSet::new(),
    };
    watched.follow_links().map_err(failed)?;
    thread::Builder::new()
        .name("config-watch".into())
        .spawn(move || {
            while let Ok(News::Event(event)) = incoming.recv() {
                if watched.concerns(event) {
                    changed();
                }
            }
        })
        .map_err(|error| failed(notify::Error::io(error)))?;
    Ok(Watcher { news })
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Fails only when the thread has ended already.
        let _ = self.news.send(News::Dropped);
    }
}

/// What has to be watched changes when a symbolic link is pointed elsewhere. This cannot be done
/// where events arrive: the notifier would wait for itself.
struct Watched {
    path: PathBuf,
    notifier: RecommendedWatcher,
    names: BTreeSet<OsString>,
    folders: BTreeSet<PathBuf>,
}

impl Watched {
    fn concerns(&mut self, event: notify::Result<Event>) -> bool {
        let concerns = match event {
            Ok(event) => {
                event.need_rescan()
                    || changes(&event.kind)
                        && event.paths.iter().any(|path| {
                            path.file_name()
                                .is_some_and(|name| self.names.contains(name))
                        })
            }
            Err(error) => {
                tracing::warn!(%error, "watching the configuration failed; it is read again");
                true
            }
        };
        if concerns && let Err(error) = self.follow_links() {
            tracing::warn!(%error, "cannot watch where the configuration lies");
        }
        concerns
    }

    /// Watches the folder of the file, and of everything it is a link to.
    fn follow_links(&mut self) -> notify::Result<()> {
        let chain = replace::links(&self.path).map_err(notify::Error::io)?;
        self.names = chain
            .iter()
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect();
        let folders: BTreeSet<PathBuf> = chain
            .iter()
            .map(|path| match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => PathBuf::from("."),
            })
            .collect();
        for old in self.folders.difference(&folders) {
            // A folder that is gone is not watched any more anyway.
            let _ = self.notifier.unwatch(old);
        }
        for new in folders.difference(&self.folders) {
            self.notifier.watch(new, RecursiveMode::NonRecursive)?;
        }
        self.folders = folders;
        Ok(())
    }
}

/// Reading is no change; the end of writing is reported as an access by some systems.
fn changes(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}
