//! What others see of the core: the wire types, REST, events, health and metrics.

#[cfg(feature = "bindings")]
mod bindings;
mod clients;
mod confirmations;
mod events;
mod following;
mod front;
mod guard;
mod log_stream;
mod openapi;
mod operations;
mod problem;
mod rest;
mod router;
mod servers;
mod settings;
mod sse;
mod timely;
mod ui;
pub mod wire;

#[cfg(feature = "bindings")]
pub use bindings::bindings;
pub use confirmations::Confirmations;
pub use following::Following;
pub use front::Front;
pub use guard::Guard;
pub use log_stream::LogFollowing;
pub use openapi::document;
pub use problem::Answer;
pub use router::{Api, Facts};
pub use timely::BODY_WITHIN;
