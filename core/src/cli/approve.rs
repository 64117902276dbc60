//! `narthex approve`: both halves in one sitting, with a question for each. Only a person at a
//! terminal can answer, and only what was shown is approved: the launch by its id, what it offers
//! by its epoch.

mod show;
mod watch;

use std::{io, time::Duration};

use super::{Context, Exit, Failure, say, terminal, text};
use crate::{
    api::wire::{Action, Approval, Condition, Phase, Server},
    client::{Approved, Remote},
};
use watch::{Look, Watch};

/// How long a server that has just been let run may take until it is there: the five minutes of a
/// first launch, which downloads, and a little for the core to say so.
const UP_TIMEOUT: Duration = Duration::from_secs(330);

/// How long a person at the desktop may take to confirm: the five minutes after which the core
/// declines, and a little for it to say so.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(330);

/// How long the core may take to begin with another attempt.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

const CONFIRM: &str = "Confirm it in the window of the desktop.";

/// What is left to ask about what a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    /// The catalog of this epoch waits for a person.
    Ask(u64),
    /// Clients see all of it already.
    Given,
    /// It is not there yet.
    NotYet,
    /// It will not come: it failed, or it is not wanted.
    Never,
}

/// Runs the command.
pub(super) async fn run(context: &Context, name: &str) -> Result<Exit, Failure> {
    if !terminal::is_interactive() {
        let why = "approving needs a person at a terminal";
        return Err(Failure::new(Exit::Refused, why)
            .remedy("Run it in a terminal, or approve it in the window of the desktop."));
    }
    let remote = context.remote()?;
    let mut watch = Watch::begin(&remote, name).await?;
    let server = watch.look(&remote).await?;

    if let Some(epoch) = taken_back(&server) {
        return if both(&remote, &mut watch, &server, epoch).await? {
            Ok(Exit::Done)
        } else {
            Err(Failure::new(Exit::Refused, "it was not approved"))
        };
    }
    let given = launch(&remote, &mut watch, &server).await?;
    if given && offers(&remote, &mut watch).await? {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::Refused, "it was not approved"))
}

/// Returns the epoch to approve where a person's quarantine has suspended both halves of what was
/// seen before: they are given again together.
fn taken_back(server: &Server) -> Option<u64> {
    let suspended = server
        .launch
        .as_ref()
        .is_some_and(|launch| !launch.approved)
        && server.condition == Condition::InQuarantine
        && server.action == Some(Action::Review);
    server.epoch.filter(|_| suspended)
}

/// Both halves at once. Returns whether they were given.
async fn both(
    remote: &Remote,
    watch: &mut Watch,
    server: &Server,
    epoch: u64,
) -> Result<bool, Failure> {
    let Some(launch) = &server.launch else {
        return Ok(false);
    };
    show::launch(&mut io::stdout().lock(), &server.name, launch)?;
    if !terminal::confirm("Let it run?")? {
        return Ok(false);
    }
    let tools = remote.tools(&server.name).await?;
    show::offers(&mut io::stdout().lock(), server, &tools)?;
    if !terminal::confirm("Let clients see it?")? {
        return Ok(false);
    }
    let approval = Approval {
        launch: Some(launch.id.clone()),
        epoch: Some(epoch),
        offers: None,
    };
    give(remote, watch, &approval, |server| {
        second(server) == Second::Given
    })
    .await?;
    let name = text::printable(&server.name);
    say(format!("{name} may run, and clients see what it offers."))?;
    Ok(true)
}

/// The first half: what would run. Returns whether it may.
async fn launch(remote: &Remote, watch: &mut Watch, server: &Server) -> Result<bool, Failure> {
    let Some(launch) = &server.launch else {
        let detail = format!("{}: {}", server.name, server.sentence);
        return Err(
            Failure::new(Exit::Failed, detail).remedy("Look at its entry: narthex config check")
        );
    };
    if launch.approved {
        if gave_up(server) {
            try_again(remote, watch, &launch.id).await?;
        }
        return Ok(true);
    }
    show::launch(&mut io::stdout().lock(), &server.name, launch)?;
    if !terminal::confirm("Let it run?")? {
        return Ok(false);
    }
    let approval = Approval {
        launch: Some(launch.id.clone()),
        ..Approval::default()
    };
    let id = launch.id.clone();
    give(remote, watch, &approval, move |server| {
        let launch = server.launch.as_ref();
        launch.is_some_and(|launch| launch.id == id && launch.approved)
    })
    .await?;
    Ok(true)
}

/// Approves the launch again, which has it tried again; a half that was given is not asked again.
/// Returns when that has begun.
async fn try_again(remote: &Remote, watch: &mut Watch, launch: &str) -> Result<(), Failure> {
    let approval = Approval {
        launch: Some(launch.to_owned()),
        ..Approval::default()
    };
    // What is shown until it begins is the last failure.
    let given = match remote.approve(watch.name(), &approval).await? {
        Approved::Accepted(accepted) => accepted.revision,
        Approved::Pending(pending) => {
            say(CONFIRM)?;
            let has_begun = |server: &Server| !gave_up(server);
            let answered = watch
                .until_answered(remote, CONFIRMATION_TIMEOUT, &pending.command, has_begun)
                .await?;
            if has_begun(&answered) {
                return Ok(());
            }
            watch.seen()
        }
    };
    watch.until_after(remote, BEGIN_TIMEOUT, given).await
}

