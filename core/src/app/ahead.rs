use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    config::{self, Source},
    process::EnvironmentSource,
    server::Transport,
};

/// How long what starts processes is kept ready: where an entry is approved its server starts within
/// milliseconds, and where none is nothing is to be left.
const READY_FOR: Duration = Duration::from_secs(5);

/// Has the environment of processes found out beside the rest of the start, if an entry of the file
/// is one that may start a process: the login shell takes milliseconds to tell its `PATH`, and so
/// does what starts processes. Nothing of an entry is started by it.
///
/// Whether an entry is approved is known only later. Where none is, the shell has been asked for
/// nothing.
pub(super) fn ask(file: PathBuf, environment: EnvironmentSource) {
    tokio::spawn(async move {
        if wants_a_process(&file) {
            environment.get().await;
            sleep(READY_FOR).await;
            environment.began();
        }
    });
}

/// Whether an entry of the file may start a process, once it is approved.
fn wants_a_process(file: &Path) -> bool {
    let Source::Read(reading) = config::read(file, &|name| env::var(name).ok()) else {
        return false;
    };
    reading.entries.values().flatten().any(|spec| {
        let starts = matches!(spec.transport, Transport::Stdio { .. });
        starts && spec.enabled && !spec.quarantined
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_start_a_process_wants_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("narthex.json");
        for (entry, wants) in [
            (r#""command": "x""#, true),
            (r#""command": "x", "enabled": false"#, false),
            (r#""command": "x", "quarantined": true"#, false),
            (r#""command": "${env:NO_SUCH_VARIABLE_HERE}""#, false),
            (r#""url": "http://127.0.0.1:1/mcp""#, false),
        ] {
            std::fs::write(&file, format!(r#"{{"mcpServers": {{"a": {{{entry}}}}}}}"#)).unwrap();
            assert_eq!(wants_a_process(&file), wants, "{entry}");
        }
        std::fs::write(&file, "{").unwrap();
        assert!(!wants_a_process(&file));
        std::fs::remove_file(&file).unwrap();
        assert!(!wants_a_process(&file));
    }
}
