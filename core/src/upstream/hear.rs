//! What a server says that is no answer: each message finds the client that it concerns.
//!
//! That is the client whose call caused it, where the wire says which that was (the reply stream of
//! the call) or where only one client has calls in flight. What is for everybody goes to the
//! [`Audience`]; a question that could be anybody's is refused.

use super::{
    Pending, Signals,
    caller::Whose,
    question::{Back, Question, no_client, not_declared, several_clients},
};
use crate::mcp::{Envelope, Kind};

/// The parts of a connection that hearing takes.
pub(super) struct Ear<'a> {
    pub(super) pending: &'a Pending,
    pub(super) signals: &'a Signals,
    pub(super) back: &'a Back,
}

impl Ear<'_> {
    /// Hears a request or a notification; `cause` is the call on whose reply stream it came.
    pub(super) fn heard(&self, message: &Envelope, cause: Option<u64>) {
        match message.kind() {
            Kind::Notification => self.notified(message, cause),
            Kind::Request => self.asked(message, cause),
            Kind::Result | Kind::Error => {}
        }
    }

    fn notified(&self, message: &Envelope, cause: Option<u64>) {
        match message.method() {
            "notifications/progress" => self.progress(message),
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => self.signals.lists_changed(),
            "notifications/resources/updated" => match self.signals.owner() {
                Some(owner) => owner.heard(message),
                None => self.signals.heard(message),
            },
            "notifications/message" | "notifications/elicitation/complete" => {
                match self.whose(cause) {
                    Whose::One(caller) => caller.heard(message),
                    Whose::Nobody | Whose::Several => self.signals.heard(message),
                }
            }
            "notifications/cancelled" => self.withdrawn(message),
            _ => tracing::debug!("notification passed over"),
        }
    }

    fn progress(&self, message: &Envelope) {
        let Ok(Some(token)) = message.field("progressToken") else {
            return;
        };
        let text = std::str::from_utf8(&message.bytes()[token.clone()]).unwrap_or_default();
        if let Some(caller) = text.parse().ok().and_then(|id| self.pending.caller(id)) {
            caller.progress(message.bytes(), token);
        }
    }

    fn withdrawn(&self, message: &Envelope) {
        let Ok(Some(id)) = message.field("requestId") else {
            return;
        };
        let id = &message.bytes()[id];
        for caller in self.pending.callers() {
            caller.withdrawn(self.back.connection, id, message);
        }
        if let Some(owner) = self.signals.owner() {
            owner.withdrawn(self.back.connection, id, message);
        }
    }

    fn asked(&self, request: &Envelope, cause: Option<u64>) {
        if request.method() == "ping" {
            let mut pong = br#"{"jsonrpc":"2.0","id":"#.to_vec();
            pong.extend_from_slice(&request.id());
            pong.extend_from_slice(br#","result":{}}"#);
            return self.back.send(pong);
        }
        let mut question = Question::new(request.clone(), self.back.clone());
        if cause.is_none() && self.signals.owner().is_some() {
            // It may be asked because of a call in flight, or of none: roots are, as a rule.
            question = question.lasting();
        }
        let known = matches!(
            request.method(),
            "sampling/createMessage" | "elicitation/create" | "roots/list"
        );
        // Roots are one client's folders: on a connection that several share they are not declared.
        let shared_roots = request.method() == "roots/list" && self.signals.owner().is_none();
        if !known || shared_roots {
            return question.refuse(&not_declared(-32601, "this method"));
        }
        match self.whose(cause) {
            Whose::One(caller) => caller.asked(question),
            Whose::Nobody => question.refuse(&no_client()),
            Whose::Several => question.refuse(&several_clients()),
        }
    }

    fn whose(&self, cause: Option<u64>) -> Whose {
        if let Some(caller) = cause.and_then(|id| self.pending.caller(id)) {
            return Whose::One(caller);
        }
        match (self.pending.whose(), self.signals.owner()) {
            (Whose::Nobody | Whose::Several, Some(owner)) => Whose::One(owner),
            (whose, _) => whose,
        }
    }
}
