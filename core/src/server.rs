//! One MCP server: what it is called, how it is started, in which phase it is, and the actor that
//! owns its lifecycle.

mod name;
mod secret;
mod spec;

pub use name::{InvalidName, ServerName};
pub use secret::{MASK, Secret};
pub use spec::{HttpFlavor, SessionMode, Spec, Transport, Value};
