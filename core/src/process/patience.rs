use std::time::Duration;

/// How long a server may take to end at each step before the next, harder one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the end of its input to SIGTERM.
    pub stdin: Duration,
    /// From SIGTERM to SIGKILL.
    pub term: Duration,
}

impl Patience {
    /// For every server, also one that has failed: an attempt does not wait for the remains of the
    /// one before it, so that nobody gains by hurrying it.
    ///
    /// Node and Python servers end within 300 ms of their end of input on a busy machine; a server
    /// that saves something gets a second more after SIGTERM. With the clean-up of what it leaves
    /// behind (half a second) this stays well under the five seconds that we promise.
    pub const ORDERLY: Self = Self {
        stdin: Duration::from_millis(1000),
        term: Duration::from_millis(1500),
    };
}
