use axum::{
    Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde::Deserialize;

use super::{
    Answer, Api,
    wire::{self, Command, ProblemDetails},
};
use crate::{
    catalog::{DefinitionKind, Reviewed},
    runtime::by_size,
    view::{Snapshot, View},
};

/// Lines of a log that are returned unless another number is asked for.
const LOG_LINES: usize = 100;

/// All servers.
#[utoipa::path(get, operation_id = "list_servers", path = "/api/v1/servers", tag = "servers", responses((status = 200, body = wire::ServerList)))]
pub(super) async fn list(State(api): State<Api>) -> Response {
    json(api.view.snapshot().encoded_list(&api.view))
}

/// One server.
#[utoipa::path(get, operation_id = "get_server", path = "/api/v1/servers/{name}", tag = "servers",
    responses((status = 200, body = wire::OneServer), (status = 404, body = ProblemDetails)))]
pub(super) async fn one(State(api): State<Api>, Path(name): Path<String>) -> Answer<Response> {
    let now = api.view.snapshot();
    let entry = now
        .server(&name)
        .ok_or_else(|| ProblemDetails::no_such_server(&name))?;
    let mut body = Vec::with_capacity(1024);
    body.extend_from_slice(
        format!(
            r#"{{"instance":"{}","revision":{},"server":"#,
            api.view.instance(),
            now.revision
        )
        .as_bytes(),
    );
    body.extend_from_slice(entry.encoded(&api.view));
    body.push(b'}');
    Ok(json(body.into()))
}

/// What a server offers, with what is held.
#[utoipa::path(get, operation_id = "list_tools", path = "/api/v1/servers/{name}/tools", tag = "servers",
    responses((status = 200, body = wire::ToolList), (status = 404, body = ProblemDetails)))]
