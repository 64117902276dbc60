/// Tells a server that nobody waits for a request any more, unless the answer has come.
pub(super) struct CancelOnDrop<F: FnMut(Vec<u8>)> {
    id: u64,
    tell: Option<F>,
}

impl<F: FnMut(Vec<u8>)> CancelOnDrop<F> {
    /// Sends the cancellation of the request `id` by `tell` when it is dropped.
    pub(super) const fn new(id: u64, tell: F) -> Self {
        Self {
            id,
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
            tell(cancellation(self.id));
        }
    }
}

/// Returns the notification that cancels the request `id`.
fn cancellation(id: u64) -> Vec<u8> {
    let reason = "the client no longer waits";
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"{reason}"}}}}"#
    )
    .into_bytes()
}
