use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{any, delete, get, post},
};

use super::{
    Confirmations, clients, events, log_stream, rest, servers, settings, ui, wire::ProblemDetails,
};
use crate::{
    config::ConfigFile,
    gateway::credentials::{Credentials, Who},
    home::HolderKind,
    mcp::CLIENT_MESSAGE_BYTES_MAX,
    metrics::Metrics,
    settings::Settings,
    supervisor::{Handle, Logs},
    trust::{ClientRow, Store},
    view::View,
};

/// What REST and events need of the core. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    /// The present.
    pub view: View,
    /// Where wishes go in.
    pub supervisor: Handle,
    /// Where entries are written.
    pub file: Arc<ConfigFile>,
    /// The servers' logs.
    pub logs: Logs,
    /// Who asks.
    pub credentials: Arc<Credentials>,
    /// The clients that were added, for their list.
    pub clients: Arc<tokio::sync::Mutex<Vec<ClientRow>>>,
    /// Where clients are kept.
    pub store: Arc<Store>,
    /// The approvals that wait for a person at the window.
    pub confirmations: Confirmations,
    /// The settings that hold.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// What does not change while the core runs.
    pub facts: Arc<Facts>,
    /// Cancelled when the core ends, so that streams end with it.
    pub stop: tokio_util::sync::CancellationToken,
    /// Cancelled when a desktop asks for the home; `None` where that is refused.
    pub handed_over: Option<tokio_util::sync::CancellationToken>,
}

/// What does not change while a core runs.
#[derive(Debug)]
pub struct Facts {
    /// Which of our programs it runs in.
    pub kind: HolderKind,
    /// Where it listens.
    pub address: SocketAddr,
    /// The folder it holds.
    pub home: String,
    /// Since when it runs.
    pub since: SystemTime,
    /// What is loosened for this run.
    pub loosened: Vec<String>,
}

impl Api {
    /// Returns the routes of REST, events, health, metrics and the web UI.
    pub fn routes(self) -> Router {
        let private = Router::new()
            .route("/api/v1/status", get(rest::status))
            .route("/api/v1/openapi.json", get(rest::openapi))
            .route("/api/v1/servers", get(servers::list).post(servers::add))
            .route(
                "/api/v1/servers/{name}",
                get(servers::one)
                    .patch(servers::patch)
                    .delete(servers::remove),
            )
            .route("/api/v1/servers/{name}/tools", get(servers::tools))
            .route("/api/v1/servers/{name}/logs", get(servers::logs))
            .route(
                "/api/v1/servers/{name}/logs/stream",
                get(log_stream::stream),
            )
            .route("/api/v1/servers/{name}/connect", post(servers::connect))
            .route(
                "/api/v1/servers/{name}/disconnect",
                post(servers::disconnect),
            )
            .route("/api/v1/servers/{name}/restart", post(servers::restart))
            .route(
                "/api/v1/servers/{name}/quarantine",
                post(servers::quarantine),
            )
            .route("/api/v1/servers/{name}/approve", post(servers::approve))
            .route("/api/v1/pause", post(rest::pause))
            .route("/api/v1/resume", post(rest::resume))
            .route("/api/v1/hand-over", post(rest::hand_over))
            .route("/api/v1/events", get(events::stream))
            .route("/api/v1/clients", get(clients::list).post(clients::add))
            .route("/api/v1/clients/{name}", delete(clients::remove))
            .route(
                "/api/v1/settings",
                get(settings::get).patch(settings::patch),
            )
            // Whoever is not known learns not even what is not there.
            .route("/api/v1", any(not_found))
            .route("/api/v1/", any(not_found))
            .route("/api/v1/{*rest}", any(not_found))
            .route("/metrics", get(rest::metrics))
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(CLIENT_MESSAGE_BYTES_MAX))
            .layer(from_fn_with_state(self.clone(), only_control));
        Router::new()
            .route("/health", get(rest::health))
            .route("/health/ready", get(rest::ready))
            .merge(private)
            .merge(ui::routes(ui::EMBEDDED))
            .fallback(not_found)
            .with_state(self)
    }
}

/// Lets only the control credential through.
async fn only_control(State(api): State<Api>, request: Request, next: Next) -> Response {
    match api.credentials.who(request.headers()) {
        Who::Control => next.run(request).await,
        Who::Client(_) if request.headers().contains_key("authorization") => ProblemDetails::new(
            StatusCode::FORBIDDEN,
            "wrong-credential",
            "a client credential can change nothing and sees only MCP",
            "Use the control credential in control.token.",
        )
        .into_response(),
        Who::Client(_) | Who::Nobody => {
            let detail = "no control credential";
            let remedy = "Send the token in control.token as `Authorization: Bearer …`.";
            let mut response =
                ProblemDetails::new(StatusCode::UNAUTHORIZED, "no-credential", detail, remedy)
                    .into_response();
            response.headers_mut().insert(
                "www-authenticate",
                axum::http::HeaderValue::from_static("Bearer"),
            );
            response
        }
    }
}

async fn not_found() -> Response {
    ProblemDetails::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "there is nothing at this address",
        "See docs/openapi.json.",
    )
    .into_response()
}

/// Says that the address takes another method.
pub(super) async fn wrong_method() -> Response {
    let remedy = "See docs/openapi.json.";
    ProblemDetails::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "this address takes another method",
        remedy,
    )
    .into_response()
}
