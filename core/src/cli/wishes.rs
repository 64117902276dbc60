use super::{Context, Exit, Failure, print_json, say, text};
use crate::{api::wire::Accepted, client::Command};

/// `narthex connect`, `disconnect`, `restart` and `quarantine`.
pub(super) async fn wish(context: &Context, name: &str, command: Command) -> Result<Exit, Failure> {
    let accepted = context.remote()?.wish(name, command).await?;
    let said = match command {
        Command::Connect => "is being connected",
        Command::Disconnect => "is disconnected, and stays so",
        Command::Restart => "is being restarted",
        Command::Quarantine => "is in quarantine",
    };
    done(
        context,
        &accepted,
        &format!("{} {said}.", text::printable(name)),
    )
}

/// `narthex pause`.
pub(super) async fn pause(context: &Context) -> Result<Exit, Failure> {
    let accepted = context.remote()?.pause().await?;
    done(context, &accepted, "All servers are paused.")
}

/// `narthex resume`.
pub(super) async fn resume(context: &Context) -> Result<Exit, Failure> {
    let accepted = context.remote()?.resume().await?;
    done(
        context,
        &accepted,
        "The servers are as they were before the pause.",
    )
}

fn done(context: &Context, accepted: &Accepted, sentence: &str) -> Result<Exit, Failure> {
    if context.json {
        print_json(accepted)?;
    } else {
        say(sentence)?;
    }
    Ok(Exit::Done)
}
