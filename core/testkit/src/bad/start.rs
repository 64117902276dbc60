//! How a misbehaviour is begun beside a core, and kept up.

use std::{future::pending, time::Duration};

use serde_json::json;
use tokio::time::sleep;

use super::{Bad, HalfRequests, Sessions};
use crate::{binaries, core::Core, entry::Entry, session::Session, upstream::Upstream};

/// What stands behind the entry of a misbehaviour; it ends with this value.
#[derive(Debug)]
pub struct Started {
    /// The entry; `None` where it is a client that misbehaves.
    pub entry: Option<Entry>,
    /// Where it sends to, which must hear nothing.
    pub elsewhere: Option<Upstream>,
    _address: Option<Upstream>,
}

/// Where clients reach a core.
#[derive(Debug, Clone)]
pub struct At {
    /// Where it listens: `127.0.0.1:7410`.
    pub address: String,
    /// A client's credential.
    pub token: String,
}

/// The time between two calls of a bad server.
const CALL_PAUSE: Duration = Duration::from_millis(20);

/// The time that the calls of a bad server have, in seconds.
const CALL_TIMEOUT_S: u64 = 60;

/// The same where nothing but its end is an answer: it must pass in tests.
const SHORT_CALL_TIMEOUT_S: u64 = 4;

impl Bad {
    /// Starts what stands behind its entry.
    pub async fn start(self) -> Started {
        let mut started = Started {
            entry: None,
            elsewhere: None,
            _address: None,
        };
        let entry = if self.is_client() {
            return started;
        } else if self == Self::MissingProgram {
            Entry::new(json!({"command": "no-such-program-anywhere"}))
        } else if self.is_address() {
            let elsewhere = Upstream::start(&[]).await;
            let address = Upstream::run(&["--bad", self.name(), elsewhere.url()]).await;
            let entry = Entry::url(address.url());
            (started._address, started.elsewhere) = (Some(address), Some(elsewhere));
            entry
        } else {
            let server = binaries::scripted_server();
            Entry::new(json!({"command": server, "args": ["--bad", self.name()]}))
        };
        let entry = if self == Self::Mute {
            entry.set("initTimeout", 1)
        } else {
            entry
        };
        let patience = match self {
            Self::HalfAMessage | Self::StalledBody | Self::EventFloodOlder => SHORT_CALL_TIMEOUT_S,
            _ => CALL_TIMEOUT_S,
        };
        started.entry = Some(entry.set("callTimeout", patience));
        started
    }

    /// Has it misbehave again and again, for as long as the future is polled: calls of the bad
    /// server's `echo` one after the other, whatever comes of them, or what the client does.
    pub async fn keep_up(self, at: &At) {
        match self {
            Self::TenThousandSessions => loop {
                drop(Sessions::open(at, 10_000).await);
            },
            Self::HalfRequests => {
                let _held = HalfRequests::send(at, 300).await;
                pending::<()>().await;
            }
            _ => {
                let session = Session::open(&at.url(), Some(&at.token)).await;
                loop {
                    session.call("bad__echo", json!({"text": "again"})).await;
                    // One that fails at once must not be all that the core has to do.
                    sleep(CALL_PAUSE).await;
                }
            }
        }
    }
}

impl At {
    /// Returns where `core` is reached.
    pub fn of(core: &Core) -> Self {
        Self {
            address: core.address().to_owned(),
            token: core.home.token("client"),
        }
    }

    /// Returns the address of all servers.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}
