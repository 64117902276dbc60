use std::{
    ops::Range,
    sync::{Arc, Weak},
};

use bytes::Bytes;

use super::{
    level::Level,
    session::{Scope, Session},
};
use crate::{
    mcp::{Envelope, json, splice},
    server::ServerName,
    upstream::{Caller, Patron, Question},
    view::View,
};

/// The session that has a connection of its own: whatever the server says there that belongs to no
/// call in flight is this client's.
#[derive(Debug)]
pub(super) struct Owner {
    session: Weak<Session>,
    number: u64,
    server: ServerName,
    view: View,
}

impl Owner {
    /// Returns the client for whom a connection to `server` is opened.
    pub(super) fn patron(session: &Arc<Session>, server: &ServerName, view: &View) -> Patron {
        Patron {
            caller: Arc::new(Self {
                session: Arc::downgrade(session),
                number: session.number,
                server: server.clone(),
                view: view.clone(),
            }),
            initialize: session.hello.to_string(),
            level: session.level().map(Level::as_str),
        }
    }

    /// Returns the message with its URI as it is called at the client's address.
    fn renamed(&self, session: &Session, message: &Envelope) -> Bytes {
        let uri = message.field("uri").ok().flatten();
        let Some(range) = uri.filter(|_| session.scope == Scope::All) else {
            return message.bytes().clone();
        };
        let own = json::decode(&message.bytes()[range.clone()]).unwrap_or_default();
        let offered = self.view.read(|now| {
            let offered = now.offers.resources().offered(&self.server, &own);
            serde_json::to_vec(&offered).expect("a text encodes")
        });
        splice(message.bytes(), &[(range, &offered)]).into()
    }
}

impl Caller for Owner {
    fn session(&self) -> u64 {
        self.number
    }

    fn progress(&self, _: &Bytes, _: Range<usize>) {}

    fn heard(&self, message: &Envelope) {
        let Some(session) = self.session.upgrade() else {
            return;
        };
        let message = match message.method() {
            "notifications/message" if !session.heeds(message) => return,
            "notifications/resources/updated" => self.renamed(&session, message),
            _ => message.bytes().clone(),
        };
        // A client that does not read its own stream misses what it has no room for.
        session.mention(message);
    }

    fn asked(self: Arc<Self>, question: Question) {
        // Dropped, it is refused.
        if let Some(session) = self.session.upgrade() {
            session.ask(question, None);
        }
    }

    fn cancellation(&self) -> Option<Envelope> {
        None
    }

    fn withdrawn(&self, connection: u64, id: &[u8], message: &Envelope) {
        if let Some(session) = self.session.upgrade() {
            session.withdraw(connection, id, message);
        }
    }
}
