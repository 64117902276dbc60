use crate::{
    api::wire::{Action, Condition, IdleReason, Stage, Wish},
    catalog::Reviewed,
    desired::Desire,
    server::{Cause, CauseKind, Phase},
};

/// What holds for a server, in the words of people: the same on every surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// In one word.
    pub condition: Condition,
    /// In a sentence. Holds no text written by a server.
    pub sentence: String,
    /// The one thing that would help.
    pub action: Option<Action>,
}

impl Status {
    /// Derives the status from what is wanted and what is.
    ///
    /// Where several conditions hold, the first of: not valid, off, in quarantine, paused,
    /// disconnected; then what the phase says.
    pub fn derive<E>(
        desire: &Desire,
        paused: bool,
        phase: &Phase<E>,
        last_cause: Option<&Cause>,
        catalog: Option<&Reviewed>,
    ) -> Self {
        let status = |condition, sentence: String, action| Self {
            condition,
            sentence,
            action,
        };
        if let Phase::Stopped = phase {
            return status(Condition::Closing, "Ended.".to_owned(), None);
        }
        let Some(spec) = &desire.spec else {
            let what = desire
                .problem
                .as_ref()
                .map_or("Its entry cannot be used", |problem| &problem.message);
            return status(
                Condition::NotValid,
                sentence(what),
                Some(Action::ShowInConfig),
            );
        };
        if !spec.enabled {
            let text = "Switched off in narthex.json.".to_owned();
            return status(Condition::Off, text, Some(Action::ShowInConfig));
        }
        if desire.in_quarantine() {
            let gave_up = matches!(phase, Phase::Error { retry_at: None, .. });
            return Self::of_quarantine(desire, gave_up, last_cause, catalog);
        }
        if paused {
            return status(
                Condition::Paused,
                "All servers are paused.".to_owned(),
                Some(Action::Resume),
            );
        }
        if desire.wish == Wish::Disconnected {
            let text = "Disconnected until you connect it.".to_owned();
            return status(Condition::Disconnected, text, Some(Action::Connect));
        }
        Self::of_phase(phase, last_cause, catalog)
    }

    fn of_quarantine(
        desire: &Desire,
        gave_up: bool,
        last_cause: Option<&Cause>,
        catalog: Option<&Reviewed>,
    ) -> Self {
        let set_in_file = desire.spec.as_ref().is_some_and(|spec| spec.quarantined);
        let (text, action) = if set_in_file {
            (
                "Kept in quarantine by \"quarantined\": true in narthex.json.".to_owned(),
                Action::ShowInConfig,
            )
        } else if desire.suspended {
            ("You put it in quarantine.".to_owned(), Action::Review)
        } else if !desire.approved {
            (
                "Waits for you to approve what it would run.".to_owned(),
                Action::Approve,
            )
        } else if let Some(catalog) = catalog {
            (
                format!("Waits for you to review {}.", offers(catalog)),
                Action::Review,
            )
        } else if let (true, Some(cause)) = (gave_up, last_cause) {
            (
                format!(
                    "{} Approve what it would run again to have it tried again.",
                    sentence(&cause.message)
                ),
                Action::Approve,
            )
        } else if let Some(cause) = last_cause {
            (
                format!(
                    "{} What it offers is not known yet.",
                    sentence(&cause.message)
                ),
                Action::Review,
            )
        } else {
            (
                "Starting, so that you can review what it offers.".to_owned(),
                Action::Review,
            )
        };
        Self {
            condition: Condition::InQuarantine,
            sentence: text,
            action: Some(action),
        }
    }

    fn of_phase<E>(
        phase: &Phase<E>,
        last_cause: Option<&Cause>,
        catalog: Option<&Reviewed>,
    ) -> Self {
        let (condition, text, action) = match phase {
            Phase::Connected { .. } => {
                let (text, action) =
                    catalog.map_or_else(|| ("Connected.".to_owned(), None), connected);
                (Condition::Connected, text, action)
            }
            Phase::Connecting {
                attempt: 1, stage, ..
            } => {
                let text = match stage {
                    Stage::Starting => "Starting.",
                    Stage::Initializing => "Started; waiting for its first answer.",
                    Stage::Listing => "Reading what it offers.",
                };
                (Condition::Connecting, text.to_owned(), None)
            }
            Phase::Connecting { .. } => {
                let why = last_cause.map_or_else(String::new, |cause| {
                    format!("{} ", sentence(&cause.message))
                });
                (Condition::Retrying, format!("{why}Trying again."), None)
            }
            Phase::Error {
                cause,
                retry_at: Some(_),
                ..
            } => (
                Condition::Retrying,
                format!("{} Trying again soon.", sentence(&cause.message)),
                None,
            ),
            Phase::Error {
                cause,
                retry_at: None,
                ..
            } if cause.kind == CauseKind::SignInNeeded => (
                Condition::SignInNeeded,
                sentence(&cause.message),
                Some(Action::SignIn),
            ),
            Phase::Error {
                cause,
                retry_at: None,
                ..
            } => (
                Condition::Failed,
                sentence(&cause.message),
                Some(Action::TryAgain),
            ),
            Phase::Idle(IdleReason::Asleep) => (
                Condition::Asleep,
                "Asleep until it is called.".to_owned(),
                None,
            ),
            // The wish has changed and the actor is about to follow it.
            Phase::Idle(_) => (Condition::Connecting, "Starting.".to_owned(), None),
            Phase::Disconnecting { .. } => {
                (Condition::Connecting, "Starting again.".to_owned(), None)
            }
            Phase::Stopped => (Condition::Closing, "Ended.".to_owned(), None),
        };
        Self {
            condition,
            sentence: text,
            action,
        }
    }
}

