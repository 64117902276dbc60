//! Who belongs to a server: its process group, and where the system lets us know, everything that
//! came of it.

#[cfg(target_os = "linux")]
#[path = "kin/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "kin/other.rs"]
mod system;

#[cfg(target_os = "linux")]
pub(super) use system::die_with_parent;
pub(super) use system::{adopt_orphans, any_left, ended, kill_abandoned, signal_descendants};
