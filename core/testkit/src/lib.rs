//! What Narthex is tested with: scripted MCP servers, well-behaved and not, over stdio and HTTP; a
//! harness around the real `narthex` binary; a census of processes; a load generator, and the blind
//! forwarders it is measured against.
//!
//! The testkit knows the core only by its published interface. It shares no type with it, so that a
//! test fails when the wire changes and not only when both sides disagree.

pub mod bad;
mod full;
pub mod script;
pub mod scripted;
pub mod stdio;

pub mod http;
mod http_legacy;

#[cfg(unix)]
pub mod offspring;

pub mod sse;

pub mod binaries;
pub mod session;
pub mod upstream;
pub mod verbatim;

pub mod forwarder;
pub mod load;
pub mod messy;
pub mod peer;
pub mod pipe;
pub mod proxy;
pub mod router;
pub mod table;
pub mod tls;
pub mod view;

#[cfg(target_os = "linux")]
pub mod bridge;
#[cfg(target_os = "linux")]
pub mod census;
#[cfg(target_os = "linux")]
pub mod core;
#[cfg(target_os = "linux")]
pub mod entry;
#[cfg(target_os = "linux")]
pub mod events;
#[cfg(target_os = "linux")]
pub mod gate;
#[cfg(target_os = "linux")]
pub mod home;
