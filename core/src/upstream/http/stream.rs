//! The streams that are opened by GET: what a server says by itself, and the rest of an answer that
//! broke off. The first is the sign that a server is there, too.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use axum::http::{HeaderValue, Method, StatusCode};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Events, Form, HttpConnection, TooLong, lines::Body, pause::Pause, refused, session::Session,
};
use crate::{
    mcp::{Kind, Outgoing},
    server::CauseKind,
    upstream::{CallError, introduction::cause, pace::Pace},
};

/// How often in a row a server that can be reached may fail to open its stream: some three minutes.
const FAILURES_MAX: u32 = 8;

/// How often a server without a stream is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// How long such a question may go unanswered.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What became of a stream that was asked for.
pub(super) enum Opened {
    /// It is open.
    Events(Body),
    /// It may be asked for again, after the time that the server names.
    Later(Option<Duration>),
    /// The server has none.
    NotOffered,
    /// The server no longer knows the session.
    Expired,
    /// It was not reached, or does not let us in.
    Failed(CallError),
}

impl HttpConnection {
    /// Opens a stream of what comes after the event `place`, or of what the server says by itself.
    pub(super) async fn open_stream(
        &self,
        session: &Session,
        place: Option<&HeaderValue>,
    ) -> Opened {
        let (events, revision) = ("text/event-stream", session.revision);
        let mut request = self
            .address
            .request(Method::GET, Bytes::new(), events, revision);
        session.name_in(&mut request);
        if let Some(place) = place {
            request.headers_mut().insert("last-event-id", place.clone());
        }
        let answer = match self.address.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Opened::Failed(error),
        };
        match refused(&answer) {
            None => {}
            Some(CallError::Overloaded { retry_after, .. }) => return Opened::Later(retry_after),
            // Some that have no stream say so in these words, too.
            Some(CallError::HttpStatus(400 | 404)) if session.id.is_some() => {
                if !self.refuses_pings(session).await {
                    return Opened::NotOffered;
                }
                self.expired(session);
                return Opened::Expired;
            }
            // 501 says that it never will.
            Some(CallError::HttpStatus(500 | 502..)) => return Opened::Later(None),
            Some(error @ CallError::SignInNeeded) => return Opened::Failed(error),
            Some(_) => return Opened::NotOffered,
        }
        let is_stream = answer.status() == StatusCode::OK && Form::of(&answer) == Ok(Form::Events);
        if is_stream {
            Opened::Events(answer.into_body())
        } else {
            Opened::NotOffered
        }
    }
}

/// Listens until the connection is gone, or its session is.
pub(super) async fn listen(connection: Weak<HttpConnection>, session: Arc<Session>) {
    let Some(mut events) = connection
        .upgrade()
        .map(|it| Events::new(None, &it.ear.company))
    else {
        return;
    };
    let mut pause = Pause::default();
    loop {
        let Some(strong) = connection.upgrade() else {
            return;
        };
        let place = events.place();
        let opened = strong.open_stream(&session, place.as_ref()).await;
        drop(strong);
        let named = match opened {
            Opened::Events(body) => {
                let since = Instant::now();
                events.go_on(body);
                if let Err(TooLong) = read(&connection, &mut events).await {
                    return lost(&connection, &CallError::TooLong);
                }
                pause.ended(since.elapsed(), events.retry());
                events.retry()
            }
            Opened::Later(after) => {
                if pause.failed() >= FAILURES_MAX {
                    return ping(connection).await;
                }
                after.or(events.retry())
            }
            Opened::NotOffered => return ping(connection).await,
            Opened::Expired => return,
            Opened::Failed(error) => {
                if error != CallError::ServerEnded || pause.failed() >= FAILURES_MAX {
                    return lost(&connection, &error);
                }
                events.retry()
            }
        };
        sleep(pause.wait(named, fastrand::f64())).await;
    }
}

async fn read(connection: &Weak<HttpConnection>, events: &mut Events) -> Result<(), TooLong> {
    let mut pace = Pace::new();
    while let Some(mut event) = events.next().await? {
        let Some(connection) = connection.upgrade() else {
            return Ok(());
        };
        let length = event.data.len();
        if let Ok(envelope) = event.message() {
            if envelope.kind() == Kind::Request {
                pace.asked();
            }
            // An answer comes here from a server that takes this for the stream it broke off.
            connection.ear.took(&envelope);
        }
        drop(connection);
        pace.heard(length);
        if pace.is_over() {
            pace.rest().await;
        }
    }
    Ok(())
}

/// Asks a server without a stream now and then whether it is still there.
async fn ping(connection: Weak<HttpConnection>) {
    loop {
        sleep(PING_EVERY).await;
        let Some(strong) = connection.upgrade() else {
            return;
        };
        let request = Outgoing::new("ping", "{}");
        match timeout(PING_TIMEOUT, strong.request(&request, None)).await {
            Ok(Ok(_) | Err(CallError::Overloaded { .. })) => {}
            // Whoever renews the session listens again.
            Ok(Err(CallError::SessionExpired)) => return,
            Ok(Err(error)) => return lost(&connection, &error),
            Err(_) => return lost(&connection, &CallError::TimedOut),
        }
    }
}

fn lost(connection: &Weak<HttpConnection>, error: &CallError) {
    let Some(connection) = connection.upgrade() else {
        return;
    };
    let mut cause = cause(error);
    if *error == CallError::TimedOut {
        // It was up: that it answers no ping is no slow start.
        cause.kind = CauseKind::ConnectionLost;
    }
    connection.signals().ended(cause);
}
