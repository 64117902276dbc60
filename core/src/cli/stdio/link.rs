use std::{path::PathBuf, time::Duration};

use futures_util::StreamExt;
use reqwest_eventsource::{Error, Event, EventSource};
use serde_json::Value;
use tokio::{
    sync::{Mutex, mpsc},
    task::AbortHandle,
};

use super::{envelope::Envelope, reach};
use crate::{
    cli::Failure,
    client::{
        ClientError,
        mcp::{Endpoint, Session, one_line},
    },
};

/// How long saying goodbye may take: the core forgets a session by itself too.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection of one client to whichever core runs.
pub(super) struct Link {
    home: Option<PathBuf>,
    client: Option<String>,
    output: mpsc::Sender<String>,
    line: Mutex<Line>,
}

/// The session as it stands.
struct Line {
    endpoint: Endpoint,
    session: Session,
    /// Grows with every session, so that of many calls that find it gone only one renews it.
    number: u64,
    /// The client's own words, to begin another session with.
    initialize: Option<Vec<u8>>,
    listener: Option<AbortHandle>,
    /// Whether the client was told that lists of tools may change.
    lists_change: bool,
}

impl Link {
    pub(super) async fn attach(
        home: Option<PathBuf>,
        client: Option<String>,
        output: mpsc::Sender<String>,
    ) -> Result<Self, Failure> {
        let endpoint = reach::core(home.clone(), client.clone()).await?;
        Ok(Self::new(endpoint, home, client, output))
    }

    pub(super) fn new(
        endpoint: Endpoint,
        home: Option<PathBuf>,
        client: Option<String>,
        output: mpsc::Sender<String>,
    ) -> Self {
        let line = Line {
            endpoint,
            session: Session::default(),
            number: 0,
            initialize: None,
            listener: None,
            lists_change: false,
        };
        Self {
            home,
            client,
            output,
            line: Mutex::new(line),
        }
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
    pub(super) async fn initialize(&self, message: Vec<u8>, envelope: &Envelope) {
        let mut line = self.line.lock().await;
        line.session = Session::default();
        line.initialize = Some(message.clone());
        let begun = match line.begin(&message, envelope.headers()).await {
            Err(Failed::Client(ClientError::NoCore)) => {
                match reach::core(self.home.clone(), self.client.clone()).await {
                    Ok(endpoint) => {
                        line.endpoint = endpoint;
                        line.begin(&message, envelope.headers()).await
                    }
                    Err(failure) => Err(Failed::Start(failure)),
                }
            }
            begun => begun,
        };
        drop(line);
        match begun {
            Ok(lines) => {
                for line in lines {
                    self.say(line).await;
                }
            }
            Err(failed) => self.refuse(envelope, &failed).await,
        }
    }

    /// Posts a message and says what comes back.
    pub(super) async fn carry(&self, message: Vec<u8>, envelope: &Envelope) {
        if let Err(failed) = self.try_carry(message, envelope).await {
            self.refuse(envelope, &failed).await;
        }
    }

    async fn try_carry(&self, message: Vec<u8>, envelope: &Envelope) -> Result<(), Failed> {
        let (endpoint, session, number) = self.current().await;
        let message = bytes::Bytes::from(message);
        let posted = endpoint
            .post(&session, message.clone(), envelope.headers())
            .await;
        let mut reply = match posted {
            Ok(reply) => reply,
            // Nobody took the message: it can be given again, to another core or session.
            Err(ClientError::NoCore) => self.again(number, message, envelope).await?,
            Err(ClientError::NotFound(_)) if session.id.is_some() => {
                self.again(number, message, envelope).await?
            }
            Err(error) => return Err(error.into()),
        };
        while let Some(line) = reply.next().await? {
            self.say(line).await;
        }
        Ok(())
    }

    async fn again(
        &self,
        number: u64,
        message: bytes::Bytes,
        envelope: &Envelope,
    ) -> Result<crate::client::mcp::Reply, Failed> {
        self.renew(number).await?;
        let (endpoint, session, _) = self.current().await;
        Ok(endpoint.post(&session, message, envelope.headers()).await?)
    }

    async fn current(&self) -> (Endpoint, Session, u64) {
        let line = self.line.lock().await;
        (line.endpoint.clone(), line.session.clone(), line.number)
    }

    /// Begins another session in place of the one of this number, if nobody has yet.
    async fn renew(&self, number: u64) -> Result<(), Failed> {
        let mut line = self.line.lock().await;
        if line.number != number {
            return Ok(());
        }
        line.endpoint = reach::core(self.home.clone(), self.client.clone())
            .await
            .map_err(Failed::Start)?;
        line.session = Session::default();
        if let Some(message) = line.initialize.clone() {
            line.begin(&message, &[]).await?;
            let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
            line.endpoint.post(&line.session, initialized, &[]).await?;
            line.listen(&self.output);
            if line.lists_change {
                let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                self.say(changed.to_owned()).await;
            }
        }
        line.number += 1;
        Ok(())
    }

    /// Opens the stream of what the server says without being asked.
    pub(super) async fn listen(&self) {
        self.line.lock().await.listen(&self.output);
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        let mut line = self.line.lock().await;
        if let Some(listener) = line.listener.take() {
            listener.abort();
        }
        // A core that does not listen forgets the session by itself.
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, line.endpoint.end(&line.session)).await;
    }

    async fn refuse(&self, envelope: &Envelope, failed: &Failed) {
        let (message, remedy) = match failed {
            Failed::Client(error) => (error.to_string(), error.remedy().unwrap_or_default()),
            Failed::Start(failure) => (failure.detail().to_owned(), "See why: narthex serve"),
        };
        if let Some(refusal) = envelope.refusal(&message, remedy) {
            self.say(refusal).await;
        }
    }
}

/// Why a message was not carried.
enum Failed {
    /// The core refused it, or is gone.
    Client(ClientError),
    /// No core could be started.
    Start(Failure),
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl Line {
    /// Posts an `initialize` and keeps what was agreed. Returns what is to be said of it.
    async fn begin(
        &mut self,
        message: &[u8],
        headers: &[(&str, String)],
    ) -> Result<Vec<String>, Failed> {
        let mut reply = self
            .endpoint
            .post(&self.session, message.to_vec(), headers)
            .await?;
        self.session.id = reply.session.take();
        let mut lines = Vec::new();
        while let Some(line) = reply.next().await? {
            let value: Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(revision) = value["result"]["protocolVersion"].as_str() {
                self.session.protocol = Some(revision.to_owned());
                self.lists_change = value["result"]["capabilities"]["tools"]["listChanged"] == true;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    fn listen(&mut self, output: &mpsc::Sender<String>) {
        let request = self.endpoint.listen(&self.session);
        let Ok(source) = EventSource::new(request) else {
            return;
        };
        let task = tokio::spawn(listen(source, output.clone()));
        if let Some(before) = self.listener.replace(task.abort_handle()) {
            before.abort();
        }
    }
}

/// Says what the server says without being asked. A stream that breaks is resumed by the source;
/// one that is refused is over, and so is one to a core that is gone: the next message finds the
/// other core, and listens to that.
async fn listen(mut source: EventSource, output: mpsc::Sender<String>) {
    while let Some(event) = source.next().await {
        match event {
            Ok(Event::Message(message)) => {
                if let Some(line) = one_line(message.data)
                    && output.send(line).await.is_err()
                {
                    return;
                }
            }
            Ok(Event::Open) | Err(Error::StreamEnded) => {}
            Err(Error::Transport(error)) if !error.is_connect() => {}
            Err(_) => return,
        }
    }
}
