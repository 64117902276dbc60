//! One MCP server: what it is called, how it is started, in which phase it is, and the actor that
//! owns its lifecycle.

pub mod actor;
mod backoff;
mod cause;
pub mod logs;
mod name;
mod phase;
mod renewals;
mod secret;
mod spec;

pub use backoff::{Backoff, NAMED_WAIT_MAX};
pub use cause::{Cause, CauseKind};
pub use name::{InvalidName, ServerName};
pub use phase::{Circumstances, Effect, Input, LASTED, Next, Phase};
pub(crate) use renewals::Renewals;
pub use secret::{MASK, Secret};
pub use spec::{HttpFlavor, SessionMode, Spec, Transport, Value, Written};
