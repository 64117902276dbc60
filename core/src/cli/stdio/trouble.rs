use crate::{
    cli::{Exit, Failure, exit::Said},
    client::ClientError,
    mcp::{Refusal, refusal::Fault},
};

/// Why a message was not carried: what its sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    kind: &'static str,
    message: String,
    remedy: String,
    retry_safe: bool,
    exit: Exit,
}

/// The code of every refusal that JSON-RPC has no code for.
const REFUSED: i32 = -32000;

impl Trouble {
    /// No core could be started.
    pub(super) fn not_started(said: Said) -> Self {
        Self {
            kind: "no_core",
            message: said.detail,
            remedy: said.remedy,
            retry_safe: true,
            exit: Exit::NoCore,
        }
    }

    /// No core came in time.
    pub(super) fn late() -> Self {
        Self {
            exit: Exit::TimedOut,
            ..Self::not_started(Said {
                detail: "no core came up in time".to_owned(),
                remedy: "See why: narthex serve".to_owned(),
            })
        }
    }

    /// The core ended with the call in flight, and nobody knows how far it had come.
    pub(super) fn core_ended(why: &str) -> Self {
        let mut message = "the core ended before the answer came".to_owned();
        if !why.is_empty() {
            message = format!("{message}: {why}");
        }
        Self {
            kind: "core_ended",
            message,
            remedy: "Check what the call did before you repeat it.".to_owned(),
            retry_safe: false,
            exit: Exit::Failed,
        }
    }

    /// Returns what the client is told, under the id that is spelled `id`.
    pub(super) fn response(&self, id: &[u8]) -> String {
        let refusal = Refusal {
            code: REFUSED,
            kind: self.kind,
            message: self.message.clone(),
            fault: Fault::Narthex,
            server: None,
            retry_safe: self.retry_safe,
            retry_after: None,
            remedy: self.remedy.clone(),
        };
        text(&refusal.response(id))
    }

    /// Returns what the person who started us is told.
    pub(super) fn failure(&self) -> Failure {
        Failure::new(self.exit, self.message.clone()).remedy(self.remedy.clone())
    }

    /// Returns how the bridge ends that had this trouble from its beginning.
    pub(super) const fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        let kind = match &error {
            ClientError::NoCore | ClientError::TimedOut => "no_core",
            ClientError::Credential { .. } => "no_credential",
            ClientError::Refused(_)
            | ClientError::NotFound(_)
            | ClientError::Rejected(_)
            | ClientError::Home(_)
            | ClientError::NotLoopback(_)
            | ClientError::Malformed(_)
            | ClientError::Transport(_) => "core_refused",
        };
        Self {
            kind,
            remedy: error.remedy().unwrap_or_default().to_owned(),
            message: error.to_string(),
            retry_safe: true,
            exit: Failure::from(error).exit,
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::not_started(Said {
            detail: format!("no core could be started: {error}"),
            remedy: "See why: narthex serve".to_owned(),
        })
    }
}

/// Returns a message of ours as text.
pub(super) fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}
