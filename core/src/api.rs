//! What others see of the core: the wire types, REST, events, health and metrics.

pub mod wire;
