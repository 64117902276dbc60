//! Tests of the testkit itself: what the core's tests stand on must hold by itself.

#[cfg(unix)]
mod stdio;
