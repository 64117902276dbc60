//! Words that the interface leaves open, and what the tests take for them. Each is loose: any of
//! the words listed is right.

use narthex_testkit::session::Answer;

/// `error.data.kind` of a call to a server that a person put or left in quarantine.
pub(crate) const IN_QUARANTINE: &[&str] = &["in_quarantine"];
/// … to a server that is disconnected.
pub(crate) const DISCONNECTED: &[&str] = &["disconnected", "not_connected"];
/// … to a server while all are paused.
pub(crate) const PAUSED: &[&str] = &["paused", "not_connected"];
/// … to a server that is off in the file.
pub(crate) const OFF: &[&str] = &["off", "not_connected"];
/// … that was written to a server which then ended.
pub(crate) const ENDED: &[&str] = &["server_ended"];
/// … that a wish of a person ended.
pub(crate) const ENDED_BY_WISH: &[&str] =
    &["server_ended", "cancelled", "not_connected", "disconnected"];
/// … that took longer than `callTimeout`.
pub(crate) const TIMED_OUT: &[&str] = &["timed_out"];
/// The kind of a server's error when `initialize` takes longer than `initTimeout`.
pub(crate) const INIT_TIMED_OUT: &[&str] = &["init_timeout", "timed_out"];
/// … to a tool of a server that was never seen: names are routed by table, and it has none there.
pub(crate) const NEVER_SEEN: &[&str] = &["in_quarantine", "unknown_tool"];
/// … to a tool whose definition is held.
pub(crate) const HELD: &[&str] = &["held", "tool_held", "in_quarantine", "unknown_tool"];

/// Asserts that `answer` is an error of one of `kinds`.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, kinds: &[&str]) {
    let kind = answer.error_kind();
    assert!(
        kinds.contains(&kind),
        "expected an error of kind {kinds:?}: {}",
        answer.message
    );
}
