use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether clients see a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum DefinitionState {
    /// Clients see it.
    Offered,
    /// It is new: no person has seen it.
    New,
    /// It differs from what a person approved.
    Changed,
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Tool {
    /// Its name. Written by the server.
    pub name: String,
    /// The name clients see at `/mcp`.
    pub offered_as: String,
    /// Whether clients see it.
    pub state: DefinitionState,
    /// The definition as the server gave it.
    #[schema(value_type = Object)]
    pub definition: serde_json::Value,
}

/// `GET /servers/{name}/tools`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct ToolList {
    /// The revision of the view.
    pub revision: u64,
    /// The tools, in the server's order.
    pub tools: Vec<Tool>,
    /// The prompts, in the server's order.
    #[serde(default)]
    pub prompts: Vec<Tool>,
    /// The templates of resources, in the server's order; each is named by its template.
    #[serde(default)]
    pub templates: Vec<Tool>,
    /// The server's instructions, if it gave any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub instructions: Option<Instructions>,
}

/// A server's instructions, with what a person's review made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct Instructions {
    /// Whether clients see them.
    pub state: DefinitionState,
    /// What they say. Written by the server.
    pub definition: String,
}
