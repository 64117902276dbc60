use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    capabilities::Capabilities, flights::Flights, level::Level, questions::Questions,
    tape::Resuming, tapes::Tapes,
};
use crate::{
    mcp::{Envelope, Revision},
    server::ServerName,
    view::{Snapshot, Subject},
};

/// What a session is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All servers, at `/mcp`.
    All,
    /// One server, at `/mcp/s/{server}`.
    Server(ServerName),
}

impl Scope {
    /// Returns a number that changes whenever the session's list of `subject` does.
    pub(super) fn listed(&self, subject: Subject, snapshot: &Snapshot) -> u64 {
        match self {
            Self::All => snapshot.offers.generation(subject),
            Self::Server(server) => {
                let entry = snapshot.server(server.as_str());
                subject.fingerprint(entry.map(AsRef::as_ref))
            }
        }
    }

    /// Whether what `server` says may concern the session.
    pub(super) fn holds(&self, server: &ServerName) -> bool {
        match self {
            Self::All => true,
            Self::Server(own) => own == server,
        }
    }
}

/// The id of a session: 128 random bits, in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(Arc<str>);

impl SessionId {
    fn new() -> Option<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
        ))
    }

    /// Returns the id as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who knows the whole id and a credential can speak for the session.
        write!(f, "{}…", &self.0[..6])
    }
}

/// What a client says of itself when it begins a session.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) client: Arc<str>,
    pub(super) scope: Scope,
    pub(super) revision: Revision,
    pub(super) capabilities: Capabilities,
    /// Its own words, as `params` of an `initialize` in its name.
    pub(super) hello: Box<str>,
}

/// A client's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// Tells it from others in this run.
    pub(super) number: u64,
    pub(super) client: Arc<str>,
    pub(super) scope: Scope,
    /// The revision agreed on.
    pub(super) revision: Revision,
    pub(super) capabilities: Capabilities,
    /// What the client said of itself, as `params` of an `initialize` in its name.
    pub(super) hello: Box<str>,
    pub(super) flights: Flights,
    pub(super) questions: Questions,
    /// Its streams.
    pub(super) tapes: Tapes,
    /// Milliseconds after `born` of the last request.
    used_ms: AtomicU64,
    born: Instant,
    /// The lists that the client has, or was told to fetch (see [`Scope::listed`]).
    pub(super) listed: [AtomicU64; 3],
    /// How grave a log message must be; 0 where the client has said nothing.
    level: AtomicU8,
    /// How many resources it has subscribed to.
    pub(super) subscriptions: AtomicUsize,
}

impl Session {
    /// Begins the session `number`; `None` if the system gives no random bytes. `born` is the
    /// moment from which all count; `kept` counts the bytes that are kept for them.
    pub(super) fn new(
        number: u64,
        opening: Opening,
        listed: [u64; 3],
        born: Instant,
        kept: &Arc<AtomicUsize>,
    ) -> Option<Self> {
        let session = Self {
            id: SessionId::new()?,
            number,
            client: opening.client,
            scope: opening.scope,
            revision: opening.revision,
            capabilities: opening.capabilities,
            hello: opening.hello,
            flights: Flights::default(),
            questions: Questions::new()?,
            tapes: Tapes::new(Resuming::of(opening.revision), Arc::clone(kept)),
            used_ms: AtomicU64::new(0),
            born,
            listed: listed.map(AtomicU64::new),
            level: AtomicU8::new(0),
            subscriptions: AtomicUsize::new(0),
        };
        session.touch();
        Some(session)
    }

    /// A session of nobody.
    #[cfg(test)]
    pub(super) fn of_test() -> Arc<Self> {
        let opening = Opening {
            client: "test".into(),
            scope: Scope::All,
            revision: Revision::LATEST,
            capabilities: Capabilities::default(),
            hello: "{}".into(),
        };
        let session = Self::new(1, opening, [0; 3], Instant::now(), &Arc::default());
        Arc::new(session.expect("there are random bytes"))
    }

    /// Returns when it was last used, in milliseconds from a moment that is the same for all.
    pub(super) fn used_ms(&self) -> u64 {
        self.used_ms.load(Ordering::Relaxed)
    }

    /// Takes note that it is used.
    pub(super) fn touch(&self) {
        self.used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// Returns the present, in milliseconds from a moment that is the same for all. Never 0.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).map_or(u64::MAX, |now| now + 1)
    }

    /// Returns the moment that [`Self::now_ms`] called so.
    pub(super) fn moment(&self, ms: u64) -> Instant {
        self.born + Duration::from_millis(ms.saturating_sub(1))
    }

    /// Cancels the request whose id is spelled `id`; `message` says so.
    pub(super) fn cancel(&self, id: &[u8], message: &Envelope) {
        self.flights.cancel(id, message);
    }

    /// Ends what goes on in it.
    pub(super) fn end(&self) {
        self.tapes.close();
        self.flights.cancel_all();
    }

    /// Whether it was [ended](Self::end).
    pub(super) fn has_ended(&self) -> bool {
        self.tapes.own().has_ended()
    }

    /// Returns once it was [ended](Self::end). Cancel-safe.
    pub(super) async fn ended(&self) {
        self.tapes.own().ended().await;
    }

    /// Puts a message on the client's own stream; `false` where it has none, or has no room.
    pub(super) fn tell(&self, message: Bytes) -> bool {
        let Some(own) = self.tapes.own_kept() else {
            return false;
        };
        let taken = own.push(message);
        own.expire();
        taken
    }

    /// Puts a message on the client's own stream, if somebody may listen there. What there is no
    /// room for is dropped, and the client will be told so.
    pub(super) fn mention(&self, message: Bytes) {
        if !self.tell(message)
            && let Some(own) = self.tapes.own_kept()
        {
            own.lose();
        }
    }

    /// Whether the client listens on a stream of its own.
    pub(super) fn listens(&self) -> bool {
        self.tapes.is_heard()
    }

    /// Whether the client is there: it listens, or waits for an answer.
    pub(super) fn is_in_use(&self) -> bool {
        self.listens() || self.flights.any().is_some()
    }

    /// Returns how grave a log message must be, where the client has said so.
    pub(super) fn level(&self) -> Option<Level> {
        Level::of_number(self.level.load(Ordering::Relaxed))
    }

    /// Whether a log message is grave enough for the client.
    pub(super) fn heeds(&self, message: &Envelope) -> bool {
        let grave = |level| Level::of(message).is_none_or(|own| own >= level);
        self.level().is_none_or(grave)
    }

    /// Takes note of how grave a log message must be.
    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }
}
