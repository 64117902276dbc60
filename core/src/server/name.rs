use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest name a server may have, in characters. Names stand in menus, addresses and log
/// lines; nothing in the field comes near this.
const NAME_CHARS_MAX: usize = 100;

/// The name of a server: its key under `mcpServers`.
///
/// Any text of 1 to 100 characters without control characters, and neither `.` nor `..`; it is cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(Arc<str>);

/// Why a text cannot be a server's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// The name has no characters.
    #[error("a server's name must not be empty")]
    Empty,
    /// The name has more than 100 characters.
    #[error("a server's name has at most {NAME_CHARS_MAX} characters")]
    TooLong,
    /// The name holds a control character such as a newline.
    #[error("a server's name must not hold control characters")]
    ControlCharacter,
    /// The name would be a step in a path.
    #[error("a server cannot be called `.` or `..`")]
    PathStep,
}

impl ServerName {
    /// Checks `name` and makes a server's name of it.
    ///
    /// # Errors
    /// When the text cannot be a name; the error says why.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(InvalidName::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidName::ControlCharacter);
        }
        if name == "." || name == ".." {
            return Err(InvalidName::PathStep);
        }
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(&name)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.as_str().to_owned()
    }
}

impl std::str::FromStr for ServerName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl Borrow<str> for ServerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
