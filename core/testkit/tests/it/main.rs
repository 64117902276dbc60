//! Tests of the testkit itself: what the core's tests stand on must hold by itself.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[cfg(unix)]
mod stdio;
