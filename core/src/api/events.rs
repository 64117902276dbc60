use axum::{extract::State, http::HeaderMap, response::Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::timeout;

use super::{
    Api,
    following::{self, Following, Heard},
    sse::{self, json},
    wire,
};
use crate::view::{Change, Happening, View};

/// Everything that changes, as it changes.
#[utoipa::path(get, operation_id = "follow_events", path = "/api/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Where to resume: `{instance}-{revision}`")),
    responses((status = 200, body = wire::Event, content_type = "text/event-stream")))]
pub(super) async fn stream(State(api): State<Api>, headers: HeaderMap) -> Response {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let following = match last {
        Some(last) => Following::after(api, last),
        None => Following::from_now(api),
    };
    let events = stream::unfold(following, async |mut following| {
        let event = match timeout(sse::KEEP_ALIVE, following.hear()).await {
            Ok(heard) => encode(following.view(), heard?),
            Err(_) => sse::ALIVE,
        };
        Some((event, following))
    });
    sse::response(events)
}

fn encode(view: &View, heard: Heard) -> Bytes {
    match heard {
        Heard::Hello(revision) => event(view, &following::hello(view, revision)),
        Heard::Happening(happening) => happening
            .encoded
            .get_or_init(|| encode_happening(view, &happening))
            .clone(),
        Heard::Gap(revision) => event(view, &wire::Event::Gap(wire::Gap { revision })),
    }
}

fn encode_happening(view: &View, happening: &Happening) -> Bytes {
    let Change::Server(entry) = &happening.change else {
        return event(view, &following::event(view, happening));
    };
    // The object is spliced in as it was encoded for lists.
    let revision = happening.revision;
    let command = happening.command.as_ref();
    let command = command
        .map(|command| format!(r#""command":"{command}","#))
        .unwrap_or_default();
    let mut data = format!(r#"{{"revision":{revision},{command}"server":"#).into_bytes();
    data.extend_from_slice(entry.encoded(view));
    data.push(b'}');
    raw_event(view, "server", revision, &data)
}

fn event(view: &View, event: &wire::Event) -> Bytes {
    let (name, data) = match event {
        wire::Event::Hello(data) => ("hello", json(data)),
        wire::Event::Server(data) => ("server", json(data)),
        wire::Event::Removed(data) => ("removed", json(data)),
        wire::Event::Core(data) => ("core", json(data)),
        wire::Event::Gap(data) => ("gap", json(data)),
    };
    raw_event(view, name, event.revision(), &data)
}

fn raw_event(view: &View, name: &str, revision: u64, data: &[u8]) -> Bytes {
    let id = format!("id: {}-{revision}\n", view.instance());
    sse::event(&id, name, data)
}
