use std::sync::Arc;

use super::{Api, wire};
use crate::view::{Change, Happening, Subscriber, Told, View};

/// One who follows the events of a core, over a wire or in process. Counted until it is dropped.
pub struct Following {
    api: Api,
    subscriber: Subscriber,
    first: Option<Heard>,
}

/// What one who follows hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// That it follows, from this revision on.
    Hello(u64),
    /// What happened.
    Happening(Arc<Happening>),
    /// That something was missed; the present is at this revision or later.
    Gap(u64),
}

impl Following {
    /// Follows from here on.
    pub fn from_now(api: Api) -> Self {
        let (subscriber, revision) = Subscriber::from_now(api.view.clone());
        Self::new(api, subscriber, Some(Heard::Hello(revision)))
    }

    /// Takes up again after the event of this id; where that is not possible, with a gap.
    pub(super) fn after(api: Api, last_event: &str) -> Self {
        let named = last_event
            .rsplit_once('-')
            .filter(|(instance, _)| *instance == api.view.instance());
        let named = named.and_then(|(_, revision)| revision.parse::<u64>().ok());
        match named.filter(|revision| api.view.read(|now| *revision <= now.revision)) {
            Some(revision) => {
                let subscriber = Subscriber::after(api.view.clone(), revision);
                Self::new(api, subscriber, None)
            }
            None => {
                let (subscriber, revision) = Subscriber::from_now(api.view.clone());
                Self::new(api, subscriber, Some(Heard::Gap(revision)))
            }
        }
    }

    fn new(api: Api, subscriber: Subscriber, first: Option<Heard>) -> Self {
        api.metrics.events().subscriber(true);
        Self {
            api,
            subscriber,
            first,
        }
    }

    pub(super) const fn view(&self) -> &View {
        &self.api.view
    }

    /// Returns the next event; nothing once the core ends. Cancel-safe.
    pub async fn next(&mut self) -> Option<wire::Event> {
        let heard = self.hear().await?;
        let view = self.view();
        Some(match heard {
            Heard::Hello(revision) => hello(view, revision),
            Heard::Happening(happening) => event(view, &happening),
            Heard::Gap(revision) => wire::Event::Gap(wire::Gap { revision }),
        })
    }

    /// Returns what is heard next; nothing once the core ends. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Option<Heard> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let told = tokio::select! {
            biased;
            told = self.subscriber.next() => told,
            () = self.api.stop.cancelled() => return None,
        };
        let metrics = self.api.metrics.events();
        Some(match told {
            Told::Happening(happening) => {
                metrics.told(happening.at.elapsed());
                Heard::Happening(happening)
            }
            Told::Gap(revision) => {
                metrics.gap();
                Heard::Gap(revision)
            }
        })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.api.metrics.events().subscriber(false);
    }
}

/// Returns the first event of a subscriber that does not resume.
pub(super) fn hello(view: &View, revision: u64) -> wire::Event {
    wire::Event::Hello(wire::Hello {
        instance: view.instance().to_owned(),
        revision,
    })
}

/// Returns what happened as the event that every subscriber gets.
pub(super) fn event(view: &View, happening: &Happening) -> wire::Event {
    let revision = happening.revision;
    let command = happening.command.as_ref().map(ToString::to_string);
    match &happening.change {
        Change::Server(entry) => wire::Event::Server(Box::new(wire::ServerChanged {
            revision,
            command,
            server: entry.wire(view),
        })),
        Change::Removed(name) => wire::Event::Removed(wire::ServerRemoved {
            revision,
            name: name.to_string(),
        }),
        Change::Core {
            paused,
            clients,
            problems,
        } => wire::Event::Core(wire::CoreChanged {
            revision,
            command,
            paused: *paused,
            clients: *clients,
            problems: problems.to_vec(),
        }),
    }
}
