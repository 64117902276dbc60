use axum::{
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
    Api,
    problem::{bad_entry, no_such_server, not_written, problem},
    wire,
};
use crate::{
    catalog::DefinitionKind,
    config,
    server::ServerName,
    supervisor::Order,
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
    responses((status = 200, body = wire::OneServer), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn one(State(api): State<Api>, Path(name): Path<String>) -> Response {
    let now = api.view.snapshot();
    let Some(entry) = now.server(&name) else {
        return no_such_server(&name);
    };
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
    json(body.into())
}

/// What a server offers, with what is held.
#[utoipa::path(get, operation_id = "list_tools", path = "/api/v1/servers/{name}/tools", tag = "servers",
    responses((status = 200, body = wire::ToolList), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn tools(State(api): State<Api>, Path(name): Path<String>) -> Response {
    let now = api.view.snapshot();
    let Some(entry) = now.server(&name) else {
        return no_such_server(&name);
    };
    // Definitions are spliced in as they came: they may hold numbers that no parser of ours keeps.
    let mut body = format!(r#"{{"revision":{}"#, now.revision).into_bytes();
    let catalog = entry.catalog.as_ref();
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
            definition(&mut body, name, item.state, &item.definition.raw);
        }
        body.push(b']');
    }
    if let Some((text, state)) = catalog.and_then(|catalog| catalog.instructions_seen()) {
        body.extend_from_slice(br#","instructions":"#);
        definition(&mut body, None, state, &text.raw);
    }
    body.push(b'}');
    json(body.into())
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

/// The last lines of a server's log.
#[utoipa::path(get, operation_id = "read_log", path = "/api/v1/servers/{name}/logs", tag = "servers",
    params(("lines" = Option<usize>, Query, description = "How many lines, 100 unless told")),
    responses((status = 200, body = wire::LogLines), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn logs(
    State(api): State<Api>,
    Path(name): Path<String>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => {
            let remedy = "Send a whole number: ?lines=100.";
            let detail = error.body_text();
            return problem(error.status(), "bad-request", &detail, remedy, &["lines"]);
        }
    };
    let now = api.view.snapshot();
    let Some(entry) = now.server(&name) else {
        return no_such_server(&name);
    };
    let lines = api
        .logs
        .of(&entry.name)
        .last(query.lines.unwrap_or(LOG_LINES));
    axum::Json(wire::LogLines { lines }).into_response()
}

/// Adds a server to the file.
#[utoipa::path(post, operation_id = "add_server", path = "/api/v1/servers", tag = "servers", request_body = wire::NewServer,
    responses((status = 201, body = wire::Written), (status = 409, body = wire::ProblemDetails), (status = 422, body = wire::ProblemDetails)))]
pub(super) async fn add(
    State(api): State<Api>,
    body: Result<axum::Json<wire::NewServer>, JsonRejection>,
) -> Response {
    let new = match body {
        Ok(axum::Json(new)) => new,
        Err(error) => return bad_body(&error),
    };
    let name = match check(&api, &new.name, &new.entry) {
        Ok(name) => name,
        Err(response) => return *response,
    };
    let (file, written) = (api.file.clone(), name.clone());
    edit(&api, &name, StatusCode::CREATED, move || {
        file.add(&written, &new.entry)
    })
    .await
}

/// Changes an entry by a merge patch (RFC 7386).
#[utoipa::path(patch, operation_id = "patch_server", path = "/api/v1/servers/{name}", tag = "servers", request_body = Object,
    responses((status = 200, body = wire::Written), (status = 404, body = wire::ProblemDetails), (status = 422, body = wire::ProblemDetails)))]
pub(super) async fn patch(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Result<axum::Json<serde_json::Value>, JsonRejection>,
) -> Response {
    let patch = match body {
        Ok(axum::Json(patch)) => patch,
        Err(error) => return bad_body(&error),
    };
    let Some(server) = known(&api, &name) else {
        return no_such_server(&name);
    };
    let (file, read) = (api.file.clone(), server.clone());
    let entry = match blocking(move || file.entry(&read)).await {
        Ok(entry) => entry,
        Err(error) => return not_written(&error, &name),
    };
    if let Err(response) = check(&api, &name, &config::merge(entry, &patch)) {
        return *response;
    }
    let (file, written) = (api.file.clone(), server.clone());
    edit(&api, &server, StatusCode::OK, move || {
        file.patch(&written, &patch)
    })
    .await
}

