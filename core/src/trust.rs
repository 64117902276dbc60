//! Who is let in: launches that a person approved, definitions pinned by their hash, what a person
//! put in quarantine or switched off, and the credentials of clients. Durable in `trust.db` before
//! anything is acknowledged.

mod launch;
mod ledger;
mod store;

pub use launch::{LaunchId, LaunchKey};
pub use ledger::{Known, Ledger, OffersWord, PinName, ReviewRefused, Seen};
pub use store::{ClientRow, Contents, Store, StoreError, Write};
