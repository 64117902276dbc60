//! What others see of the core: the wire types, REST, events, health and metrics.

mod clients;
mod events;
mod guard;
mod openapi;
mod problem;
mod rest;
mod router;
mod servers;
pub mod wire;

pub use guard::Guard;
pub use openapi::document;
pub use problem::problem;
pub use router::{Api, Facts, wrong_method};
