use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct NewClient {
    /// What the client shall be called.
    pub name: String,
}

/// The answer to a new client: the only time its token is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ClientToken {
    /// What the client is called.
    pub name: String,
    /// The credential: `narthex_client_…`.
    pub token: String,
}

/// A client that may speak MCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Client {
    /// What it is called.
    pub name: String,
    /// When it was added (RFC 3339, UTC).
    pub added: String,
}

/// `GET /clients`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ClientList {
    /// The clients, by name.
    pub clients: Vec<Client>,
}
