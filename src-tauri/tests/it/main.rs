//! The desktop as a system sees it: on a display and a bus of its own, with the host of the tray
//! written here. Nothing of the person who runs the tests is touched.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its helpers cannot go on"
)]

mod desktop;
mod session;
mod tray_host;

mod bridge;
mod lifecycle;
mod notices;
mod tray;
