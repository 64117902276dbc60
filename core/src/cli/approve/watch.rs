use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    api::wire::{Event, Server, ServerChanged, WhyDeclined},
    cli::{Exit, Failure, terminal::Progress},
    client::{ClientError, Remote},
};

/// How long the core may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether what is true of a server is what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Enough,
    On,
}

/// One server, followed by events from before the first look at it, so that nothing is missed.
pub(super) struct Watch {
    name: String,
    /// The revision of the last look; an older event says nothing new.
    seen: u64,
    /// The command that waits for an answer.
    asked: Option<String>,
    events: Pin<Box<dyn Stream<Item = Result<Event, ClientError>> + Send>>,
}

/// What an event says about the server.
struct News {
    server: Server,
    command: Option<String>,
}

impl Watch {
    /// Begins to follow; returns when the core has said that it does.
    pub(super) async fn begin(remote: &Remote, name: &str) -> Result<Self, Failure> {
        let mut events = remote.events();
        match timeout(HELLO_TIMEOUT, events.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(error.into()),
            Ok(None) => return Err(ClientError::NoCore.into()),
            Err(_) => return Err(ClientError::TimedOut.into()),
        }
        Ok(Self {
            name: name.to_owned(),
            seen: 0,
            asked: None,
            events,
        })
    }

    /// Fetches the server.
    pub(super) async fn look(&mut self, remote: &Remote) -> Result<Server, Failure> {
        let one = remote.server(&self.name).await?;
        self.seen = one.revision;
        Ok(one.server)
    }

    /// Returns the revision of the last look.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Waits for something newer than `revision`.
    pub(super) async fn until_after(
        &mut self,
        remote: &Remote,
        limit: Duration,
        revision: u64,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        while self.seen <= revision {
            self.news(remote, deadline).await?;
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until `look` has seen enough.
    pub(super) async fn until(
        &mut self,
        remote: &Remote,
        limit: Duration,
        look: impl Fn(&Server) -> Look,
    ) -> Result<Server, Failure> {
        let deadline = Instant::now() + limit;
        let mut progress = Progress::new();
        let mut server = self.look(remote).await?;
        while look(&server) == Look::On {
            progress.show(&format!("{}: {}", server.name, server.sentence));
            server = self.news(remote, deadline).await?.server;
        }
        Ok(server)
    }

    /// Waits until the command was answered: an event names it, or what it wanted holds. One that
    /// was declined is a failure.
    pub(super) async fn until_answered(
        &mut self,
        remote: &Remote,
        limit: Duration,
        command: &str,
        holds: impl Fn(&Server) -> bool,
    ) -> Result<Server, Failure> {
        let deadline = Instant::now() + limit;
        let mut progress = Progress::new();
        progress.show("Waiting for the desktop…");
        self.asked = Some(command.to_owned());
        loop {
            let news = self.news(remote, deadline).await?;
            if holds(&news.server) || news.command.as_deref() == Some(command) {
                return Ok(news.server);
            }
        }
    }

    fn declined(&self, why: WhyDeclined) -> Failure {
        match why {
            WhyDeclined::AnsweredNo => {
                Failure::new(Exit::Refused, "the answer at the desktop was no")
            }
            WhyDeclined::MovedOn => {
                let detail = format!("{} is no longer what was shown", self.name);
                Failure::new(Exit::Refused, detail)
                    .remedy(format!("Look at it again: narthex approve {}", self.name))
            }
            WhyDeclined::NotAnswered => {
                Failure::new(Exit::TimedOut, "nobody answered at the desktop")
                    .remedy("Ask again when somebody sits there.")
            }
        }
    }

    fn is_news(&self, changed: &ServerChanged) -> bool {
        changed.server.name == self.name && changed.revision > self.seen
    }

    async fn news(&mut self, remote: &Remote, deadline: Instant) -> Result<News, Failure> {
        loop {
            let Ok(event) = timeout_at(deadline, self.events.next()).await else {
                return Err(
                    Failure::new(Exit::TimedOut, format!("{} took too long", self.name))
                        .remedy(format!("Look at what it says: narthex logs {}", self.name)),
                );
            };
            match event {
                Some(Ok(Event::Server(changed))) if self.is_news(&changed) => {
                    self.seen = changed.revision;
                    return Ok(News {
                        server: changed.server,
                        command: changed.command,
                    });
                }
                Some(Ok(Event::Removed(removed))) if removed.name == self.name => {
                    let detail = format!("{} was removed", self.name);
                    return Err(Failure::new(Exit::NotFound, detail));
                }
                Some(Ok(Event::Hello(_) | Event::Gap(_))) => {
                    return Ok(News {
                        server: self.look(remote).await?,
                        command: None,
                    });
                }
                Some(Ok(Event::Declined(declined)))
                    if self.asked.as_ref() == Some(&declined.command) =>
                {
                    return Err(self.declined(declined.why));
                }
                Some(Ok(
                    Event::Server(_) | Event::Removed(_) | Event::Core(_) | Event::Declined(_),
                )) => {}
                Some(Err(error @ ClientError::Refused(_))) => return Err(error.into()),
                // The stream takes itself up again.
                Some(Err(_)) => {}
                None => return Err(ClientError::NoCore.into()),
            }
        }
    }
}
