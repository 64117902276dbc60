use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Api,
    servers::LogQuery,
    sse,
    wire::{LogEvent, ProblemDetails},
};
use crate::server::logs::Follower;

/// Every line of a server's log, as it is written.
#[utoipa::path(get, operation_id = "follow_log", path = "/api/v1/servers/{name}/logs/stream", tag = "servers",
    params(("lines" = Option<usize>, Query, description = "How many of the last lines come first, 100 unless told")),
    responses((status = 200, body = LogEvent, content_type = "text/event-stream"), (status = 404, body = ProblemDetails)))]
pub(super) async fn stream(
    State(api): State<Api>,
    Path(name): Path<String>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Answer<Response> {
    let following = api.follow_log(&name, LogQuery::lines(query)?)?;
    let events = stream::unfold(following, async |mut following| {
        let event = match timeout(sse::KEEP_ALIVE, following.next()).await {
            Ok(event) => encode(&event?),
            Err(_) => sse::ALIVE,
        };
        Some((event, following))
    });
    Ok(sse::response(events))
}

fn encode(event: &LogEvent) -> Bytes {
    match event {
        LogEvent::Line(line) => sse::event("", "line", &sse::json(line)),
        LogEvent::Gap(missed) => sse::event("", "gap", &sse::json(missed)),
    }
}

/// One who follows a server's log, over a wire or in process.
#[derive(Debug)]
pub struct LogFollowing {
    follower: Follower,
    stop: CancellationToken,
}

impl LogFollowing {
    pub(super) const fn new(follower: Follower, stop: CancellationToken) -> Self {
        Self { follower, stop }
    }

    /// Returns the next event; nothing once the server is removed or the core ends. Cancel-safe.
    pub async fn next(&mut self) -> Option<LogEvent> {
        tokio::select! {
            biased;
            event = self.follower.next() => event,
            () = self.stop.cancelled() => None,
        }
    }
}
