//! What the core and a guard say to each other on the lifeline, a pair of connected UNIX sockets.
//!
//! 1. The core hands the guard's end to its warden, attached to one byte, and sends a launch into
//!    its own, with the server's three standard streams attached to its first byte. The guard's own
//!    environment and arguments stay empty: what a server is given must neither change the guard
//!    nor show in a list of processes.
//! 2. The guard answers with [`Report`]s of five bytes: which process it is, spawned and then
//!    ended, or only that the program could not be executed.
//! 3. The core may send [`Order`]s of one byte. The end of its side is the order to end
//!    everything, in order but swiftly.
//! 4. When everything is gone, the guard says so and closes its side. If the end comes without that
//!    word, the guard was lost.
//!
//! Both sides come from one build. The version is there for an update that replaces the guard's
//! file while an older core runs.

mod handover;
mod launch;

pub(super) use handover::{hand_over, take_over};
pub(super) use launch::{receive, send};

/// What a guard tells the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// The guard itself runs under this process id.
    Forked(i32),
    /// The program runs under this process id.
    Spawned(i32),
    /// The system refused to execute it, with this number.
    ExecFailed(i32),
    /// The server returned this code.
    Exited(i32),
    /// This signal ended the server.
    Signaled(i32),
    /// Nothing of the server is left, and the guard ends.
    Gone,
}

impl Report {
    /// The length of every report.
    pub(super) const BYTES: usize = 5;

    /// Writes the report as bytes.
    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let (kind, value) = match self {
            Self::Forked(pid) => (b'g', pid),
            Self::Spawned(pid) => (b's', pid),
            Self::ExecFailed(errno) => (b'f', errno),
            Self::Exited(code) => (b'e', code),
            Self::Signaled(signal) => (b'k', signal),
            Self::Gone => (b'z', 0),
        };
        let [a, b, c, d] = value.to_le_bytes();
        [kind, a, b, c, d]
    }

    /// Reads the report back; `None` for what no guard of this version sends.
    pub(super) fn decode(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let [kind, value @ ..] = bytes;
        let value = i32::from_le_bytes(value);
        match kind {
            b'g' => Some(Self::Forked(value)),
            b's' => Some(Self::Spawned(value)),
            b'f' => Some(Self::ExecFailed(value)),
            b'e' => Some(Self::Exited(value)),
            b'k' => Some(Self::Signaled(value)),
            b'z' => Some(Self::Gone),
            _ => None,
        }
    }
}

/// What the core asks of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// SIGTERM to the server and everything it started.
    Terminate,
    /// SIGKILL to the same.
    Kill,
}

impl Order {
    /// Writes the order as a byte.
    pub(super) fn encode(self) -> u8 {
        match self {
            Self::Terminate => b't',
            Self::Kill => b'k',
        }
    }

    /// Reads the order back; `None` for what no core of this version sends.
    pub(super) fn decode(byte: u8) -> Option<Self> {
        match byte {
            b't' => Some(Self::Terminate),
            b'k' => Some(Self::Kill),
            _ => None,
        }
    }
}
