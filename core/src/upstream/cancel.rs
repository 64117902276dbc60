use std::sync::Arc;

use super::Caller;
use crate::mcp::{Envelope, one_line, splice};

/// Tells a server that nobody waits for a request any more, unless the answer has come.
pub(super) struct CancelOnDrop<F: FnMut(Vec<u8>)> {
    id: u64,
    caller: Option<Arc<dyn Caller>>,
    tell: Option<F>,
}

impl<F: FnMut(Vec<u8>)> CancelOnDrop<F> {
    /// Sends the cancellation of the request `id` by `tell` when it is dropped: the notification of
    /// the client behind it, or one of our own where that has gone without a word.
    pub(super) const fn new(id: u64, caller: Option<Arc<dyn Caller>>, tell: F) -> Self {
        Self {
            id,
            caller,
            tell: Some(tell),
        }
    }

    /// Sends nothing: the request is over.
    pub(super) fn disarm(mut self) {
        self.tell = None;
    }
}

impl<F: FnMut(Vec<u8>)> Drop for CancelOnDrop<F> {
    fn drop(&mut self) {
        if let Some(tell) = &mut self.tell {
            let of_client = self.caller.as_ref().and_then(|it| it.cancellation());
            let of_client = of_client.and_then(|message| renamed(&message, self.id));
            tell(of_client.unwrap_or_else(|| cancellation(self.id)));
        }
    }
}

/// Returns a client's notification, on one line, under the id that the server knows.
fn renamed(message: &Envelope, id: u64) -> Option<Vec<u8>> {
    let range = message.field("requestId").ok()??;
    let mut message = splice(message.bytes(), &[(range, id.to_string().as_bytes())]);
    one_line(&mut message);
    Some(message)
}

/// Returns the notification that cancels the request `id`.
fn cancellation(id: u64) -> Vec<u8> {
    let reason = "the client no longer waits";
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"{reason}"}}}}"#
    )
    .into_bytes()
}
