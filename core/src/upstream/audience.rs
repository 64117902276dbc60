use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{mcp::Envelope, server::ServerName};

/// Hears what servers say that concerns no call in flight.
pub trait Hears: fmt::Debug + Send + Sync {
    /// Takes a notification of `server`.
    fn heard(&self, server: &ServerName, message: &Envelope);
}

/// Who hears what servers say by themselves. Cheap to clone; silent until somebody sits down.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    seat: Arc<OnceLock<Arc<dyn Hears>>>,
}

impl Audience {
    /// Has `listener` hear all servers. The first one stays.
    pub fn seat(&self, listener: Arc<dyn Hears>) {
        // One core has one gateway.
        let _ = self.seat.set(listener);
    }

    pub(super) fn heard(&self, server: &ServerName, message: &Envelope) {
        if let Some(listener) = self.seat.get() {
            listener.heard(server, message);
        }
    }
}
