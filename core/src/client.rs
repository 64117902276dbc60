//! The handle to a core, in process or in another one: the same calls, the same events, the same
//! errors. The desktop, the command line and the bridge see a core through it.
//!
//! A core in another process is reached by plain HTTP on loopback, and nothing else: a control
//! credential must not leave the machine, so an address elsewhere is refused before anything is
//! sent.

mod error;
pub(crate) mod find;
mod local;
pub(crate) mod lookout;
pub(crate) mod mcp;
mod mirror;
mod remote;
pub(crate) mod retry;
mod sse;
#[cfg(test)]
pub(crate) mod stub;

use std::pin::Pin;

use futures_util::Stream;
use serde_json::Value;

pub use error::ClientError;
pub use local::Local;
pub use mirror::{Mirror, Present};
pub use remote::{Received, Remote};

use crate::api::wire::{
    self, Accepted, Approval, ClientToken, Event, LogEvent, LogLine, NewServer, OneServer,
    RemovedServer, ServerList, Settings, SettingsPatch, Status, ToolList, Written,
};
pub use crate::api::wire::{Approved, Command};

/// What happens, as it happens.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, ClientError>> + Send>>;

/// The lines of a server's log, as they are written.
pub type LogEvents = Pin<Box<dyn Stream<Item = Result<LogEvent, ClientError>> + Send>>;

/// The handle to a core. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Client {
    /// A core in this process.
    Local(Local),
    /// A core in another one.
    Remote(Remote),
}

impl Client {
    /// Whether the core runs in this process.
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Returns the core itself.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().status()),
            Self::Remote(remote) => remote.status().await,
        }
    }

    /// Returns all servers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn servers(&self) -> Result<ServerList, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().servers()),
            Self::Remote(remote) => remote.servers().await,
        }
    }

    /// Returns one server.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn server(&self, name: &str) -> Result<OneServer, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().server(name)?),
            Self::Remote(remote) => remote.server(name).await,
        }
    }

    /// Returns what a server offers, with what is held.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tools(&self, name: &str) -> Result<ToolList, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().tools(name)?),
            Self::Remote(remote) => remote.tools(name).await,
        }
    }

    /// Returns the last `lines` lines of a server's log, oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn logs(&self, name: &str, lines: usize) -> Result<Vec<LogLine>, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().logs(name, lines)?.lines),
            Self::Remote(remote) => remote.logs(name, lines).await,
        }
    }

    /// Follows a server's log: its last `lines` lines first, then each one as it is written, and how
    /// many were missed where the reader fell behind. The stream ends when the server is removed or
    /// the core ends, and after an error.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_log(&self, name: &str, lines: usize) -> Result<LogEvents, ClientError> {
        match self {
            Self::Local(local) => local.follow_log(name, lines),
            Self::Remote(remote) => remote.follow_log(name, lines).await,
        }
    }

    /// Writes an entry into the file; returns when the view knows it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add(&self, name: &str, entry: Value) -> Result<Written, ClientError> {
        match self {
            Self::Local(local) => {
                let name = name.to_owned();
                Ok(local.api().add_server(NewServer { name, entry }).await?)
            }
            Self::Remote(remote) => remote.add(name, entry).await,
        }
    }

    /// Merges `patch` into the entry in the file; returns when the view knows it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn patch(&self, name: &str, patch: Value) -> Result<Written, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().patch_server(name, patch).await?),
            Self::Remote(remote) => remote.patch(name, patch).await,
        }
    }

    /// Takes the entry out of the file; returns when the view no longer has it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove(&self, name: &str) -> Result<RemovedServer, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().remove_server(name).await?),
            Self::Remote(remote) => remote.remove(name).await,
        }
    }

    /// Asks something of a server.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wish(&self, name: &str, command: Command) -> Result<Accepted, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().wish(name, command).await?),
            Self::Remote(remote) => remote.wish(name, command).await,
        }
    }

    /// Approves what a server would run, what it offers, or both. In process that is the person's
    /// word; a core of a desktop in another process asks at its window first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn approve(&self, name: &str, approval: Approval) -> Result<Approved, ClientError> {
        match self {
            Self::Local(local) => {
                let accepted = local.api().approve(name, approval).await?;
                Ok(Approved::Accepted(accepted))
            }
            Self::Remote(remote) => remote.approve(name, &approval).await,
        }
    }

    /// Has all servers rest.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause(&self) -> Result<Accepted, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().pause(true).await?),
            Self::Remote(remote) => remote.pause().await,
        }
    }

    /// Has all servers go on as was wanted before.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume(&self) -> Result<Accepted, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().pause(false).await?),
            Self::Remote(remote) => remote.resume().await,
        }
    }

    /// Returns the clients that may speak MCP.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn clients(&self) -> Result<Vec<wire::Client>, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().clients().await.clients),
            Self::Remote(remote) => remote.clients().await,
        }
    }

    /// Adds a client: the only time its token is shown.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_client(&self, name: &str) -> Result<ClientToken, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().add_client(name.to_owned()).await?),
            Self::Remote(remote) => remote.add_client(name).await,
        }
    }

    /// Takes a client's credential away: it is refused from now on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_client(&self, name: &str) -> Result<(), ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().remove_client(name).await?),
            Self::Remote(remote) => remote.remove_client(name).await,
        }
    }

    /// Returns the settings of the file, and what of them is in force.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn settings(&self) -> Result<Settings, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().settings()),
            Self::Remote(remote) => remote.settings().await,
        }
    }

    /// Changes settings in the file; returns them when they are taken over.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_settings(&self, patch: SettingsPatch) -> Result<Settings, ClientError> {
        match self {
            Self::Local(local) => Ok(local.api().change_settings(patch).await?),
            Self::Remote(remote) => remote.change_settings(&patch).await,
        }
    }

    /// Follows what happens. On [`Event::Hello`], which comes first, and on [`Event::Gap`] the
    /// reader fetches.
    ///
    /// In process the stream ends with the core. Of a core in another process a lost connection is
    /// told as an error and taken up again where it broke; that stream ends only when the
    /// credential is refused.
    pub fn events(&self) -> Events {
        match self {
            Self::Local(local) => local.events(),
            Self::Remote(remote) => remote.events(),
        }
    }
}
