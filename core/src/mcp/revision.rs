use std::fmt;

/// A revision of the protocol with a handshake and a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The first one; HTTP+SSE.
    V2024_11_05,
    /// Streamable HTTP.
    V2025_03_26,
    /// Structured results, elicitation.
    V2025_06_18,
    /// Icons, URL elicitation.
    V2025_11_25,
}

impl Revision {
    /// The newest revision with a handshake.
    pub const LATEST: Self = Self::V2025_11_25;

    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
    ];

    /// Returns the revision as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// Returns the revision that `text` names, if it is one of these.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str() == text)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
