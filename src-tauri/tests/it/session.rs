use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A session of its own: a display, a bus, and folders that nobody else uses.
pub(crate) struct Session {
    folder: tempfile::TempDir,
    display: Option<(Child, String)>,
    bus: Option<(Child, String)>,
}

impl Session {
    /// A display and a bus.
    pub(crate) fn new() -> Self {
        let mut session = Self::bare();
        session.display = Some(display());
        session.bus = Some(bus());
        session
    }

    /// A display, and no bus.
    pub(crate) fn without_bus() -> Self {
        let mut session = Self::bare();
        session.display = Some(display());
        session
    }

    /// A bus, and no display.
    pub(crate) fn without_display() -> Self {
        let mut session = Self::bare();
        session.bus = Some(bus());
        session
    }

    fn bare() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("narthex-session-")
            .tempdir();
        let folder = folder.expect("a temporary folder can be made");
        for name in ["home", "run"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("a folder can be made");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
        }
        Self {
            folder,
            display: None,
            bus: None,
        }
    }

    /// Returns the home folder of the person whose session it is.
    pub(crate) fn home(&self) -> std::path::PathBuf {
        self.folder.path().join("home")
    }

    /// Returns the address of the bus.
    pub(crate) fn bus(&self) -> &str {
        let (_, address) = self.bus.as_ref().expect("the session has a bus");
        address
    }

    /// Returns a command that runs in the session.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"] {
            command.env_remove(name);
        }
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
            "NARTHEX_HOME",
        ] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.folder.path().join("run"))
            .env("NO_AT_BRIDGE", "1")
            .env("GSETTINGS_BACKEND", "memory")
            .env("LIBGL_ALWAYS_SOFTWARE", "1");
        if let Some((_, name)) = &self.display {
            command.env("DISPLAY", name);
        }
        let no_bus = self.folder.path().join("no-bus");
        let no_bus = format!("unix:path={}", no_bus.display());
        let address = self.bus.as_ref().map_or(&no_bus, |(_, address)| address);
        command.env("DBUS_SESSION_BUS_ADDRESS", address);
        command
    }

    /// Returns the titles of the windows on the display.
    pub(crate) fn windows(&self) -> Vec<String> {
        let output = self
            .command("xdotool")
            .args(["search", "--onlyvisible", "--name", "."])
            .args(["getwindowname", "%@"])
            .output()
            .expect("xdotool runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for (child, _) in [self.bus.take(), self.display.take()].into_iter().flatten() {
            end(child);
        }
    }
}

fn end(mut child: Child) {
    // One that has ended already is as good.
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts a display; it chooses a number that is free.
fn display() -> (Child, String) {
    let mut child = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24"])
        .args(["-nolisten", "tcp", "-noreset"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb runs");
    let number = first_line(&mut child);
    (child, format!(":{number}"))
}

/// Starts a bus without any of the machine's services.
fn bus() -> (Child, String) {
    let mut child = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--print-address=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dbus-daemon runs");
    let address = first_line(&mut child);
    (child, address)
}

fn first_line(child: &mut Child) -> String {
    let stdout = child.stdout.take().expect("it is piped");
    let mut reader = BufReader::new(stdout);
    let mut line = String::new();
    reader.read_line(&mut line).expect("it says where it is");
    // Read on, so that it can go on writing.
    std::thread::spawn(move || reader.read_to_end(&mut Vec::new()));
    line.trim().to_owned()
}