fn connected(catalog: &Reviewed) -> (String, Option<Action>) {
    let tally = catalog.tally();
    if tally.held == [0, 0] {
        return (format!("Connected, {}.", tools(tally.offered)), None);
    }
    let [new, changed] = tally.held;
    let held = match (changed, new) {
        (0, new) => format!("{new} new"),
        (changed, 0) => format!("{changed} changed"),
        (changed, new) => format!("{changed} changed and {new} new"),
    };
    (
        format!(
            "Connected, {}; {held} held for your review.",
            tools(tally.offered)
        ),
        Some(Action::Review),
    )
}

/// Returns what there is to review, in a few words.
fn offers(catalog: &Reviewed) -> String {
    let mut words = vec![tools(catalog.tools.len())];
    let others = [
        (catalog.prompts.len(), "prompt"),
        (catalog.templates.len(), "template"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    words.extend(others.map(|(count, word)| counted(count, word)));
    words.join(", ")
}

fn tools(count: usize) -> String {
    counted(count, "tool")
}

fn counted(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}

/// Makes a sentence of a message: a capital first, a full stop last.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    let stop = if message.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{stop}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::server::{Spec, Transport};

    fn good() -> Desire {
        let transport = Transport::Stdio {
            command: "x".into(),
            args: vec![],
            cwd: None,
            env: Default::default(),
        };
        Desire {
            spec: Some(Arc::new(Spec::new(transport))),
            approved: true,
            reviewed: true,
            ..Desire::new()
        }
    }

    fn condition(desire: &Desire, paused: bool, phase: &Phase<()>) -> Condition {
        Status::derive(desire, paused, phase, None, None).condition
    }

    #[test]
    fn the_strongest_condition_is_shown() {
        let up = Phase::Connected {
            endpoint: (),
            since: Instant::now(),
            failures: 0,
        };
        let mut desire = good();
        assert_eq!(condition(&desire, false, &up), Condition::Connected);
        desire.wish = Wish::Disconnected;
        assert_eq!(condition(&desire, false, &up), Condition::Disconnected);
        assert_eq!(condition(&desire, true, &up), Condition::Paused);
        desire.suspended = true;
        assert_eq!(condition(&desire, true, &up), Condition::InQuarantine);
        let mut off = Spec::clone(desire.spec.as_ref().unwrap());
        off.enabled = false;
        desire.spec = Some(Arc::new(off));
        assert_eq!(condition(&desire, true, &up), Condition::Off);
        desire.spec = None;
        assert_eq!(condition(&desire, true, &up), Condition::NotValid);
    }

    #[test]
    fn an_approved_launch_alone_still_waits_for_review() {
        let up = Phase::Connected {
            endpoint: (),
            since: Instant::now(),
            failures: 0,
        };
        let desire = Desire {
            reviewed: false,
            ..good()
        };
        let status = Status::derive(&desire, false, &up, None, None);
        assert_eq!(
            (status.condition, status.action),
            (Condition::InQuarantine, Some(Action::Review))
        );
        let desire = Desire {
            approved: false,
            ..desire
        };
        assert_eq!(
            Status::derive(&desire, false, &up, None, None).action,
            Some(Action::Approve)
        );
    }

    #[test]
    fn what_was_given_up_before_anybody_could_review_it_says_what_helps() {
        let cause = Arc::new(Cause::new(
            CauseKind::CommandNotFound,
            "command `x` not found",
            "install it",
        ));
        let error = |retry_at| -> Phase<()> {
            Phase::Error {
                cause: Arc::clone(&cause),
                failures: 1,
                retry_at,
            }
        };
        let desire = Desire {
            reviewed: false,
            ..good()
        };
        let status = |phase| Status::derive(&desire, false, &phase, Some(&cause), None);

        let given_up = status(error(None));

        assert_eq!(
            (given_up.condition, given_up.action),
            (Condition::InQuarantine, Some(Action::Approve))
        );
        assert!(
            given_up.sentence.starts_with("Command `x` not found."),
            "{}",
            given_up.sentence
        );
        let coming = status(error(Some(Instant::now())));
        assert_eq!(coming.action, Some(Action::Review));
    }

    #[test]
    fn what_was_given_up_says_so() {
        let cause = Arc::new(Cause::new(
            CauseKind::Exited,
            "it ended with exit code 1",
            "look at its log",
        ));
        let phase: Phase<()> = Phase::Error {
            cause,
            failures: 6,
            retry_at: None,
        };
        let status = Status::derive(&good(), false, &phase, None, None);
        assert_eq!(status.sentence, "It ended with exit code 1.");
        assert_eq!(
            (status.condition, status.action),
            (Condition::Failed, Some(Action::TryAgain))
        );
    }
}
