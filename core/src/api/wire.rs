//! The types that cross a wire: REST, events and the desktop carry the same ones. They are apart
//! from the types the core thinks in, so that a change inside does not change what scripts read.

mod client;
mod command;
mod desktop;
mod event;
mod log;
mod problem;
mod server;
mod settings;
mod status;
mod tool;

pub use client::{Client, ClientList, ClientToken, NewClient};
pub use command::{
    Accepted, Approval, Approved, Command, NewServer, Offers, Pending, RemovedServer, Written,
};
pub use desktop::{
    Attached, Autostart, CommandFailure, Confirmation, Preferences, PreferencesPatch, Shell, Theme,
    TrayState,
};
pub use event::{
    CoreChanged, Declined, Event, Gap, Hello, ServerChanged, ServerRemoved, WhyDeclined,
};
pub use log::{LogEvent, LogLine, LogLines, LogStream, Missed};
pub use problem::{Problem, ProblemDetails};
pub use server::{
    Action, Condition, IdleReason, Implementation, Launch, OneServer, Phase, Server, ServerError,
    ServerList, Stage, ToolCounts, TransportKind, Wish,
};
pub use settings::{LogLevel, Setting, Settings, SettingsPatch};
pub use status::Status;
pub use tool::{DefinitionState, Instructions, Tool, ToolList};
