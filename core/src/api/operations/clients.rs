use std::time::SystemTime;

use axum::http::StatusCode;

use super::{Answer, Api, wire};
use crate::{
    api::wire::ProblemDetails,
    gateway::credentials::{BRIDGED, DEFAULT_CLIENT, token_hash},
    home::new_token,
    supervisor::CommandError,
    trust::{ClientRow, Write},
};

/// The longest name of a client, in characters.
const NAME_CHARS_MAX: usize = 64;

impl Api {
    /// Returns the clients that may speak MCP.
    pub async fn clients(&self) -> wire::ClientList {
        let clients = self.clients.lock().await;
        let wire = |row: &ClientRow| wire::Client {
            name: row.name.clone(),
            added: row.added.clone(),
        };
        wire::ClientList {
            clients: clients.iter().map(wire).collect(),
        }
    }

    /// Adds a client; its token is shown this once.
    ///
    /// # Errors
    /// When the name is taken or is none, or it could not be kept.
    pub async fn add_client(&self, name: String) -> Answer<wire::ClientToken> {
        if name.is_empty()
            || name.chars().count() > NAME_CHARS_MAX
            || name.chars().any(char::is_control)
            || name.starts_with(BRIDGED)
        {
            return Err(ProblemDetails::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad-name",
                "a client's name has 1 to 64 characters, no control characters, and no `stdio:` before it",
                "Choose another name.",
            )
            .about("name"));
        }
        // The lock is held over the write, so that of two of one name one is refused.
        let mut clients = self.clients.lock().await;
        if name == DEFAULT_CLIENT || clients.iter().any(|client| client.name == name) {
            return Err(ProblemDetails::new(
                StatusCode::CONFLICT,
                "exists",
                "a client of this name is there already",
                "Choose another name, or remove the one that is there.",
            )
            .about("name"));
        }
        let token = new_token("narthex_client_");
        let row = ClientRow {
            name: name.clone(),
            token_hash: token_hash(&token),
            added: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        };
        self.keep(Write::Client {
            name: name.clone(),
            token_hash: row.token_hash,
            added: row.added.clone(),
        })
        .await?;
        self.credentials.add(&name, row.token_hash);
        clients.push(row);
        clients.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(wire::ClientToken {
            name,
            token: token.expose().to_owned(),
        })
    }

    /// Takes a client's credential away.
    ///
    /// # Errors
    /// When there is none of this name, or it could not be kept.
    pub async fn remove_client(&self, name: &str) -> Answer<()> {
        let mut clients = self.clients.lock().await;
        if !clients.iter().any(|client| client.name == name) {
            return Err(ProblemDetails::new(
                StatusCode::NOT_FOUND,
                "not-found",
                "no client has this name",
                "See the names: narthex client list",
            ));
        }
        self.keep(Write::RemoveClient(name.to_owned())).await?;
        self.credentials.remove(name);
        clients.retain(|client| client.name != name);
        Ok(())
    }

    async fn keep(&self, write: Write) -> Answer<()> {
        let kept = self.store.write(vec![write]).await;
        Ok(kept.map_err(|error| CommandError::NotKept(error.to_string()))?)
    }
}
