use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something in the file that cannot be used, or a notice about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; null where there is none.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The server concerned, if one is.
    pub server: Option<String>,
    /// The field concerned, such as `args[2]`.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// An error outside MCP (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ProblemDetails {
    /// A name for the kind of problem, such as `urn:narthex:not-approved`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// The fields of the request concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}
