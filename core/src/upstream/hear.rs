//! What a server says that is no answer: each message finds the client that it concerns.
//!
//! That is the client whose call caused it, where the wire says which that was (the reply stream of
//! the call) or where only one client has calls in flight. What is for everybody goes to the
//! [`Audience`]; a question that could be anybody's is refused.

use std::sync::Arc;

use super::{
    CallError, Caller, Pending, Reply, Signals, Ticket,
    caller::Whose,
    company::Company,
    next_number,
    oddities::Oddity,
    question::{Back, Question, Way, no_client, not_declared, several_clients},
};
use crate::{
    mcp::{Envelope, InvalidEnvelope, Kind, json},
    runtime::by_size,
};

/// What every connection has, whatever carries its messages: the requests in flight, what its actor
/// is told, and the way back for what is asked.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) pending: Arc<Pending>,
    pub(super) signals: Arc<Signals>,
    pub(super) company: Arc<Company>,
    back: Back,
}

impl Ear {
    /// Makes room for `calls` at once on a connection on which answers go back by `way`.
    pub(super) fn new(calls: usize, way: Way) -> Self {
        Self {
            pending: Arc::new(Pending::new(calls)),
            signals: Arc::default(),
            company: Arc::new(Company::new()),
            back: Back {
                connection: next_number(),
                way,
            },
        }
    }

    /// Takes a place among the requests in flight, before anything is sent.
    ///
    /// # Errors
    /// When all are taken, or the connection has ended.
    pub(super) fn open(&self, caller: Option<Arc<dyn Caller>>) -> Result<Ticket, CallError> {
        if caller.is_some() {
            self.company.called();
        }
        let ticket = self.pending.open(caller).ok_or(CallError::NotReading)?;
        match self.pending.closed() {
            None => Ok(ticket),
            // It ended before this was sent.
            Some(CallError::ServerEnded) => Err(CallError::NotConnected),
            Some(reason) => Err(reason.clone()),
        }
    }

    /// Takes whatever message comes where any may come: an answer finds who waits for it. Returns
    /// whether somebody waited for it.
    pub(super) fn took(&self, message: &Envelope) -> bool {
        match message.kind() {
            Kind::Notification | Kind::Request => {
                self.heard(message, None);
                false
            }
            Kind::Result | Kind::Error => self.answered(message),
        }
    }

    /// Takes what cannot be read as a message. Where it begins as the answer to a request it is its
    /// answer; returns whether somebody waited for that.
    pub(super) fn unreadable(&self, text: &[u8], error: &InvalidEnvelope) -> bool {
        let id = by_size(text.len(), || begun_id(text));
        let reason = CallError::InvalidReply(error.to_string());
        let known = id.is_some_and(|id| self.pending.complete(id, Err(reason)));
        if known {
            let what = format_args!("its answer cannot be read: {error}");
            self.signals.oddities().note(Oddity::Unreadable, what);
        }
        known
    }

    fn answered(&self, message: &Envelope) -> bool {
        let id = message.id_number();
        let known = id
            .zip(Reply::of(message))
            .is_some_and(|(id, reply)| self.pending.complete(id, Ok(reply)));
        if !known {
            let what = format_args!("it answered a request that nobody waits for");
            self.signals.oddities().note(Oddity::NobodyWaits, what);
            self.pending.fail_only(id, &under_no_id());
        }
        known
    }

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

/// An answer came that nobody can have asked for.
pub(super) fn under_no_id() -> CallError {
    CallError::InvalidReply("it came under an id that was never given".to_owned())
}

/// Returns the id of what cannot be read as a message and, as far as it can be read, is an answer.
fn begun_id(text: &[u8]) -> Option<u64> {
    let members = json::Members::of(text, json::skip_space(text, 0));
    let mut id = None;
    for member in members.map_while(Result::ok) {
        if member.is(text, "method") {
            return None;
        }
        if member.is(text, "id") {
            id = Some(member.value);
        }
    }
    std::str::from_utf8(&text[id?]).ok()?.parse().ok()
}
