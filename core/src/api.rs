//! What others see of the core: the wire types, REST, events, health and metrics.

mod clients;
mod events;
mod following;
mod front;
mod guard;
mod openapi;
mod operations;
mod problem;
mod rest;
mod router;
mod servers;
pub mod wire;

pub use following::Following;
pub use front::Front;
pub use guard::Guard;
pub use openapi::document;
pub use problem::Answer;
pub use router::{Api, Facts};
