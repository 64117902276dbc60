use bytes::Bytes;
use serde_json::Value;

use crate::{
    cli::stdio::envelope::Envelope,
    client::{
        ClientError,
        mcp::{Endpoint, Session},
    },
};

/// The lists of which a server may say that they have changed.
const LISTS: [&str; 3] = ["tools", "prompts", "resources"];

/// The client's own words, to begin a session with.
#[derive(Debug, Clone)]
pub(super) struct Words {
    message: Bytes,
    headers: Vec<(&'static str, String)>,
    /// The lists of which it was told that they may change.
    lists: Vec<&'static str>,
}

/// What came of saying them.
#[derive(Debug, Default)]
pub(super) struct Greeted {
    pub(super) session: Session,
    /// What was answered.
    pub(super) said: Vec<String>,
    /// The lists that may change.
    pub(super) lists: Vec<&'static str>,
}

impl Words {
    /// Keeps an `initialize`.
    pub(super) fn of(initialize: &Envelope) -> Self {
        Self {
            message: initialize.bytes().clone(),
            headers: initialize.headers().to_vec(),
            lists: Vec::new(),
        }
    }

    /// Keeps of which lists the client was told that they may change.
    pub(super) fn promised(&mut self, lists: &[&'static str]) {
        self.lists = lists.to_vec();
    }

    /// Returns the lists of which the client was told that they may change.
    pub(super) fn lists(&self) -> impl Iterator<Item = &'static str> {
        self.lists.iter().copied()
    }

    /// Says them to a core.
    pub(super) async fn greet(&self, endpoint: &Endpoint) -> Result<Greeted, ClientError> {
        let none = Session::default();
        let post = endpoint.post(&none, self.message.clone(), &self.headers);
        let mut reply = post.await?;
        let mut greeted = Greeted::default();
        greeted.session.id = reply.session.take();
        while let Some(line) = reply.next().await? {
            let value: Value = serde_json::from_str(&line).unwrap_or_default();
            let result = &value["result"];
            if let Some(revision) = result["protocolVersion"].as_str() {
                greeted.session.protocol = Some(revision.to_owned());
                let changes = |list: &&str| result["capabilities"][list]["listChanged"] == true;
                greeted.lists = LISTS.into_iter().filter(changes).collect();
            }
            greeted.said.push(line);
        }
        Ok(greeted)
    }
}
