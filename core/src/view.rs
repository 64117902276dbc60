//! The present: one snapshot of all servers, read without a lock, written in one place, and
//! announced to whoever follows it.
//!
//! The publisher stores a snapshot first and announces it then, so that whoever hears of a
//! revision reads at least that revision.

mod entry;
mod log;
mod offers;
mod places;
mod present;
mod publisher;
mod snapshot;
mod status;
mod subjects;
mod sync;

pub use entry::Entry;
pub use log::{Change, Happening, KEPT, Subscriber, Told};
pub use offers::{Menu, Offers, Route};
pub use places::Places;
pub use publisher::{Draft, Publisher, Reporter};
pub use snapshot::{Cache, Current, Snapshot, View};
pub use status::Status;
pub use subjects::Subject;
use subjects::Subjects;
