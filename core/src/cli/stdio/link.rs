mod follow;
mod greet;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    envelope::{self, Envelope, Kind},
    hints::Hints,
    questions::Questions,
    reach::Reach,
    standing::Standing,
    trouble::{Trouble, text},
};
use crate::{
    cli::{Exit, Failure},
    client::{
        ClientError,
        mcp::{Endpoint, Session},
    },
    mcp,
};
use greet::Words;

/// How long a message waits for a core. Clients give a request sixty seconds and more; a core is up
/// within two.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often one message is given to another session, where each is gone when it comes.
const SESSIONS_MAX: u32 = 5;

/// For how long a start that failed is not tried again: what waited for it hears the same.
const SAME_TROUBLE: Duration = Duration::from_secs(1);

/// How long saying goodbye may take: the core forgets a session by itself too.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(700);

/// A refusal of the core's is shorter than this; an answer that is longer is none.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;

/// The revision that knows batches.
const BATCHES: &str = "2025-03-26";

/// The connection of one client to whichever core runs.
#[derive(Debug)]
pub(super) struct Link {
    reach: Reach,
    output: mpsc::Sender<String>,
    /// Where messages go now; nothing before the first core was found.
    at: watch::Sender<Option<Arc<At>>>,
    /// Held while a session is begun, so that of many that find it gone one does.
    beginning: Mutex<Beginning>,
    standing: Standing,
    hints: Hints,
    questions: Questions,
    follower: StdMutex<Option<AbortOnDropHandle<()>>>,
}

/// A core, and the session there.
#[derive(Debug)]
struct At {
    endpoint: Endpoint,
    session: Session,
    /// Grows with each.
    number: u64,
}

/// What is done where no core runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// One is started.
    Start,
    /// It is waited for: a person may have ended it.
    Wait,
}

/// What it takes to begin a session.
#[derive(Debug, Default)]
struct Beginning {
    number: u64,
    /// The client's own; nothing before it has said hello.
    words: Option<Words>,
    /// Why the last start failed, and when.
    trouble: Option<(Instant, Trouble)>,
}

/// Why a message did not come through.
enum Broken {
    /// Nobody took it: it can be given again.
    NotTaken,
    /// It was taken, and its answer will not come.
    Cut(Trouble),
    /// It was refused.
    Refused(Trouble),
}

impl Link {
    pub(super) fn new(
        home: Option<PathBuf>,
        client: Option<String>,
        output: mpsc::Sender<String>,
    ) -> Result<Self, Failure> {
        let reach = Reach::of(home, client).map_err(ClientError::Home)?;
        Ok(Self {
            reach,
            output,
            at: watch::Sender::new(None),
            beginning: Mutex::default(),
            standing: Standing::default(),
            hints: Hints::default(),
            questions: Questions::default(),
            follower: StdMutex::default(),
        })
    }

    /// Finds a core, or starts one, before anybody asks for it.
    pub(super) async fn prepare(&self) {
        // Whoever asks hears why it failed.
        let _ = self
            .renew(0, Absent::Start, Instant::now() + PATIENCE)
            .await;
    }

    /// Returns when nobody reads what is said any more.
    pub(super) async fn closed(&self) {
        self.output.closed().await;
    }

    /// Says a line to the client.
    pub(super) async fn say(&self, line: String) {
        // A client that is gone ends the loop by itself.
        let _ = self.output.send(line).await;
    }

    /// Begins the session with the client's own words.
    pub(super) async fn initialize(&self, envelope: &Envelope) {
        let mut beginning = self.beginning.lock().await;
        if let Some(at) = self.now() {
            // One that begins again needs the first no longer.
            let _ = timeout(GOODBYE_TIMEOUT, at.endpoint.end(&at.session)).await;
        }
        self.standing.clear();
        beginning.words = Some(Words::of(envelope));
        let deadline = Instant::now() + PATIENCE;
        let begun = self.begin(&mut beginning, Absent::Start, deadline, false);
        let begun = begun.await;
        if begun.is_err() {
            // Its next one begins.
            beginning.words = None;
        }
        drop(beginning);
        match begun {
            Ok(lines) => {
                for line in lines {
                    self.say(line).await;
                }
            }
            Err(trouble) => self.refuse(envelope, &trouble).await,
        }
    }

    /// Passes on what nobody answers, in its order. What concerns a session that is gone went with
    /// it.
    pub(super) async fn tell(&self, envelope: &Envelope) {
        let Some(at) = self.now() else { return };
        if let (Kind::Answer, Some(message)) = (envelope.kind, envelope.message())
            && !self.questions.answered(&message.id(), at.number)
        {
            tracing::debug!("an answer to nothing that was asked is passed over");
            return;
        }
        let post = at
            .endpoint
            .post(&at.session, envelope.bytes().clone(), envelope.headers());
        if let Err(error) = post.await {
            tracing::debug!(%error, "not passed on");
        }
    }

    /// Posts what wants an answer, and says what comes back: the answer, or why there is none.
    pub(super) async fn carry(&self, envelope: &Envelope) {
        if let Err(trouble) = self.try_carry(envelope).await {
            self.refuse(envelope, &trouble).await;
        }
    }