/// The second half: what it offers. Returns whether there is nothing left to approve.
async fn offers(remote: &Remote, watch: &mut Watch) -> Result<bool, Failure> {
    let server = watch
        .until(remote, UP_TIMEOUT, |server| match second(server) {
            Second::NotYet => Look::On,
            Second::Ask(_) | Second::Given | Second::Never => Look::Enough,
        })
        .await?;
    let name = text::printable(&server.name).into_owned();
    let epoch = match second(&server) {
        Second::Ask(epoch) => epoch,
        Second::Given => {
            say(format!("{name} may run, and clients see what it offers."))?;
            return Ok(true);
        }
        Second::Never | Second::NotYet => return not_there(&server),
    };
    // The tools are fetched after the epoch: if they are newer, the approval is refused.
    let tools = remote.tools(&server.name).await?;
    show::offers(&mut io::stdout().lock(), &server, &tools)?;
    if !terminal::confirm("Let clients see it?")? {
        return Ok(false);
    }
    let approval = Approval {
        epoch: Some(epoch),
        ..Approval::default()
    };
    give(remote, watch, &approval, |server| {
        second(server) == Second::Given
    })
    .await?;
    say(format!("Clients see what {name} offers."))?;
    Ok(true)
}

/// Sends an approval, and waits for the person at the desktop where one is asked too. That it was
/// answered with yes is enough: a server that was let in takes its time to come up.
async fn give(
    remote: &Remote,
    watch: &mut Watch,
    approval: &Approval,
    holds: impl Fn(&Server) -> bool,
) -> Result<(), Failure> {
    let command = match remote.approve(watch.name(), approval).await? {
        Approved::Accepted(_) => return Ok(()),
        Approved::Pending(pending) => pending.command,
    };
    say(CONFIRM)?;
    watch
        .until_answered(remote, CONFIRMATION_TIMEOUT, &command, holds)
        .await?;
    Ok(())
}

/// Says why there is nothing to review. What is off or disconnected was let run all the same.
fn not_there(server: &Server) -> Result<bool, Failure> {
    let name = text::printable(&server.name);
    let sentence = text::printable(&server.sentence);
    let failed = matches!(
        server.condition,
        Condition::Failed | Condition::SignInNeeded
    );
    if failed || gave_up(server) {
        let detail = match &server.error {
            Some(error) => format!("{name}: {}", error.message),
            None => format!("{name}: {sentence}"),
        };
        let failure = Failure::new(Exit::Failed, detail);
        return Err(match &server.error {
            Some(error) => failure.remedy(&error.remedy),
            None => failure,
        });
    }
    say(format!(
        "{name} may run. {sentence} Review what it offers once it does: narthex approve {name}"
    ))?;
    Ok(true)
}

/// Whether it failed for good, whatever its condition: before its review that is quarantine.
const fn gave_up(server: &Server) -> bool {
    matches!(server.phase, Phase::Error { gave_up: true, .. })
}

fn second(server: &Server) -> Second {
    let held = server.tools.held > 0 || server.action == Some(Action::Review);
    match (server.epoch, server.condition) {
        (Some(epoch), _) if held => Second::Ask(epoch),
        (None, _) if gave_up(server) => Second::Never,
        (Some(_), Condition::Connected) => Second::Given,
        (
            _,
            Condition::Failed
            | Condition::SignInNeeded
            | Condition::Disconnected
            | Condition::Off
            | Condition::Paused
            | Condition::NotValid
            | Condition::Closing,
        ) => Second::Never,
        (Some(_), Condition::Asleep) => Second::Given,
        (
            _,
            Condition::Connected
            | Condition::Connecting
            | Condition::Retrying
            | Condition::Asleep
            | Condition::InQuarantine,
        ) => Second::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_second_question_waits_for_the_catalog() {
        assert_eq!(
            second(&server("in_quarantine", json!(null), None, 0)),
            Second::NotYet
        );
        assert_eq!(
            second(&server("connecting", json!(null), None, 0)),
            Second::NotYet
        );
        assert_eq!(
            second(&server("in_quarantine", json!("review"), Some(1), 3)),
            Second::Ask(1)
        );
    }

    #[test]
    fn a_server_without_tools_is_asked_about_too() {
        assert_eq!(
            second(&server("in_quarantine", json!("review"), Some(1), 0)),
            Second::Ask(1)
        );
    }

    #[test]
    fn a_half_that_was_given_is_not_asked_again() {
        assert_eq!(
            second(&server("connected", json!(null), Some(4), 0)),
            Second::Given
        );
        assert_eq!(
            second(&server("connected", json!("review"), Some(5), 1)),
            Second::Ask(5)
        );
    }

    #[test]
    fn what_does_not_come_up_is_not_waited_for() {
        assert_eq!(
            second(&server("failed", json!("try_again"), None, 0)),
            Second::Never
        );
        assert_eq!(
            second(&server("off", json!("show_in_config"), None, 0)),
            Second::Never
        );
    }

    #[test]
    fn what_fails_before_its_review_is_not_waited_for() {
        let error = |gave_up: bool| {
            let mut server = server("in_quarantine", json!("approve"), None, 0);
            let retry_at = (!gave_up).then(|| "2026-11-21T00:00:00Z".to_owned());
            server.phase = Phase::Error {
                attempt: 1,
                retry_at,
                gave_up,
            };
            server
        };
        assert_eq!(second(&error(false)), Second::NotYet);
        assert_eq!(second(&error(true)), Second::Never);
        assert_eq!(not_there(&error(true)).unwrap_err().exit, Exit::Failed);
    }

    fn server(
        condition: &str,
        action: serde_json::Value,
        epoch: Option<u64>,
        held: usize,
    ) -> Server {
        serde_json::from_value(json!({
            "name": "demo", "condition": condition, "sentence": "It is so.", "action": action,
            "transport": "stdio", "phase": {"kind": "disconnecting"}, "wish": "connected",
            "error": null, "launch": null, "epoch": epoch,
            "tools": {"offered": 0, "held": held}, "since": "2026-11-21T00:00:00Z",
        }))
        .unwrap()
    }
}
