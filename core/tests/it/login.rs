//! The login shell's `PATH`: asked for beside the start, once, and only where a process may be wanted.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use narthex_testkit::{
    binaries,
    core::{Core, Home},
    entry::Entry,
};
use rustix::process::Signal;
use serde_json::json;

/// A login shell that keeps a record of when it was asked, and that alone knows the folder of a
/// program.
struct Shell(tempfile::TempDir);

impl Shell {
    fn new() -> Self {
        let shell = Self(tempfile::tempdir().unwrap());
        let folder = shell.folder().display();
        fs::create_dir(shell.folder().join("bin")).unwrap();
        symlink(
            binaries::scripted_server(),
            shell.folder().join("bin/known-at-login"),
        )
        .unwrap();
        let text = format!(
            "#!/bin/sh\necho asked >>{folder}/asked\nPATH={folder}/bin:$PATH; export PATH\neval \"$4\"\n"
        );
        fs::write(shell.program(), text).unwrap();
        fs::set_permissions(shell.program(), fs::Permissions::from_mode(0o755)).unwrap();
        shell
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn program(&self) -> String {
        self.folder().join("shell").to_str().unwrap().to_owned()
    }

    fn home(&self) -> Home {
        Home::new().env("SHELL", &self.program())
    }

    /// Returns how often it was asked.
    fn asked(&self) -> usize {
        let said = fs::read_to_string(self.folder().join("asked"));
        said.map_or(0, |said| said.lines().count())
    }
}

fn known_at_login() -> Entry {
    Entry::new(json!({"command": "known-at-login"}))
}

async fn connected(core: &Core, server: &str) {
    core.wait_until(server, |server| server.is("connected"))
        .await;
    let session = core.session().await;
    let answer = session
        .call(&format!("{server}__echo"), json!({"text": "there"}))
        .await;
    assert_eq!(answer.text(), "there");
}

#[tokio::test]
async fn servers_start_with_the_path_that_the_login_shell_has_at_that_start() {
    let shell = Shell::new();
    let servers = ["alpha", "beta", "gamma"].map(|name| (name, known_at_login()));
    let core = shell.home().with(servers).trusted().start().await;
    connected(&core, "alpha").await;
    connected(&core, "gamma").await;
    assert_eq!(shell.asked(), 1);

    // Its path changes: the next start sees that.
    fs::rename(
        shell.folder().join("bin"),
        shell.folder().join("another-bin"),
    )
    .unwrap();
    let text = fs::read_to_string(shell.program()).unwrap();
    fs::write(shell.program(), text.replace("/bin:", "/another-bin:")).unwrap();
    let core = core.restarted().await;

    connected(&core, "beta").await;
    assert_eq!(shell.asked(), 2);
}

#[tokio::test]
async fn where_no_entry_may_start_a_process_the_login_shell_is_not_asked() {
    let shell = Shell::new();
    let core = shell
        .home()
        .with([
            ("off", known_at_login().set("enabled", false)),
            ("kept", known_at_login().set("quarantined", true)),
            ("far", Entry::url("http://127.0.0.1:9/mcp")),
        ])
        .trusted()
        .start()
        .await;
    core.wait_until("off", |server| server.is("off")).await;
    core.end(Signal::TERM).await;

    assert_eq!(shell.asked(), 0);
}

#[tokio::test]
async fn where_nothing_was_ever_approved_the_login_shell_is_asked_by_the_first_approval() {
    let shell = Shell::new();
    let core = shell
        .home()
        .with([("alpha", known_at_login())])
        .start()
        .await;
    core.wait_until("alpha", |server| server.awaits("approve"))
        .await;
    assert_eq!(shell.asked(), 0);

    core.approve_launch("alpha").await;

    core.wait_until("alpha", |server| server.epoch.is_some())
        .await;
    assert_eq!(shell.asked(), 1);
}
