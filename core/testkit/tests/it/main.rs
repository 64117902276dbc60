//! Tests of the testkit itself: what the core's tests stand on must hold by itself.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[cfg(target_os = "linux")]
mod census;
mod http;
#[cfg(unix)]
mod stdio;
