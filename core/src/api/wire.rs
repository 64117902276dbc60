//! The types that cross a wire: REST, events and the desktop carry the same ones. They are apart
//! from the types the core thinks in, so that a change inside does not change what scripts read.

mod client;
mod command;
mod event;
mod log;
mod problem;
mod server;
mod status;
mod tool;

pub use client::{Client, ClientList, ClientToken, NewClient};
pub use command::{
    Accepted, Approval, Approved, Command, NewServer, Offers, Pending, RemovedServer, Written,
};
pub use event::{CoreChanged, Event, Gap, Hello, ServerChanged, ServerRemoved};
pub use log::{LogEvent, LogLine, LogLines, LogStream, Missed};
pub use problem::{Problem, ProblemDetails};
pub use server::{
    Action, Condition, IdleReason, Implementation, Launch, OneServer, Phase, Server, ServerError,
    ServerList, Stage, ToolCounts, TransportKind, Wish,
};
pub use status::Status;
pub use tool::{DefinitionState, Tool, ToolList};
