//! What [`super::present`] is built from. `tests/loom.rs` builds the same file from loom's, so that
//! every order of steps that threads can take is tried.

pub(super) use arc_swap::ArcSwap as Cell;
pub(super) use std::sync::{Mutex, PoisonError};
pub(super) use tokio::sync::watch;
