use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{Answer, Api, document, wire};

/// Says that the core answers.
#[utoipa::path(get, operation_id = "health", path = "/health", tag = "health", security(()), responses((status = 200, body = str)))]
pub(super) async fn health() -> &'static str {
    "ok"
}

/// Says that the core has read its configuration and takes calls.
#[utoipa::path(get, operation_id = "ready", path = "/health/ready", tag = "health", security(()), responses((status = 200, body = str), (status = 503, body = str)))]
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, &'static str) {
    if api.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "ending")
    } else {
        (StatusCode::OK, "ready")
    }
}

/// The core itself.
#[utoipa::path(get, operation_id = "status", path = "/api/v1/status", tag = "core", responses((status = 200, body = wire::Status)))]
pub(super) async fn status(State(api): State<Api>) -> Json<wire::Status> {
    Json(api.status())
}

/// Has all servers rest.
#[utoipa::path(post, operation_id = "pause", path = "/api/v1/pause", tag = "core", responses((status = 200, body = wire::Accepted)))]
pub(super) async fn pause(State(api): State<Api>) -> Answer<Json<wire::Accepted>> {
    api.pause(true).await.map(Json)
}

/// Has all servers go on as was wanted before.
#[utoipa::path(post, operation_id = "resume", path = "/api/v1/resume", tag = "core", responses((status = 200, body = wire::Accepted)))]
pub(super) async fn resume(State(api): State<Api>) -> Answer<Json<wire::Accepted>> {
    api.pause(false).await.map(Json)
}

/// Has a core that was started for clients alone end, for the desktop that asks.
#[utoipa::path(post, operation_id = "hand_over", path = "/api/v1/hand-over", tag = "core", responses((status = 202), (status = 409, body = wire::ProblemDetails)))]
pub(super) async fn hand_over(State(api): State<Api>) -> Answer<StatusCode> {
    api.hand_over()?;
    Ok(StatusCode::ACCEPTED)
}

/// What is counted, in the OpenMetrics text format.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", tag = "health", responses((status = 200, body = str)))]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let now = api.view.snapshot();
    let text = api
        .metrics
        .text(now.servers.values().map(|entry| entry.phase.label()));
    let mut response = text.into_response();
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// This document.
pub(super) async fn openapi() -> Response {
    let mut response = document().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
