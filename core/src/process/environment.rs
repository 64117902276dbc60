use std::{
    env,
    error::Error,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    sync::Arc,
};

use super::{lookup, platform};
use crate::server::Secret;

/// What a server gets of our own environment: what it needs to find a person's files, speak their
/// language and reach the network as they do. Everything else stays here, since a variable with a
/// token in it is nothing that every server should read; what one needs besides is configured.
///
/// - Who and where: `HOME`, `LOGNAME`, `USER`, `SHELL`, `TMPDIR`.
/// - Language and time: `LANG`, `TZ`, `TERM`, and `LC_*` below.
/// - The person's SSH agent, without which a server that uses git cannot fetch: `SSH_AUTH_SOCK`.
///   It signs, but does not give away its keys.
/// - The way out: proxies, in both spellings that programs read, and the certificates of networks
///   that inspect their traffic.
/// - The desktop, for servers that open a browser to sign in or show a dialog.
/// - The folders Windows programs cannot start without.
const ALLOWED: &[&str] = &[
    "HOME",
    "LOGNAME",
    "USER",
    "SHELL",
    "TMPDIR",
    "LANG",
    "TZ",
    "TERM",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// The same on Windows, where programs do not start, or find no network, without most of these.
const ALLOWED_ON_WINDOWS: &[&str] = &[
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMMONPROGRAMFILES",
    "COMMONPROGRAMFILES(X86)",
    "COMSPEC",
    "COMPUTERNAME",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERDOMAIN",
    "USERNAME",
    "USERPROFILE",
    "WINDIR",
];

/// Families of variables: the parts of a locale, and the folders of the desktop's convention.
const ALLOWED_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// The environment that every server starts with: an allow-list of our own variables, and the
/// `PATH` of the person's login shell.
///
/// It is read once; a clone costs a counter.
#[derive(Debug, Clone)]
pub struct Environment {
    inherited: Arc<Inherited>,
}

#[derive(Debug)]
struct Inherited {
    path: OsString,
    others: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Reads the `PATH` of the person's login shell, once and with a deadline.
    ///
    /// A program started at login has the system's short `PATH`, without what nvm, uv or Homebrew
    /// add in the shell's files. Folders that only our own `PATH` has come after the shell's. If
    /// one of our standard streams is a terminal, a shell has started us, and its `PATH` is ours.
    /// If the shell gives no answer, our own `PATH` is used, and the log says so.
    pub async fn of_login() -> Self {
        Self::told_by_login().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the login shell's PATH could not be read, using our own");
            Self::of_this_process()
        })
    }

    /// The same, for whoever wants to know why the shell gave no answer.
    ///
    /// # Errors
    /// When the shell gives none.
    pub async fn told_by_login() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let own = Self::of_this_process();
        if io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal() {
            return Ok(own);
        }
        Ok(match platform::login_path(&own).await? {
            Some(path) => own.with_path(&path),
            None => own,
        })
    }

    /// Takes everything from this process, and asks no shell.
    pub fn of_this_process() -> Self {
        Self::from_variables(env::vars_os())
    }

    fn from_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut path = OsString::new();
        let mut others = Vec::new();
        for (name, value) in variables {
            if lookup::same_variable(&name, "PATH".as_ref()) {
                path = value;
            } else if is_allowed(&name) {
                others.push((name, value));
            }
        }
        Self {
            inherited: Arc::new(Inherited { path, others }),
        }
    }

    /// The same with the folders of `login` first.
    fn with_path(self, login: &OsStr) -> Self {
        let mut folders: Vec<_> = env::split_paths(login).collect();
        for folder in env::split_paths(self.path()) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        // Nothing that came out of a `PATH` holds a separator, so that joining cannot fail.
        let path = env::join_paths(folders).unwrap_or_else(|_| login.to_owned());
        Self {
            inherited: Arc::new(Inherited {
                path,
                others: self.inherited.others.clone(),
            }),
        }
    }

    /// Returns where programs are looked for.
    pub fn path(&self) -> &OsStr {
        &self.inherited.path
    }

    /// Returns the whole environment of a child that has variables of its own. Its own win.
    pub fn for_child(
        &self,
        own: impl Iterator<Item = (String, Secret)>,
    ) -> Vec<(OsString, OsString)> {
        let mut variables = self.inherited.others.clone();
        variables.push(("PATH".into(), self.path().to_owned()));
        for (name, value) in own {
            variables.retain(|(inherited, _)| !lookup::same_variable(inherited, name.as_ref()));
            variables.push((name.into(), value.expose().into()));
        }
        variables
    }
}

fn is_allowed(name: &OsStr) -> bool {
    let windows = if cfg!(windows) {
        ALLOWED_ON_WINDOWS
    } else {
        &[]
    };
    ALLOWED
        .iter()
        .chain(windows)
        .any(|allowed| lookup::same_variable(name, allowed.as_ref()))
        || ALLOWED_PREFIXES
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}
