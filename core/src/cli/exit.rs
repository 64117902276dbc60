use std::{
    error::Error as _,
    io::{self, Write},
    process::ExitCode,
};

use serde::{Deserialize, Serialize};

use super::text;
use crate::client::ClientError;

/// How a command ended; scripts branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// The arguments make no sense.
    Usage,
    /// The home folder or the port is another's.
    Held,
    /// No core runs.
    NoCore,
    /// It needs a person, a terminal or an approval, or was answered with no.
    Refused,
    /// There is nothing of that name.
    NotFound,
    /// No answer came in time.
    TimedOut,
}

impl Exit {
    /// Returns the code.
    const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Held => 3,
            Self::NoCore => 4,
            Self::Refused => 5,
            Self::NotFound => 6,
            Self::TimedOut => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command was not done, as one program of ours tells another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    /// What happened.
    pub(super) detail: String,
    /// What would help.
    pub(super) remedy: String,
}

/// Why a command was not done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    detail: String,
    remedy: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, detail: impl Into<String>) -> Self {
        Self {
            exit,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Returns it for another program of ours to say.
    pub(super) fn said(&self) -> Said {
        Said {
            detail: self.detail.clone(),
            remedy: self.remedy.clone().unwrap_or_default(),
        }
    }

    /// Says on standard error what happened and what to do about it, and returns the code.
    pub(super) fn tell(&self) -> ExitCode {
        let mut stderr = io::stderr().lock();
        if !self.detail.is_empty() {
            // Nobody may be listening; the code says it too.
            let _ = writeln!(stderr, "narthex: {}", text::printable(&self.detail));
        }
        if let Some(remedy) = &self.remedy {
            let _ = writeln!(stderr, "         {}", text::printable(remedy));
        }
        self.exit.into()
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::NoCore => Exit::NoCore,
            ClientError::Refused(_) => Exit::Refused,
            ClientError::NotFound(_) => Exit::NotFound,
            ClientError::TimedOut => Exit::TimedOut,
            ClientError::Rejected(_)
            | ClientError::Home(_)
            | ClientError::Credential { .. }
            | ClientError::NotLoopback(_)
            | ClientError::Malformed(_)
            | ClientError::Transport(_) => Exit::Failed,
        };
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        Self {
            exit,
            detail,
            remedy: error.remedy().map(str::to_owned),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // `narthex events | head`: what was asked for was shown.
            return Self::new(Exit::Done, "");
        }
        Self::new(Exit::Failed, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::ProblemDetails;

    #[test]
    fn every_kind_of_refusal_has_its_code() {
        let code = |status: u16| {
            let details = Box::new(ProblemDetails {
                kind: "about:blank".into(),
                title: String::new(),
                status,
                detail: "it is so".into(),
                remedy: "do this".into(),
                fields: Vec::new(),
            });
            Failure::from(ClientError::of(details)).exit.code()
        };
        assert_eq!(code(400), 1);
        assert_eq!(code(401), 1);
        assert_eq!(code(403), 5);
        assert_eq!(code(404), 6);
        assert_eq!(code(409), 5);
        assert_eq!(code(500), 1);
        assert_eq!(code(504), 7);
        assert_eq!(Failure::from(ClientError::NoCore).exit.code(), 4);
        assert_eq!(Failure::from(ClientError::TimedOut).exit.code(), 7);
    }
}