    async fn try_carry(&self, envelope: &Envelope) -> Result<(), Trouble> {
        let (mut sessions, mut repeated) = (0, false);
        loop {
            let Some(at) = self.now() else {
                self.renew(0, Absent::Start, Instant::now() + PATIENCE)
                    .await?;
                continue;
            };
            if envelope.kind == Kind::Batch && at.session.protocol.as_deref() != Some(BATCHES) {
                self.say(envelope::no_batches()).await;
                return Ok(());
            }
            let broken = match self.exchange(&at, envelope).await {
                Ok(()) => return Ok(()),
                Err(Broken::Refused(trouble)) => return Err(trouble),
                Err(broken) => broken,
            };
            sessions += 1;
            if sessions > SESSIONS_MAX {
                return Err(Trouble::late());
            }
            if let Broken::Cut(trouble) = broken {
                let is_safe = envelope.is_repeatable()
                    || envelope
                        .tool()
                        .is_some_and(|tool| self.hints.does_no_harm(&tool));
                if repeated || !is_safe {
                    return Err(trouble);
                }
                repeated = true;
            }
            self.renew(at.number, Absent::Start, Instant::now() + PATIENCE)
                .await?;
        }
    }

    /// Gives a message to a core and says what comes back.
    async fn exchange(&self, at: &At, envelope: &Envelope) -> Result<(), Broken> {
        let post = at
            .endpoint
            .post(&at.session, envelope.bytes().clone(), envelope.headers());
        let has_session = at.session.id.is_some();
        let mut reply = post.await.map_err(|error| Broken::of(error, has_session))?;
        let is_stream = reply.is_stream();
        let mut is_answered = envelope.ids().is_empty();
        while let Some(line) = reply.next().await.map_err(Broken::cut)? {
            let answers = !is_stream || self.hear(&line, at);
            if answers {
                if let Some(broken) = self.cut_off(&line, at).await {
                    return Err(broken);
                }
                is_answered = true;
                self.take_note(envelope, &line);
            }
            self.say(line).await;
        }
        // A stream that ends without one is that of a call that was cancelled, or of a core that
        // has ended.
        if is_answered || at.endpoint.is_ready().await {
            Ok(())
        } else {
            Err(Broken::Cut(Trouble::core_ended("")))
        }
    }

    /// Takes note of a message of the core's; `true` if it answers a request, or several.
    fn hear(&self, line: &str, at: &At) -> bool {
        let line = Bytes::copy_from_slice(line.as_bytes());
        let Ok(message) = mcp::Envelope::parse(line) else {
            // A batch: its messages are answers.
            return true;
        };
        match message.kind() {
            mcp::Kind::Request => self.questions.asked(message.id(), at.number),
            mcp::Kind::Notification if message.method() == "notifications/cancelled" => {
                if let Ok(Some(id)) = message.field("requestId") {
                    self.questions.withdrawn(&message.bytes()[id]);
                }
            }
            mcp::Kind::Notification => {}
            mcp::Kind::Result | mcp::Kind::Error => return true,
        }
        false
    }

    /// Returns what became of a request that was refused because the core ends: it ended its servers
    /// first. Nothing for any other answer.
    async fn cut_off(&self, line: &str, at: &At) -> Option<Broken> {
        if line.len() > REFUSAL_BYTES_MAX || !line.contains(r#""retry_safe":"#) {
            return None;
        }
        let refused: Refused = serde_json::from_str(line).ok()?;
        let by_end = matches!(
            refused.error.data.kind.as_str(),
            "closing" | "disconnected" | "server_ended" | "not_connected"
        );
        if !by_end || at.endpoint.is_ready().await {
            return None;
        }
        Some(if refused.error.data.retry_safe {
            Broken::NotTaken
        } else {
            Broken::Cut(Trouble::core_ended(""))
        })
    }

    /// Takes note of what was agreed on for as long as the session lasts.
    fn take_note(&self, envelope: &Envelope, answer: &str) {
        let Some(request) = envelope.message() else {
            return;
        };
        let lasts = matches!(
            request.method(),
            "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe"
        );
        if request.method() == "tools/list" {
            self.hints.note(request, answer);
        }
        let answer = || mcp::Envelope::parse(Bytes::copy_from_slice(answer.as_bytes()));
        if lasts && answer().is_ok_and(|answer| answer.kind() == mcp::Kind::Result) {
            self.standing.note(request);
        }
    }