/// Takes a server out of the file.
#[utoipa::path(delete, operation_id = "remove_server", path = "/api/v1/servers/{name}", tag = "servers",
    responses((status = 200, body = wire::RemovedServer), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn remove(State(api): State<Api>, Path(name): Path<String>) -> Response {
    let Some(server) = known(&api, &name) else {
        return no_such_server(&name);
    };
    let (file, gone) = (api.file.clone(), server.clone());
    if let Err(error) = blocking(move || file.remove(&gone)).await {
        return not_written(&error, &name);
    }
    match api.supervisor.reload().await {
        Ok(revision) => axum::Json(wire::RemovedServer { revision }).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Wishes a server connected.
#[utoipa::path(post, operation_id = "connect_server", path = "/api/v1/servers/{name}/connect", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::ProblemDetails), (status = 409, body = wire::ProblemDetails)))]
pub(super) async fn connect(State(api): State<Api>, Path(name): Path<String>) -> Response {
    order(&api, &name, |server| Order::Wish {
        server,
        wish: wire::Wish::Connected,
    })
    .await
}

/// Wishes a server disconnected.
#[utoipa::path(post, operation_id = "disconnect_server", path = "/api/v1/servers/{name}/disconnect", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn disconnect(State(api): State<Api>, Path(name): Path<String>) -> Response {
    order(&api, &name, |server| Order::Wish {
        server,
        wish: wire::Wish::Disconnected,
    })
    .await
}

/// Starts a server again.
#[utoipa::path(post, operation_id = "restart_server", path = "/api/v1/servers/{name}/restart", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::ProblemDetails), (status = 409, body = wire::ProblemDetails)))]
pub(super) async fn restart(State(api): State<Api>, Path(name): Path<String>) -> Response {
    order(&api, &name, Order::Restart).await
}

/// Puts a server in quarantine.
#[utoipa::path(post, operation_id = "quarantine_server", path = "/api/v1/servers/{name}/quarantine", tag = "wishes",
    responses((status = 200, body = wire::Accepted), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn quarantine(State(api): State<Api>, Path(name): Path<String>) -> Response {
    order(&api, &name, Order::Quarantine).await
}

/// Approves what a server would run, what it offers, or both.
#[utoipa::path(post, operation_id = "approve_server", path = "/api/v1/servers/{name}/approve", tag = "wishes", request_body = wire::Approval,
    responses((status = 200, body = wire::Accepted), (status = 202, body = wire::Pending), (status = 409, body = wire::ProblemDetails)))]
pub(super) async fn approve(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Result<axum::Json<wire::Approval>, JsonRejection>,
) -> Response {
    match body {
        Ok(axum::Json(approval)) => {
            order(&api, &name, |server| Order::Approve { server, approval }).await
        }
        Err(error) => bad_body(&error),
    }
}

async fn order(api: &Api, name: &str, order: impl FnOnce(ServerName) -> Order) -> Response {
    let Ok(server) = ServerName::new(name) else {
        return no_such_server(name);
    };
    match api.supervisor.order(order(server)).await {
        Ok(accepted) => axum::Json(accepted).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Writes the file, and answers when the view knows it.
async fn edit(
    api: &Api,
    server: &ServerName,
    status: StatusCode,
    write: impl FnOnce() -> Result<(), config::EditError> + Send + 'static,
) -> Response {
    if let Err(error) = blocking(write).await {
        return not_written(&error, server.as_str());
    }
    let revision = match api.supervisor.reload().await {
        Ok(revision) => revision,
        Err(error) => return error.into_response(),
    };
    match api.view.read(|now| {
        now.server(server.as_str())
            .map(|entry| entry.wire(&api.view))
    }) {
        Some(server) => (status, axum::Json(wire::Written { revision, server })).into_response(),
        // Somebody took it out again in the meantime.
        None => no_such_server(server.as_str()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, config::EditError> + Send + 'static,
) -> Result<T, config::EditError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(config::EditError::Io {
            doing: "edit",
            path: Default::default(),
            source: std::io::Error::other(error),
        })
    })
}

fn known(api: &Api, name: &str) -> Option<ServerName> {
    api.view
        .read(|now| now.server(name).map(|entry| entry.name.clone()))
}

fn check(api: &Api, name: &str, entry: &serde_json::Value) -> Result<ServerName, Box<Response>> {
    let environment = |name: &str| std::env::var(name).ok();
    let checked = config::check_entry(api.file.path(), name, entry, &environment);
    checked
        .map(|(server, _)| server)
        .map_err(|found| Box::new(bad_entry(&found)))
}

fn bad_body(error: &JsonRejection) -> Response {
    let remedy = "Send JSON with Content-Type: application/json; see docs/openapi.json.";
    problem(
        error.status(),
        "bad-request",
        &error.body_text(),
        remedy,
        &[],
    )
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
