use std::fmt;

/// What stands in place of a secret wherever a person or a log can see it.
pub const MASK: &str = "••••";

/// A text that must never be printed: a token, a header's value, a variable of the environment.
///
/// It has no `Display` and no `Serialize`; its `Debug` prints [`MASK`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text itself, for the one place that must use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
