use super::{Context, Exit, Failure, say};

/// `narthex ui`.
pub(super) async fn run(context: &Context, print: bool) -> Result<Exit, Failure> {
    let remote = context.remote()?;
    let address = remote.ui().await?;
    if print {
        say(&address)?;
        return Ok(Exit::Done);
    }
    open::that_detached(&address).map_err(|error| {
        Failure::new(Exit::Failed, format!("no browser was opened: {error}"))
            .remedy("Open the address yourself: narthex ui --print")
    })?;
    // Without the credential, which would stay in the terminal.
    let shown = address.split('#').next().unwrap_or_default();
    say(format!("Opened {shown} in your browser."))?;
    Ok(Exit::Done)
}
