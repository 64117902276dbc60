use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{flights::Flight, session::Session};
use crate::{
    mcp::{Envelope, splice},
    upstream::{Question, not_declared, unanswerable},
};

/// Questions of servers that one client may have before it at once.
const QUESTIONS_MAX: usize = 32;

/// How long a person may think about a question before its call is given up.
const THINKING_MAX: Duration = Duration::from_secs(60 * 60);

/// The first id of a session is below this, so that a client that counts in 32 bits can be asked a
/// billion questions. It is drawn: what a client still says to the session before this one is an
/// answer to nothing here.
const FIRST_BELOW: u32 = 1 << 30;

/// What servers ask of one client, under ids of Narthex's own: one after the other from one that is
/// drawn for the session.
#[derive(Debug)]
pub(super) struct Questions {
    /// The id before the first. Ids start at 1 at the least: some clients take 0 for none.
    before: u64,
    /// The latest id.
    asked: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
}

#[derive(Debug)]
struct Open {
    question: Question,
    /// The call within which it was asked.
    flight: Weak<Flight>,
    since: Instant,
    /// The server's own progress token, as it is spelled.
    token: Option<Bytes>,
    /// Whether it can be of no call: then an answered call is not what it waited for.
    lasts: bool,
}

/// What became of a client's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The server has it.
    Taken,
    /// It was answered before, or nobody waits any more.
    Late,
    /// Nothing was ever asked under this id.
    Unknown,
}

impl Session {
    /// Puts a server's question to the client: on the stream of the call that caused it where there
    /// is one, else on the client's own. A client that cannot be asked is not waited for.
    pub(super) fn ask(&self, question: Question, flight: Option<&Arc<Flight>>) {
        let request = question.request();
        if let Err(code) = self.capabilities.allow(request) {
            let refusal = not_declared(code, request.method());
            return question.refuse(&refusal);
        }
        let streamed = flight.filter(|flight| flight.streams());
        if streamed.is_none() && !self.listens() {
            return question.refuse(&unanswerable(
                "no_stream",
                "the client takes no event stream on which it could be asked",
                "Use a client that accepts text/event-stream, or opens a GET stream.",
            ));
        }
        let mut open = self.questions.open();
        if open.len() >= QUESTIONS_MAX {
            drop(open);
            return question.refuse(&unanswerable(
                "too_many_questions",
                "the client has too many questions before it",
                "Ask again when it has answered some.",
            ));
        }
        let id = self.questions.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let token = progress_token(request);
        let message = renamed(request, id, token.clone());
        let asked = Open {
            flight: flight.map(Arc::downgrade).unwrap_or_default(),
            since: Instant::now(),
            token: token.map(|token| request.bytes().slice(token)),
            lasts: question.lasts(),
            question,
        };
        open.insert(id, asked);
        drop(open);
        let sent = match streamed {
            Some(flight) => flight.push(message),
            None => self.tell(message),
        };
        if !sent && let Some(open) = self.questions.open().remove(&id) {
            open.question.refuse(&unanswerable(
                "slow_client",
                "the client does not read what it is sent",
                "Ask again later.",
            ));
        }
    }

    /// Takes the client's answer.
    pub(super) fn answered(&self, answer: &Envelope) -> Answered {
        let asked = self.questions.asked.load(Ordering::Relaxed);
        match answer.id_number() {
            Some(id) if id > self.questions.before && id <= asked => {
                let Some(open) = self.questions.open().remove(&id) else {
                    return Answered::Late;
                };
                if let Some(flight) = open.flight.upgrade() {
                    flight.lived();
                }
                open.question.answer(answer);
                Answered::Taken
            }
            Some(_) | None => Answered::Unknown,
        }
    }

    /// Passes on how far the client is with an answer.
    pub(super) fn answering(&self, progress: &Envelope) {
        let Ok(Some(range)) = progress.field("progressToken") else {
            return;
        };
        let text = std::str::from_utf8(&progress.bytes()[range.clone()]).unwrap_or_default();
        let Ok(id) = text.parse::<u64>() else {
            return;
        };
        let open = self.questions.open();
        if let Some(Open {
            question,
            token: Some(token),
            flight,
            ..
        }) = open.get(&id)
        {
            if let Some(flight) = flight.upgrade() {
                flight.lived();
            }
            let message = splice(progress.bytes(), &[(range, token)]);
            question.back().send(message);
        }
    }

