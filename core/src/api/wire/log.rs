use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a log line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// A line on the server's standard output that is not a message.
    Stdout,
    /// A line on its standard error.
    Stderr,
    /// A line of the core about it.
    Core,
}

/// A line of a server's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct LogLine {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// Where from.
    pub stream: LogStream,
    /// The text, without its newline.
    pub line: String,
}

/// `GET /servers/{name}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct LogLines {
    /// The last lines, oldest first.
    pub lines: Vec<LogLine>,
}

/// What one who follows a log is told. As a server-sent event of `GET /servers/{name}/logs/stream`
/// the name and the data stand apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum LogEvent {
    /// A line.
    Line(LogLine),
    /// Some lines are no longer kept: the reader fell behind.
    Gap(Missed),
}

/// See [`LogEvent::Gap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Missed {
    /// How many lines.
    pub missed: u64,
}