pub(super) async fn tools(State(api): State<Api>, Path(name): Path<String>) -> Answer<Response> {
    let now = api.view.snapshot();
    let entry = now
        .server(&name)
        .ok_or_else(|| ProblemDetails::no_such_server(&name))?;
    // Definitions are spliced in as they came: they may hold numbers that no parser of ours keeps.
    let mut body = format!(r#"{{"revision":{}"#, now.revision).into_bytes();
    let weight = entry.tally.map_or(0, |tally| tally.weight);
    by_size(weight, || definitions(&mut body, entry.catalog.as_deref()));
    body.push(b'}');
    Ok(json(body.into()))
}

/// Appends what a person reviews.
fn definitions(body: &mut Vec<u8>, catalog: Option<&Reviewed>) {
    for (member, kind) in [
        ("tools", DefinitionKind::Tool),
        ("prompts", DefinitionKind::Prompt),
        ("templates", DefinitionKind::Template),
    ] {
        body.extend_from_slice(format!(r#","{member}":["#).as_bytes());
        for (place, item) in catalog.iter().flat_map(|it| it.of(kind)).enumerate() {
            if place > 0 {
                body.push(b',');
            }
            let name = Some((&*item.definition.name, &*item.offered_as));
            definition(body, name, item.state, &item.definition.raw);
        }
        body.push(b']');
    }
    if let Some((text, state)) = catalog.and_then(Reviewed::instructions_seen) {
        body.extend_from_slice(br#","instructions":"#);
        definition(body, None, state, &text.raw);
    }
}

/// Appends what a person reviews of one definition.
fn definition(
    body: &mut Vec<u8>,
    name: Option<(&str, &str)>,
    state: wire::DefinitionState,
    raw: &[u8],
) {
    let head = match name {
        Some((name, offered_as)) => {
            serde_json::json!({"name": name, "offered_as": offered_as, "state": state})
        }
        None => serde_json::json!({"state": state}),
    };
    let head = head.to_string();
    body.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
    body.extend_from_slice(br#","definition":"#);
    body.extend_from_slice(raw);
    body.push(b'}');
}

/// How many lines are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct LogQuery {
    lines: Option<usize>,
}

impl LogQuery {
    pub(super) fn lines(query: Result<Query<Self>, QueryRejection>) -> Answer<usize> {
        let Query(query) = query.map_err(|error| {
            let remedy = "Send a whole number: ?lines=100.";
            ProblemDetails::new(error.status(), "bad-request", error.body_text(), remedy)
                .about("lines")
        })?;
        Ok(query.lines.unwrap_or(LOG_LINES))
    }
}

/// The last lines of a server's log.
#[utoipa::path(get, operation_id = "read_log", path = "/api/v1/servers/{name}/logs", tag = "servers",
    params(("lines" = Option<usize>, Query, description = "How many lines, 100 unless told")),
    responses((status = 200, body = wire::LogLines), (status = 404, body = ProblemDetails)))]
pub(super) async fn logs(
    State(api): State<Api>,
    Path(name): Path<String>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Answer<Json<wire::LogLines>> {
    api.logs(&name, LogQuery::lines(query)?).map(Json)
}

/// Adds a server to the file.
#[utoipa::path(post, operation_id = "add_server", path = "/api/v1/servers", tag = "servers", request_body = wire::NewServer,
    responses((status = 201, body = wire::Written), (status = 409, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(super) async fn add(
    State(api): State<Api>,
    body: Result<Json<wire::NewServer>, JsonRejection>,
) -> Answer<(StatusCode, Json<wire::Written>)> {
    let Json(new) = body.map_err(|error| bad_body(&error))?;
    let written = api.add_server(new).await?;
    Ok((StatusCode::CREATED, Json(written)))
}

/// Changes an entry by a merge patch (RFC 7386).
#[utoipa::path(patch, operation_id = "patch_server", path = "/api/v1/servers/{name}", tag = "servers", request_body = Object,
    responses((status = 200, body = wire::Written), (status = 404, body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(super) async fn patch(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Result<Json<serde_json::Value>, JsonRejection>,
) -> Answer<Json<wire::Written>> {
    let Json(patch) = body.map_err(|error| bad_body(&error))?;
    api.patch_server(&name, patch).await.map(Json)
}

/// Takes a server out of the file.
#[utoipa::path(delete, operation_id = "remove_server", path = "/api/v1/servers/{name}", tag = "servers",
    responses((status = 200, body = wire::RemovedServer), (status = 404, body = ProblemDetails)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<wire::RemovedServer>> {
    api.remove_server(&name).await.map(Json)
}

/// Wishes a server connected.
#[utoipa::path(post, operation_id = "connect_server", path = "/api/v1/servers/{name}/connect", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = ProblemDetails), (status = 409, body = ProblemDetails)))]
pub(super) async fn connect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<wire::Accepted>> {
    api.wish(&name, Command::Connect).await.map(Json)
}

/// Wishes a server disconnected.
#[utoipa::path(post, operation_id = "disconnect_server", path = "/api/v1/servers/{name}/disconnect", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = ProblemDetails)))]
pub(super) async fn disconnect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<wire::Accepted>> {
    api.wish(&name, Command::Disconnect).await.map(Json)
}

/// Starts a server again.
#[utoipa::path(post, operation_id = "restart_server", path = "/api/v1/servers/{name}/restart", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = ProblemDetails), (status = 409, body = ProblemDetails)))]
pub(super) async fn restart(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<wire::Accepted>> {
    api.wish(&name, Command::Restart).await.map(Json)
}

/// Puts a server in quarantine.
#[utoipa::path(post, operation_id = "quarantine_server", path = "/api/v1/servers/{name}/quarantine", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = ProblemDetails)))]
pub(super) async fn quarantine(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<wire::Accepted>> {
    api.wish(&name, Command::Quarantine).await.map(Json)
}

/// Approves what a server would run, what it offers, or both.
#[utoipa::path(post, operation_id = "approve_server", path = "/api/v1/servers/{name}/approve", tag = "wishes", request_body = wire::Approval,
    responses((status = 200, body = wire::Accepted), (status = 202, body = wire::Pending), (status = 409, body = ProblemDetails)))]
pub(super) async fn approve(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Result<Json<wire::Approval>, JsonRejection>,
) -> Answer<Response> {
    let Json(approval) = body.map_err(|error| bad_body(&error))?;
    Ok(match api.ask_to_approve(&name, approval).await? {
        wire::Approved::Accepted(accepted) => Json(accepted).into_response(),
        wire::Approved::Pending(pending) => (StatusCode::ACCEPTED, Json(pending)).into_response(),
    })
}

pub(super) fn bad_body(error: &JsonRejection) -> Box<ProblemDetails> {
    let remedy = "Send JSON with Content-Type: application/json; see docs/openapi.json.";
    ProblemDetails::new(error.status(), "bad-request", error.body_text(), remedy)
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

impl Snapshot {
    /// Returns `GET /servers` at this revision, encoded once whoever asks.
    pub(crate) fn encoded_list(&self, view: &View) -> Bytes {
        self.list
            .get_or_init(|| {
                let mut body = Vec::with_capacity(64 + self.servers.len() * 640);
                let head = format!(
                    r#"{{"instance":"{}","revision":{},"servers":["#,
                    view.instance(),
                    self.revision
                );
                body.extend_from_slice(head.as_bytes());
                for (place, entry) in self.servers.values().enumerate() {
                    if place > 0 {
                        body.push(b',');
                    }
                    body.extend_from_slice(entry.encoded(view));
                }
                body.extend_from_slice(b"]}");
                body.into()
            })
            .clone()
    }
}