    /// Begins another session in place of the one of this number, if nobody has yet.
    async fn renew(&self, number: u64, absent: Absent, deadline: Instant) -> Result<(), Trouble> {
        let beginning = timeout_at(deadline, self.beginning.lock()).await;
        let mut beginning = beginning.map_err(|_| Trouble::late())?;
        if beginning.number > number {
            return Ok(());
        }
        let is_renewed = beginning.words.is_some();
        let begun = self.begin(&mut beginning, absent, deadline, is_renewed);
        let begun = begun.await;
        let number = beginning.number;
        drop(beginning);
        begun?;
        if is_renewed {
            for id in self.questions.lost(number) {
                let id = text(&id);
                self.say(format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"the core was restarted"}}}}"#
                ))
                .await;
            }
        }
        Ok(())
    }

    /// Begins a session where a core runs or can be started, the client's first one or another in
    /// its place. Returns what was answered.
    async fn begin(
        &self,
        beginning: &mut Beginning,
        absent: Absent,
        deadline: Instant,
        is_renewed: bool,
    ) -> Result<Vec<String>, Trouble> {
        if let Some((when, trouble)) = &beginning.trouble
            && when.elapsed() < SAME_TROUBLE
        {
            return Err(trouble.clone());
        }
        loop {
            let reached = match absent {
                Absent::Start => self.reach.core(deadline).await,
                Absent::Wait => {
                    let waited = timeout_at(deadline, self.reach.wait()).await;
                    Ok(waited.map_err(|_| Trouble::late())?)
                }
            };
            let endpoint = match reached {
                Ok(endpoint) => endpoint,
                Err(trouble) => {
                    trouble.failure().tell();
                    beginning.trouble = Some((Instant::now(), trouble.clone()));
                    return Err(trouble);
                }
            };
            let greeted = match &beginning.words {
                Some(words) => words.greet(&endpoint).await,
                None => Ok(Default::default()),
            };
            match greeted {
                Ok(greeted) => {
                    beginning.number += 1;
                    beginning.trouble = None;
                    if let Some(words) = &mut beginning.words
                        && !is_renewed
                    {
                        words.promised(&greeted.lists);
                    }
                    let at = At {
                        endpoint,
                        session: greeted.session,
                        number: beginning.number,
                    };
                    if is_renewed {
                        at.tell("notifications/initialized").await;
                        for list in beginning.words.iter().flat_map(Words::lists) {
                            self.say(format!(
                                r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#
                            ))
                            .await;
                        }
                    }
                    self.at.send_replace(Some(Arc::new(at)));
                    return Ok(greeted.said);
                }
                // It is gone again, or ends: whoever comes next is asked.
                Err(ClientError::NoCore | ClientError::TimedOut | ClientError::Transport(_))
                    if Instant::now() < deadline =>
                {
                    self.reach.pause().await
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn now(&self) -> Option<Arc<At>> {
        self.at.borrow().clone()
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        let follower = self.follower.lock();
        drop(follower.unwrap_or_else(PoisonError::into_inner).take());
        if let Some(at) = self.now() {
            // A core that does not listen forgets the session by itself.
            let _ = timeout(GOODBYE_TIMEOUT, at.endpoint.end(&at.session)).await;
        }
    }

    /// Returns how the bridge ends: well, unless it never found a core.
    pub(super) fn exit(&self) -> Exit {
        if self.now().is_some() {
            return Exit::Done;
        }
        let Ok(beginning) = self.beginning.try_lock() else {
            return Exit::Done;
        };
        let trouble = beginning.trouble.as_ref();
        trouble.map_or(Exit::Done, |(_, trouble)| trouble.exit())
    }

    async fn refuse(&self, envelope: &Envelope, trouble: &Trouble) {
        if let Some(refusal) = envelope.refusal(trouble) {
            self.say(refusal).await;
        }
    }
}

impl At {
    /// Sends a notification of our own.
    async fn tell(&self, method: &str) {
        let message = format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#);
        if let Err(error) = self.endpoint.post(&self.session, message, &[]).await {
            tracing::debug!(%error, method, "not passed on");
        }
    }

    /// Asks something of our own, and returns the answer; nothing where none came. What comes before
    /// it is heard.
    async fn ask(
        &self,
        method: &str,
        params: &str,
        heard: &(dyn Fn(String) + Sync),
    ) -> Option<String> {
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":"narthex","method":"{method}","params":{params}}}"#);
        let mut reply = self.endpoint.post(&self.session, message, &[]).await.ok()?;
        let mut last = None;
        while let Some(line) = reply.next().await.ok()? {
            if let Some(before) = last.replace(line) {
                heard(before);
            }
        }
        last
    }
}

impl Broken {
    /// The connection broke.
    fn cut(error: ClientError) -> Self {
        Self::Cut(Trouble::core_ended(&Failure::from(error).said().detail))
    }

    /// Tells what became of a message by what its post ended with.
    fn of(error: ClientError, has_session: bool) -> Self {
        match error {
            ClientError::NoCore | ClientError::TimedOut => Self::NotTaken,
            ClientError::NotFound(_) if has_session => Self::NotTaken,
            ClientError::Transport(_) => Self::cut(error),
            ClientError::Refused(_)
            | ClientError::NotFound(_)
            | ClientError::Rejected(_)
            | ClientError::Home(_)
            | ClientError::Credential { .. }
            | ClientError::NotLoopback(_)
            | ClientError::Malformed(_) => Self::Refused(error.into()),
        }
    }
}

/// A refusal of the core's own.
#[derive(Deserialize)]
struct Refused {
    error: RefusedError,
}

#[derive(Deserialize)]
struct RefusedError {
    data: RefusedData,
}

#[derive(Deserialize)]
struct RefusedData {
    kind: String,
    retry_safe: bool,
}
