use std::{
    path::Path,
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use narthex_core::{
    client::{Client, Remote},
    home::{self, Home as Folder},
};
use narthex_testkit::{census, core::Home};
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::session::Session;

/// How long anything may take before a test gives it up; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// How often something outside our processes is looked at that tells nobody of itself: a child's
/// end, a window on a display.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The desktop's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_narthex-desktop");

/// The desktop, as a person would have started it.
pub(crate) struct Desktop {
    child: Child,
}

impl Desktop {
    /// Starts it in a session, on a home folder, at an address that is free.
    pub(crate) fn start(session: &Session, home: &Home, args: &[&str]) -> Self {
        Self::start_with(session, home.path(), args, &[])
    }

    /// The same with more in the environment.
    pub(crate) fn start_with(
        session: &Session,
        home: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Self {
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        Self::start_as_configured(session, home, &args, envs)
    }

    /// The same where the file says.
    pub(crate) fn start_as_configured(
        session: &Session,
        home: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Self {
        let child = session
            .command(PROGRAM)
            .arg("--home")
            .arg(home)
            .args(args)
            .envs(envs.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .expect("the desktop runs");
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("the desktop ends", || {
            self.child.try_wait().expect("it is our child")
        })
        .await
    }

    /// Sends a signal, and waits for the end.
    pub(crate) async fn end(mut self, signal: Signal) -> ExitStatus {
        census::signal(self.pid(), signal);
        self.ended().await
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a handle to the core that holds a home, once it listens.
pub(crate) async fn client(home: &Path) -> Client {
    let folder = Folder::locate(Some(home.to_owned())).expect("a folder was named");
    until("a core listens", || home::holder(&folder)?.address).await;
    let remote = Remote::find(Some(home.to_owned())).expect("it has just been there");
    Client::Remote(remote)
}

/// Looks until something is there.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(LOOK_EVERY).await;
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("{what}: not in {PATIENCE:?}"))
}
