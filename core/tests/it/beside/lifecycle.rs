//! Servers that never come up.

use narthex_testkit::bad::Bad;

use super::Beside;
use crate::words::{INIT_TIMED_OUT, NEVER_SEEN, assert_refused};

#[tokio::test]
async fn a_missing_program() {
    let beside = Beside::start(Bad::MissingProgram).await;

    let server = beside
        .core
        .wait_until("bad", |server| server.is("failed"))
        .await;

    assert_eq!(server.error_kind(), "command_not_found", "{server:?}");
    assert_refused(&beside.echo().await, NEVER_SEEN);
    beside.end().await;
}

#[tokio::test]
async fn an_initialize_that_hangs() {
    let beside = Beside::start(Bad::Mute).await;

    let server = beside
        .core
        .wait_until("bad", |server| server.error.is_some())
        .await;

    assert!(INIT_TIMED_OUT.contains(&server.error_kind()), "{server:?}");
    assert_refused(&beside.echo().await, NEVER_SEEN);
    beside.end().await;
}

#[tokio::test]
async fn a_crash_loop() {
    let beside = Beside::start(Bad::CrashLoop).await;

    let server = beside
        .core
        .wait_until("bad", |server| server.is("failed"))
        .await;

    assert_eq!(server.error_kind(), "exited", "{server:?}");
    assert_eq!(server.action.as_deref(), Some("try_again"), "{server:?}");
    let error = server.error.unwrap();
    assert!(error.message.contains('7'), "no exit code: {error:?}");
    beside.end().await;
}
