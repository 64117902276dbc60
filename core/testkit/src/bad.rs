//! The catalogue of misbehaviours: what servers and clients do that no agreement foresees, each
//! under a name of its own. Tests say what each of them gets for an answer, and a benchmark what it
//! costs the others; both take them from here.
//!
//! A server of the catalogue offers two tools at least: `echo`, which misbehaves where the
//! misbehaviour is one of answers, and `well`, which never does. Both return the text they are given.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each part misbehaves in a few of many ways"
)]

mod address;
#[cfg(target_os = "linux")]
mod clients;
mod definitions;
mod pipes;
#[cfg(target_os = "linux")]
mod start;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
pub use clients::{HalfRequests, Sessions};
pub use definitions::{COLLIDING, CONTROL_NAME, LONG_NAME_CHARS, MANY, ODD, SCHEMA_LEVELS};
#[cfg(target_os = "linux")]
pub use start::{At, Started};

/// A misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// A program that is not there.
    MissingProgram,
    /// A server that reads `initialize` and never answers it.
    Mute,
    /// A server that ends as soon as it is started.
    CrashLoop,
    /// A server that writes to its standard error without end.
    StderrFlood,
    /// A server that prints lines without end that are no messages.
    NoiseFlood,
    /// A server with ten thousand tools.
    TenThousandTools,
    /// Tools whose names have 500 characters, none, control characters, a lone surrogate, or that
    /// come twice.
    OddNames,
    /// Tools whose names are the same once they are cleaned, and two whose offered names are the same
    /// in spite of their hashes.
    CollidingNames,
    /// Schemas that are nested 500 levels deep.
    DeepSchemas,
    /// A server that says without end that its lists have changed: ten thousand tools, of which
    /// another one has changed each time.
    ListChangedFlood,
    /// A server that answers without end what nobody asked.
    RepliesToNobody,
    /// A server that answers under another id.
    AnotherId,
    /// A server that answers twice.
    Twice,
    /// A server that asks and asks, though no call is in flight.
    QuestionFlood,
    /// A server that writes half a message, and nothing after it.
    HalfAMessage,
    /// A server that speaks before it is initialized.
    EarlyNotifications,
    /// A server that asks under the ids `1` and `"1"` at once.
    SameIds,
    /// A server whose answers are no UTF-8.
    InvalidUtf8,
    /// A server that answers with a line of 100 MB.
    LongLine,
    /// An address that answers with an event that never ends.
    EndlessEvent,
    /// An address of the older HTTP+SSE whose stream is one event that never ends.
    EndlessEventOlder,
    /// An address that says and asks without end on the stream that it is listened to by.
    EventFlood,
    /// The same of the older HTTP+SSE, once its tools are known.
    EventFloodOlder,
    /// An address whose stream is comments and blank lines without end.
    CommentFlood,
    /// An address whose answer is compressed, and a thousand times as long as it looks.
    GzipBomb,
    /// An address that is sent to another origin once it is used.
    Redirect,
    /// An address whose answer breaks off in the middle.
    BrokenBody,
    /// An address whose answer stops in the middle and leaves the connection open.
    StalledBody,
    /// A client that opens ten thousand sessions.
    TenThousandSessions,
    /// A client that sends half a request and waits, a few hundred times.
    HalfRequests,
}

impl Bad {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::MissingProgram,
        Self::Mute,
        Self::CrashLoop,
        Self::StderrFlood,
        Self::NoiseFlood,
        Self::TenThousandTools,
        Self::OddNames,
        Self::CollidingNames,
        Self::DeepSchemas,
        Self::ListChangedFlood,
        Self::RepliesToNobody,
        Self::AnotherId,
        Self::Twice,
        Self::QuestionFlood,
        Self::HalfAMessage,
        Self::EarlyNotifications,
        Self::SameIds,
        Self::InvalidUtf8,
        Self::LongLine,
        Self::EndlessEvent,
        Self::EndlessEventOlder,
        Self::EventFlood,
        Self::EventFloodOlder,
        Self::CommentFlood,
        Self::GzipBomb,
        Self::Redirect,
        Self::BrokenBody,
        Self::StalledBody,
        Self::TenThousandSessions,
        Self::HalfRequests,
    ];

    /// Returns its name, as the scripted server takes it after `--bad`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingProgram => "missing-program",
            Self::Mute => "mute",
            Self::CrashLoop => "crash-loop",
            Self::StderrFlood => "stderr-flood",
            Self::NoiseFlood => "noise-flood",
            Self::TenThousandTools => "ten-thousand-tools",
            Self::OddNames => "odd-names",
            Self::CollidingNames => "colliding-names",
            Self::DeepSchemas => "deep-schemas",
            Self::ListChangedFlood => "list-changed-flood",
            Self::RepliesToNobody => "replies-to-nobody",
            Self::AnotherId => "another-id",
            Self::Twice => "twice",
            Self::QuestionFlood => "question-flood",
            Self::HalfAMessage => "half-a-message",
            Self::EarlyNotifications => "early-notifications",
            Self::SameIds => "same-ids",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::LongLine => "long-line",
            Self::EndlessEvent => "endless-event",
            Self::EndlessEventOlder => "endless-event-older",
            Self::EventFlood => "event-flood",
            Self::EventFloodOlder => "event-flood-older",
            Self::CommentFlood => "comment-flood",
            Self::GzipBomb => "gzip-bomb",
            Self::Redirect => "redirect",
            Self::BrokenBody => "broken-body",
            Self::StalledBody => "stalled-body",
            Self::TenThousandSessions => "ten-thousand-sessions",
            Self::HalfRequests => "half-requests",
        }
    }

    /// Returns what has this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bad| bad.name() == name)
    }

    /// Whether it is a client that misbehaves.
    pub const fn is_client(self) -> bool {
        matches!(self, Self::TenThousandSessions | Self::HalfRequests)
    }

    /// Whether it is a server at an address rather than a program.
    pub const fn is_address(self) -> bool {
        matches!(
            self,
            Self::EndlessEvent
                | Self::EndlessEventOlder
                | Self::EventFlood
                | Self::EventFloodOlder
                | Self::CommentFlood
                | Self::GzipBomb
                | Self::Redirect
                | Self::BrokenBody
                | Self::StalledBody
        )
    }
}

/// Misbehaves until it is killed, or its input ends. `elsewhere` is where an address redirects to.
pub fn serve(bad: Bad, elsewhere: Option<&str>) -> ExitCode {
    if bad.is_address() {
        address::serve(bad, elsewhere)
    } else {
        pipes::serve(bad)
    }
}
