//! What must hold whatever the bytes: each takes some and panics where it does not.

pub(crate) mod envelope;
pub(crate) mod events;
pub(crate) mod headers;
