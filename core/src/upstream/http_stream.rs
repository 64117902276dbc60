//! The GET stream of Streamable HTTP: what a server says by itself, and the sign that it is there.

use std::{sync::Weak, time::Duration};

use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::{CallError, HttpConnection};
use crate::{
    mcp::{Envelope, Kind, Outgoing, SERVER_MESSAGE_BYTES_MAX, sse},
    server::{Cause, CauseKind},
};

/// A stream that ends sooner than this is opened again after a wait.
const LASTED: Duration = Duration::from_secs(5);

/// The wait before a stream that ended at once is opened again; it doubles up to the next.
const REOPEN_WAIT: Duration = Duration::from_secs(1);

/// The longest wait before a stream is opened again.
const REOPEN_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often a server without a stream is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// How long such a question may go unanswered.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Listens until the connection is gone.
pub(super) async fn listen(connection: Weak<HttpConnection>) {
    let mut wait = REOPEN_WAIT;
    let mut last_event = None;
    loop {
        let opened = Instant::now();
        let Some(strong) = connection.upgrade() else {
            return;
        };
        let response = match strong.get(last_event.as_deref()).await {
            Ok(response) if response.status() == StatusCode::OK => response,
            Ok(_) => return ping(connection).await,
            Err(error) => return lost(&strong, &error),
        };
        drop(strong);
        read(&connection, response.into_body(), &mut last_event).await;
        wait = if opened.elapsed() >= LASTED {
            Duration::ZERO
        } else {
            (wait * 2).min(REOPEN_WAIT_MAX)
        };
        tokio::time::sleep(wait).await;
        wait = wait.max(REOPEN_WAIT);
    }
}

async fn read(
    connection: &Weak<HttpConnection>,
    mut body: hyper::body::Incoming,
    last_event: &mut Option<String>,
) {
    let mut reader = sse::Reader::new(SERVER_MESSAGE_BYTES_MAX);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let Some(connection) = connection.upgrade() else {
            return;
        };
        reader.push(&data);
        loop {
            match reader.next_event() {
                Ok(Some(event)) => {
                    if event.id.is_some() {
                        last_event.clone_from(&event.id);
                    }
                    if let Ok(envelope) = Envelope::parse(event.data) {
                        heard(&connection, &envelope);
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn heard(connection: &HttpConnection, envelope: &Envelope) {
    match envelope.kind() {
        Kind::Notification | Kind::Request => connection.heard(envelope, None),
        Kind::Result | Kind::Error => tracing::debug!("response on the stream passed over"),
    }
}

/// Asks a server without a stream now and then whether it is still there.
async fn ping(connection: Weak<HttpConnection>) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        let Some(connection) = connection.upgrade() else {
            return;
        };
        let request = Outgoing::new("ping", "{}");
        let answered = tokio::time::timeout(PING_TIMEOUT, connection.request(&request, None)).await;
        match answered {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return lost(&connection, &error),
            Err(_) => return lost(&connection, &CallError::TimedOut),
        }
    }
}

fn lost(connection: &HttpConnection, error: &CallError) {
    let kind = match error {
        CallError::Unreachable => CauseKind::Unreachable,
        CallError::SignInNeeded => CauseKind::SignInNeeded,
        CallError::NotConnected
        | CallError::ServerEnded
        | CallError::Revoked(_)
        | CallError::SessionExpired
        | CallError::TimedOut
        | CallError::NotReading
        | CallError::InvalidReply(_)
        | CallError::TooLong
        | CallError::NotOpened(_)
        | CallError::HttpStatus(_)
        | CallError::Redirected
        | CallError::Busy { .. }
        | CallError::NotMcp => CauseKind::ConnectionLost,
    };
    let remedy = "Check that the server runs and that the address is right.";
    connection
        .signals()
        .ended(Cause::new(kind, error.to_string(), remedy));
}
