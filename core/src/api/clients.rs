use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
};

use super::{Answer, Api, wire};
use crate::api::wire::ProblemDetails;

/// The clients that may speak MCP.
#[utoipa::path(get, operation_id = "list_clients", path = "/api/v1/clients", tag = "clients", responses((status = 200, body = wire::ClientList)))]
pub(super) async fn list(State(api): State<Api>) -> Json<wire::ClientList> {
    Json(api.clients().await)
}

/// Adds a client; its token is shown this once.
#[utoipa::path(post, operation_id = "add_client", path = "/api/v1/clients", tag = "clients", request_body = wire::NewClient,
    responses((status = 201, body = wire::ClientToken), (status = 409, body = ProblemDetails)))]
pub(super) async fn add(
    State(api): State<Api>,
    body: Result<Json<wire::NewClient>, JsonRejection>,
) -> Answer<(StatusCode, Json<wire::ClientToken>)> {
    let Json(new) = body.map_err(|error| {
        let remedy = "Send {\"name\": \"…\"} with Content-Type: application/json.";
        ProblemDetails::new(error.status(), "bad-request", error.body_text(), remedy).about("name")
    })?;
    let token = api.add_client(new.name).await?;
    Ok((StatusCode::CREATED, Json(token)))
}

/// Takes a client's credential away.
#[utoipa::path(delete, operation_id = "remove_client", path = "/api/v1/clients/{name}", tag = "clients",
    responses((status = 204), (status = 404, body = ProblemDetails)))]
pub(super) async fn remove(State(api): State<Api>, Path(name): Path<String>) -> Answer<StatusCode> {
    api.remove_client(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
