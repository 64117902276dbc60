//! Who belongs to a server: its process group, and where the system lets us know, everything that
//! came of it.

#[cfg(target_os = "linux")]
#[path = "kin/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "kin/other.rs"]
mod system;

pub(super) use system::{
    adopt_orphans, any_left, die_with_parent, kill_abandoned, signal_descendants,
};
