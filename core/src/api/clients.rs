use axum::{
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

use super::{Api, problem, wire};
use crate::{
    gateway::credentials::{DEFAULT_CLIENT, token_hash},
    home::new_token,
    supervisor::CommandError,
    trust::{ClientRow, Write},
};

/// The longest name of a client, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The clients that may speak MCP.
#[utoipa::path(get, operation_id = "list_clients", path = "/api/v1/clients", tag = "clients", responses((status = 200, body = wire::ClientList)))]
pub(super) async fn list(State(api): State<Api>) -> axum::Json<wire::ClientList> {
    let clients = api.clients.lock().await;
    let wire = |row: &ClientRow| wire::Client {
        name: row.name.clone(),
        added: row.added.clone(),
    };
    axum::Json(wire::ClientList {
        clients: clients.iter().map(wire).collect(),
    })
}

/// Adds a client; its token is shown this once.
#[utoipa::path(post, operation_id = "add_client", path = "/api/v1/clients", tag = "clients", request_body = wire::NewClient,
    responses((status = 201, body = wire::ClientToken), (status = 409, body = wire::ProblemDetails)))]
pub(super) async fn add(
    State(api): State<Api>,
    body: Result<axum::Json<wire::NewClient>, JsonRejection>,
) -> Response {
    let name = match body {
        Ok(axum::Json(new)) => new.name,
        Err(error) => {
            let remedy = "Send {\"name\": \"…\"} with Content-Type: application/json.";
            return problem(
                error.status(),
                "bad-request",
                &error.body_text(),
                remedy,
                &["name"],
            );
        }
    };
    if name.is_empty()
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        let detail = "a client's name has 1 to 64 characters and no control characters";
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-name",
            detail,
            "Choose another name.",
            &["name"],
        );
    }
    // The lock is held over the write, so that of two of one name one is refused.
    let mut clients = api.clients.lock().await;
    if name == DEFAULT_CLIENT || clients.iter().any(|client| client.name == name) {
        let remedy = "Choose another name, or remove the one that is there.";
        return problem(
            StatusCode::CONFLICT,
            "exists",
            "a client of this name is there already",
            remedy,
            &["name"],
        );
    }
    let token = new_token("narthex_client_");
    let row = ClientRow {
        name: name.clone(),
        token_hash: token_hash(&token),
        added: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
    };
    let write = Write::Client {
        name: name.clone(),
        token_hash: row.token_hash,
        added: row.added.clone(),
    };
    if let Err(error) = api.store.write(vec![write]).await {
        return CommandError::NotKept(error.to_string()).into_response();
    }
    api.credentials.add(&name, row.token_hash);
    clients.push(row);
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    let answer = wire::ClientToken {
        name,
        token: token.expose().to_owned(),
    };
    (StatusCode::CREATED, axum::Json(answer)).into_response()
}

/// Takes a client's credential away.
#[utoipa::path(delete, operation_id = "remove_client", path = "/api/v1/clients/{name}", tag = "clients",
    responses((status = 204), (status = 404, body = wire::ProblemDetails)))]
pub(super) async fn remove(State(api): State<Api>, Path(name): Path<String>) -> Response {
    let mut clients = api.clients.lock().await;
    if !clients.iter().any(|client| client.name == name) {
        let remedy = "See the names: narthex client list";
        return problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "no client has this name",
            remedy,
            &[],
        );
    }
    if let Err(error) = api
        .store
        .write(vec![Write::RemoveClient(name.clone())])
        .await
    {
        return CommandError::NotKept(error.to_string()).into_response();
    }
    api.credentials.remove(&name);
    clients.retain(|client| client.name != name);
    StatusCode::NO_CONTENT.into_response()
}
