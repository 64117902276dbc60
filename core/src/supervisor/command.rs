use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    api::wire::{Accepted, Approval, Wish},
    metrics::Metrics,
    server::ServerName,
};

/// What a person orders.
#[derive(Debug)]
pub enum Order {
    /// That a server be connected or disconnected.
    Wish {
        /// The server.
        server: ServerName,
        /// What is wanted of it.
        wish: Wish,
    },
    /// That a server be started again.
    Restart(ServerName),
    /// That a server be put in quarantine.
    Quarantine(ServerName),
    /// That a launch run, or that clients see what a server offers.
    Approve {
        /// The server.
        server: ServerName,
        /// What was seen.
        approval: Approval,
        /// The command's id, where it was proposed before.
        command: Option<Arc<str>>,
    },
    /// That an approval be weighed, for a person to confirm; answered with the id of the command
    /// that it would be.
    Propose {
        /// The server.
        server: ServerName,
        /// What was seen.
        approval: Approval,
        /// Where the id goes.
        proposed: oneshot::Sender<Arc<str>>,
    },
    /// That all servers rest (`true`), or go on.
    Pause(bool),
    /// That the file be read now; answered with the revision that shows it.
    Reload(oneshot::Sender<u64>),
}

impl Order {
    /// Returns the order's word for logs and metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Wish {
                wish: Wish::Connected,
                ..
            } => "connect",
            Self::Wish {
                wish: Wish::Disconnected,
                ..
            } => "disconnect",
            Self::Restart(_) => "restart",
            Self::Quarantine(_) => "quarantine",
            Self::Approve { .. } => "approve",
            Self::Propose { .. } => "propose",
            Self::Pause(true) => "pause",
            Self::Pause(false) => "resume",
            Self::Reload(_) => "reload",
        }
    }
}

/// An order and where its answer goes.
#[derive(Debug)]
pub struct Command {
    /// The order.
    pub order: Order,
    /// Where its answer goes.
    pub answer: oneshot::Sender<Result<Accepted, CommandError>>,
}

/// Why an order was not accepted. Nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such server.
    #[error("no server is called `{0}`")]
    NotFound(ServerName),
    /// It cannot be done as things stand.
    #[error("{detail}")]
    Refused {
        /// The kind, for programs.
        kind: &'static str,
        /// Why.
        detail: String,
        /// What to do about it.
        remedy: String,
    },
    /// The order itself is at fault.
    #[error("{detail}")]
    Invalid {
        /// What is wrong.
        detail: String,
        /// The field concerned.
        field: &'static str,
        /// What to do about it.
        remedy: String,
    },
    /// It could not be kept.
    #[error("{0}")]
    NotKept(String),
    /// Too many orders wait.
    #[error("too many commands wait")]
    Busy,
    /// The core is ending.
    #[error("the core is ending")]
    Ending,
}

impl CommandError {
    /// Makes a refusal.
    pub fn refused(
        kind: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Refused {
            kind,
            detail: detail.into(),
            remedy: remedy.into(),
        }
    }
}

/// The one place where wishes go in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    changed: Arc<Notify>,
    metrics: Metrics,
}

impl Handle {
    pub(crate) const fn new(
        commands: mpsc::Sender<Command>,
        changed: Arc<Notify>,
        metrics: Metrics,
    ) -> Self {
        Self {
            commands,
            changed,
            metrics,
        }
    }

    /// Gives an order, and returns when it is durable and in the view.
    ///
    /// # Errors
    /// When it was not accepted; nothing of it is recorded.
    pub async fn order(&self, order: Order) -> Result<Accepted, CommandError> {
        self.send(order)?.await.map_err(|_| CommandError::Ending)?
    }

    /// Has an approval weighed, and returns the id of the command that it would be.
    ///
    /// # Errors
    /// When it would not be accepted as things stand.
    pub async fn propose(
        &self,
        server: ServerName,
        approval: Approval,
    ) -> Result<Arc<str>, CommandError> {
        let (sender, proposed) = oneshot::channel();
        let refused = self.send(Order::Propose {
            server,
            approval,
            proposed: sender,
        })?;
        match proposed.await {
            Ok(command) => Ok(command),
            // Refused, unless nobody is there to refuse it.
            Err(_) => Err(match refused.await {
                Ok(Err(error)) => error,
                Ok(Ok(_)) | Err(_) => CommandError::Ending,
            }),
        }
    }

    /// Puts an order into the inbox; returns where its answer comes.
    fn send(
        &self,
        order: Order,
    ) -> Result<oneshot::Receiver<Result<Accepted, CommandError>>, CommandError> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .try_send(Command { order, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    self.metrics.supervisor().overflowed();
                    CommandError::Busy
                }
                mpsc::error::TrySendError::Closed(_) => CommandError::Ending,
            })?;
        Ok(answered)
    }

    /// Has the file read, and returns the revision that shows it.
    ///
    /// # Errors
    /// When the core is ending, or too busy.
    pub async fn reload(&self) -> Result<u64, CommandError> {
        let (done, read) = oneshot::channel();
        let (answer, _unused) = oneshot::channel();
        self.commands
            .send(Command {
                order: Order::Reload(done),
                answer,
            })
            .await
            .map_err(|_| CommandError::Ending)?;
        read.await.map_err(|_| CommandError::Ending)
    }

    /// Says that the file may have changed.
    pub fn file_changed(&self) {
        self.changed.notify_one();
    }

    /// Returns what says that the file may have changed, for a watcher that outlives nothing.
    pub fn file_signal(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}
