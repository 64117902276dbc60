//! What a person is told of while they look elsewhere: that a server needs them and will not mend
//! itself. Grouped, and each server at most once an hour. A pure machine; `announce` speaks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use narthex_core::{
    api::wire::{Action, Condition, Server},
    client::Present,
};
use tokio::time::Instant;

use crate::place::{Place, Tab};

/// How long what has happened is gathered: a file that is saved, or a network that goes, brings
/// several servers at once, and some mend themselves by then.
pub(crate) const GATHER: Duration = Duration::from_secs(2);

/// How long a server that was told of is not told of again.
const QUIET: Duration = Duration::from_secs(3600);

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) place: Place,
}

/// Why a server needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Need {
    /// It was given up.
    Failed,
    /// It wants a sign-in.
    SignIn,
    /// It is new, or offers something new or changed.
    Review,
    /// Its entry cannot be used.
    NotValid,
}

impl Need {
    fn of(server: &Server) -> Option<Self> {
        match (server.condition, server.action) {
            (Condition::NotValid, _) => Some(Self::NotValid),
            (Condition::Failed, _) => Some(Self::Failed),
            (Condition::SignInNeeded, _) => Some(Self::SignIn),
            // A person who has just put it in quarantine knows.
            (Condition::InQuarantine, Some(Action::Review)) => {
                let is_taken_back = server
                    .launch
                    .as_ref()
                    .is_some_and(|launch| !launch.approved);
                (!is_taken_back).then_some(Self::Review)
            }
            (_, Some(Action::Approve | Action::Review)) => Some(Self::Review),
            _ => None,
        }
    }

    /// Names the server and what is the matter; nothing that a server wrote.
    fn title(self, name: &str) -> String {
        match self {
            Self::Failed => format!("{name} failed"),
            Self::SignIn => format!("{name} needs you to sign in"),
            Self::Review => format!("{name} waits for your review"),
            Self::NotValid => format!("The entry of {name} cannot be used"),
        }
    }

    const fn body(self) -> &'static str {
        match self {
            Self::Failed => "Narthex has given up trying. Open it to see why.",
            Self::SignIn => "Open it to sign in.",
            Self::Review => "Look at what is new before anything of it is used.",
            Self::NotValid => "Open it to see what is wrong, and where.",
        }
    }

    fn place(self, name: &str) -> Place {
        let tab = match self {
            Self::Review => Tab::Review,
            Self::Failed | Self::SignIn | Self::NotValid => Tab::Overview,
        };
        Place::server(name, tab)
    }
}

/// Who needs a person, who has come to, and who was told of when.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    needs: BTreeMap<String, Need>,
    fresh: BTreeSet<String>,
    told: BTreeMap<String, Instant>,
    has_begun: bool,
}

impl Notices {
    /// Takes what is true. Returns whether there is something to tell when it was gathered.
    ///
    /// What needs a person when Narthex starts is shown by the tray, and told to nobody: they have
    /// seen it before.
    pub(crate) fn take(&mut self, now: &Present) -> bool {
        let needs: BTreeMap<String, Need> = now
            .servers
            .values()
            .filter_map(|server| Some((server.name.clone(), Need::of(server)?)))
            .collect();
        if std::mem::replace(&mut self.has_begun, true) {
            for (name, need) in &needs {
                if self.needs.get(name) != Some(need) {
                    self.fresh.insert(name.clone());
                }
            }
        }
        self.needs = needs;
        self.fresh.retain(|name| self.needs.contains_key(name));
        !self.fresh.is_empty()
    }

    /// Returns what to tell of all that was gathered and still holds; nothing of what was told
    /// within the hour.
    pub(crate) fn tell(&mut self, at: Instant) -> Option<Notice> {
        self.told.retain(|_, told| at.duration_since(*told) < QUIET);
        let fresh = std::mem::take(&mut self.fresh);
        let told: Vec<(String, Need)> = fresh
            .into_iter()
            .filter(|name| !self.told.contains_key(name))
            .filter_map(|name| {
                let need = *self.needs.get(&name)?;
                Some((name, need))
            })
            .collect();
        self.told
            .extend(told.iter().map(|(name, _)| (name.clone(), at)));
        match &told[..] {
            [] => None,
            [(name, need)] => Some(Notice {
                title: need.title(name),
                body: need.body().to_owned(),
                place: need.place(name),
            }),
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
                Some(Notice {
                    title: format!("{} servers need you", several.len()),
                    body: names.join(", "),
                    place: Place::Servers,
                })
            }
        }
    }

    /// Forgets what was gathered: the person is looking.
    pub(crate) fn is_seen(&mut self) {
        self.fresh.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{present, server};

    const WELL: (Condition, Option<Action>) = (Condition::Connected, None);
    const FAILED: (Condition, Option<Action>) = (Condition::Failed, Some(Action::TryAgain));
    const NEW: (Condition, Option<Action>) = (Condition::InQuarantine, Some(Action::Approve));

    fn now(servers: &[(&str, (Condition, Option<Action>))]) -> Present {
        let of = |(name, (condition, action)): &(&str, (Condition, Option<Action>))| {
            server(name, *condition, *action)
        };
        present(servers.iter().map(of))
    }

    fn begun(servers: &[(&str, (Condition, Option<Action>))]) -> Notices {
        let mut notices = Notices::default();
        assert!(!notices.take(&now(servers)), "the start is no news");
        notices
    }

    #[test]
    fn what_failed_is_told_with_its_place() {
        let mut notices = begun(&[("postgres", WELL)]);
        assert!(notices.take(&now(&[("postgres", FAILED)])));
        let told = notices.tell(Instant::now()).unwrap();
        assert_eq!(told.title, "postgres failed");
        assert_eq!(told.place, Place::server("postgres", Tab::Overview));
    }

    #[test]
    fn several_are_told_as_one() {
        let mut notices = begun(&[]);
        notices.take(&now(&[("a", NEW)]));
        notices.take(&now(&[("a", NEW), ("b", FAILED)]));
        let told = notices.tell(Instant::now()).unwrap();
        assert_eq!(told.title, "2 servers need you");
        assert_eq!((told.body.as_str(), told.place), ("a, b", Place::Servers));
        assert_eq!(notices.tell(Instant::now()), None);
    }

    #[test]
    fn what_mends_itself_is_not_told() {
        let mut notices = begun(&[("a", WELL)]);
        assert!(notices.take(&now(&[("a", FAILED)])));
        assert!(!notices.take(&now(&[("a", WELL)])));
        assert_eq!(notices.tell(Instant::now()), None);
        let retrying = (Condition::Retrying, None);
        assert!(!notices.take(&now(&[("a", retrying)])));
    }

    #[test]
    fn a_server_is_told_of_once_an_hour() {
        let mut notices = begun(&[("a", WELL)]);
        let first = Instant::now();
        let mut fail_at = |at| {
            notices.take(&now(&[("a", WELL)]));
            notices.take(&now(&[("a", FAILED)]));
            notices.tell(at)
        };
        assert!(fail_at(first).is_some());
        assert!(fail_at(first + QUIET / 2).is_none());
        assert!(fail_at(first + QUIET).is_some());
    }

    #[test]
    fn a_person_who_put_it_in_quarantine_knows() {
        let mut notices = begun(&[("a", WELL)]);
        let mut held = server("a", Condition::InQuarantine, Some(Action::Review));
        held.launch.as_mut().unwrap().approved = false;
        assert!(!notices.take(&present([held])));
    }
}