    /// Takes back what a server asked, and tells the client.
    pub(super) fn withdraw(&self, connection: u64, id: &[u8], message: &Envelope) {
        let mut open = self.questions.open();
        let found = open
            .iter()
            .find(|(_, open)| open.question.is(connection, id));
        let Some(own) = found.map(|(own, _)| *own) else {
            return;
        };
        let taken = open.remove(&own);
        drop(open);
        let (Some(taken), Ok(Some(range))) = (taken, message.field("requestId")) else {
            return;
        };
        taken.question.withdraw();
        let own = own.to_string();
        let message = Bytes::from(splice(message.bytes(), &[(range, own.as_bytes())]));
        // Whoever has no room for it finds its answer passed over.
        match taken.flight.upgrade().filter(|flight| flight.streams()) {
            Some(flight) => drop(flight.push(message)),
            None => drop(self.tell(message)),
        }
    }
}

impl Questions {
    /// Begins with none; `None` if the system gives no random bytes.
    pub(super) fn new() -> Option<Self> {
        let before = u64::from(getrandom::u32().ok()? % FIRST_BELOW);
        Some(Self {
            before,
            asked: AtomicU64::new(before),
            open: Mutex::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody may still be thinking about a question of this call.
    pub(super) fn thinking(&self, flight: &Flight) -> bool {
        let open = self.open();
        let mut of_call = open.values().filter(|open| open.is_of(flight));
        of_call.any(|open| open.since.elapsed() < THINKING_MAX)
    }

    /// Takes note that a call has ended. What was asked within it is another's of the session, if
    /// one is in flight: of several the wire may not tell which it was. Else it is refused, but for
    /// what the client has heard of and can be of no call.
    pub(super) fn end(&self, flight: &Flight) {
        let mut open = self.open();
        if open.is_empty() {
            return;
        }
        if !flight.was_answered() {
            // Each may be of this call, and nobody answers for that any more.
            open.values_mut().for_each(|open| open.lasts = false);
        }
        while let Some(other) = flight.session().flights.any() {
            if other.takes_questions() {
                let of_call = open.values_mut().filter(|open| open.is_of(flight));
                of_call.for_each(|open| open.flight = Arc::downgrade(&other));
                // What its client has not been sent is for the other's stream.
                for message in flight.unheard() {
                    other.push(message);
                }
                return;
            }
        }
        let heard_of = flight.is_heard_of();
        let of_call = open.values_mut().filter(|open| open.is_of(flight));
        of_call
            .filter(|open| heard_of && open.lasts)
            .for_each(|open| open.flight = Weak::new());
        open.retain(|_, open| !open.is_of(flight));
    }
}

impl Open {
    fn is_of(&self, flight: &Flight) -> bool {
        std::ptr::eq(self.flight.as_ptr(), flight)
    }
}

fn progress_token(request: &Envelope) -> Option<std::ops::Range<usize>> {
    let meta = request.field("_meta").ok()??;
    request.field_of(meta, "progressToken").ok()?
}

/// Returns the question under an id of our own, which is its progress token too.
fn renamed(request: &Envelope, id: u64, token: Option<std::ops::Range<usize>>) -> Bytes {
    let id = id.to_string();
    let mut edits: Vec<(std::ops::Range<usize>, &[u8])> = request
        .id_range()
        .into_iter()
        .chain(token)
        .map(|range| (range, id.as_bytes()))
        .collect();
    edits.sort_by_key(|(range, _)| range.start);
    splice(request.bytes(), &edits).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_ids_of_its_own() {
        let befores: Vec<u64> = (0..20).map(|_| Questions::new().unwrap().before).collect();
        assert!(befores.iter().all(|it| *it < u64::from(FIRST_BELOW)));
        // Twice the same of 20 is one case in five million; all the same is none.
        assert!(befores.iter().any(|it| *it != befores[0]), "{befores:?}");
    }
}
