//! What [`super::turns`] is built from. `tests/loom.rs` builds the same file from loom's, so that
//! every order of steps that threads can take is tried.

pub(super) use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
