use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::time::timeout;

use super::{Api, wire};
use crate::view::{Change, Happening, Subscriber, Told, View};

/// How often a stream without events says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// Everything that changes, as it changes.
#[utoipa::path(get, operation_id = "follow_events", path = "/api/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "Where to resume: `{instance}-{revision}`")),
    responses((status = 200, body = wire::Event, content_type = "text/event-stream")))]
pub(super) async fn stream(State(api): State<Api>, headers: HeaderMap) -> Response {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let (subscriber, first) = subscribe(&api.view, last);
    api.metrics.events().subscriber(true);
    let following = Following {
        subscriber,
        first,
        subscribed: Subscribed(api.clone()),
        api,
    };
    let events = stream::unfold(following, async |mut following| {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Returns where a subscriber begins, and what it hears first.
fn subscribe(view: &View, last_event: Option<&str>) -> (Subscriber, Option<Bytes>) {
    let Some(last_event) = last_event else {
        let (subscriber, revision) = Subscriber::from_now(view.clone());
        let hello = wire::Hello {
            instance: view.instance().to_owned(),
            revision,
        };
        return (subscriber, Some(event(view, "hello", revision, &hello)));
    };
    let named = last_event
        .rsplit_once('-')
        .filter(|(instance, _)| *instance == view.instance());
    let named = named.and_then(|(_, revision)| revision.parse::<u64>().ok());
    match named.filter(|revision| view.read(|now| *revision <= now.revision)) {
        Some(revision) => (Subscriber::after(view.clone(), revision), None),
        None => {
            let (subscriber, revision) = Subscriber::from_now(view.clone());
            (
                subscriber,
                Some(event(view, "gap", revision, &wire::Gap { revision })),
            )
        }
    }
}

struct Following {
    api: Api,
    subscriber: Subscriber,
    first: Option<Bytes>,
    #[expect(dead_code, reason = "counts the subscriber until it is dropped")]
    subscribed: Subscribed,
}

struct Subscribed(Api);

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.metrics.events().subscriber(false);
    }
}

impl Following {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let told = tokio::select! {
            biased;
            told = timeout(KEEP_ALIVE, self.subscriber.next()) => told,
            () = self.api.stop.cancelled() => return None,
        };
        let (view, metrics) = (&self.api.view, self.api.metrics.events());
        Some(match told {
            Ok(Told::Happening(happening)) => {
                metrics.told(happening.at.elapsed());
                happening
                    .encoded
                    .get_or_init(|| encode(view, &happening))
                    .clone()
            }
            Ok(Told::Gap(revision)) => {
                metrics.gap();
                event(view, "gap", revision, &wire::Gap { revision })
            }
            Err(_) => Bytes::from_static(b": alive\n\n"),
        })
    }
}

/// Returns what happened as the event that every subscriber gets.
fn encode(view: &View, happening: &Happening) -> Bytes {
    let revision = happening.revision;
    let command = happening.command.as_ref().map(ToString::to_string);
    match &happening.change {
        Change::Server(entry) => {
            // The object is spliced in as it was encoded for lists.
            let command = command
                .map(|command| format!(r#""command":"{command}","#))
                .unwrap_or_default();
            let mut data = format!(r#"{{"revision":{revision},{command}"server":"#).into_bytes();
            data.extend_from_slice(entry.encoded(view));
            data.push(b'}');
            raw_event(view, "server", revision, &data)
        }
        Change::Removed(name) => event(
            view,
            "removed",
            revision,
            &wire::ServerRemoved {
                revision,
                name: name.to_string(),
            },
        ),
        Change::Core {
            paused,
            clients,
            problems,
        } => {
            let (paused, clients, problems) = (*paused, *clients, problems.to_vec());
            event(
                view,
                "core",
                revision,
                &wire::CoreChanged {
                    revision,
                    command,
                    paused,
                    clients,
                    problems,
                },
            )
        }
    }
}

fn event(view: &View, name: &str, revision: u64, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_vec(data).expect("wire types have no keys but strings");
    raw_event(view, name, revision, &data)
}

fn raw_event(view: &View, name: &str, revision: u64, data: &[u8]) -> Bytes {
    let mut event =
        format!("id: {}-{revision}\nevent: {name}\ndata: ", view.instance()).into_bytes();
    event.extend_from_slice(data);
    event.extend_from_slice(b"\n\n");
    event.into()
}
