use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{api::wire::Confirmation, server::ServerName};

/// How long a person has to answer: time to come back to the machine, and no longer than whoever
/// asked keeps their terminal open for.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How many approvals may wait: far more than a person asks for, and few enough to be looked at.
const WAITING_MAX: usize = 32;

/// An approval that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) command: Arc<str>,
    pub(super) server: ServerName,
    pub(super) confirmation: Confirmation,
}

/// The approvals that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    asked: Vec<(Asked, Instant)>,
}

impl Waiting {
    /// Has one wait; returns the id of the one that waits already for the same, or its own. Nothing
    /// where too many wait.
    pub(super) fn ask(&mut self, asked: Asked, now: Instant) -> Option<Arc<str>> {
        let same = |(other, _): &&(Asked, Instant)| {
            other.server == asked.server
                && other.confirmation.approval == asked.confirmation.approval
        };
        if let Some((waiting, _)) = self.asked.iter().find(same) {
            return Some(Arc::clone(&waiting.command));
        }
        if self.asked.len() == WAITING_MAX {
            return None;
        }
        let command = Arc::clone(&asked.command);
        self.asked.push((asked, now + PATIENCE));
        Some(command)
    }

    /// Takes the one of this id.
    pub(super) fn take(&mut self, command: &str) -> Option<Asked> {
        let mut places = self.asked.iter();
        let place = places.position(|(asked, _)| &*asked.command == command)?;
        Some(self.asked.remove(place).0)
    }

    /// Takes those whose time has come.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Vec<Asked> {
        let overdue = self.asked.extract_if(.., |(_, until)| *until <= now);
        overdue.map(|(asked, _)| asked).collect()
    }

    /// Returns when the next one's time has come.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.asked.first().map(|(_, until)| *until)
    }

    /// Returns what a window shows.
    pub(super) fn shown(&self) -> Arc<[Confirmation]> {
        let confirmations = self.asked.iter();
        confirmations
            .map(|(asked, _)| asked.confirmation.clone())
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::wire::Approval;

    #[test]
    fn what_waits_already_is_not_asked_twice() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let first = waiting.ask(asked("c1", "a", "launch"), now).unwrap();
        let again = waiting.ask(asked("c2", "a", "launch"), now).unwrap();
        let another = waiting.ask(asked("c3", "a", "other"), now).unwrap();
        let server = waiting.ask(asked("c4", "b", "launch"), now).unwrap();
        assert_eq!(
            [&*first, &again, &another, &server],
            ["c1", "c1", "c3", "c4"]
        );
        assert_eq!(waiting.shown().len(), 3);
    }

    #[test]
    fn only_so_many_wait() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        for number in 0..WAITING_MAX {
            let id = number.to_string();
            assert!(waiting.ask(asked(&id, "a", &id), now).is_some());
        }
        assert!(waiting.ask(asked("more", "a", "more"), now).is_none());
        assert!(waiting.ask(asked("again", "a", "7"), now).is_some());
        assert!(waiting.take("7").is_some());
        assert!(waiting.take("7").is_none());
        assert!(waiting.ask(asked("more", "a", "more"), now).is_some());
    }

    #[test]
    fn each_has_its_own_time() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        waiting.ask(asked("c1", "a", "1"), now);
        waiting.ask(asked("c2", "a", "2"), later);
        // Asked for again, it waits no longer.
        waiting.ask(asked("c3", "a", "1"), later);

        assert_eq!(waiting.next_deadline(), Some(now + PATIENCE));
        assert!(waiting.take_overdue(later).is_empty());
        let overdue = waiting.take_overdue(now + PATIENCE);
        assert_eq!(overdue.len(), 1);
        assert_eq!(&*overdue[0].command, "c1");
        assert_eq!(waiting.next_deadline(), Some(later + PATIENCE));
    }

    pub(in crate::api::confirmations) fn asked(command: &str, server: &str, launch: &str) -> Asked {
        let shown = json!({
            "name": server, "condition": "in_quarantine", "sentence": "", "action": null,
            "transport": null, "phase": {"kind": "stopped"}, "wish": "connected", "error": null,
            "launch": null, "epoch": null, "tools": {"offered": 0, "held": 0}, "since": "",
        });
        Asked {
            command: command.into(),
            server: ServerName::new(server).unwrap(),
            confirmation: Confirmation {
                command: command.to_owned(),
                server: serde_json::from_value(shown).unwrap(),
                approval: Approval {
                    launch: Some(launch.to_owned()),
                    ..Approval::default()
                },
                since: String::new(),
            },
        }
    }
}
