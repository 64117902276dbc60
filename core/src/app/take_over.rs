use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, timeout_at};

use super::{Core, Held, ServeOptions};
use crate::{
    client::{ClientError, Remote, lookout::Lookout},
    home::{self, HolderKind, Home, Turn},
};

/// How long the other core may take to come up, if it is on its way, and to end (ten seconds).
const PATIENCE: Duration = Duration::from_secs(20);

impl Core {
    /// Has the core that holds the home end, and starts one in its place: at the same address, unless
    /// another is asked for. Meanwhile no bridge starts a third.
    ///
    /// # Errors
    /// [`Held`] when the one that holds it does not hand over, or does not end in time; else as
    /// [`Core::start`].
    pub async fn take_over(mut options: ServeOptions, kind: HolderKind) -> anyhow::Result<Self> {
        let home = Home::locate(options.home.clone())?;
        let deadline = Instant::now() + PATIENCE;
        let lookout = Lookout::over(&home);
        let turn = Turn::ask(&home).context("failed to open the home's turn")?;
        while !turn.take().context("failed to lock the home's turn")? {
            if timeout_at(deadline, lookout.next()).await.is_err() {
                break;
            }
        }
        let mut asked = None;
        loop {
            let Some(holder) = home::holder(&home) else {
                match Self::start(options.clone(), kind).await {
                    Err(error) if is_held(&error) && Instant::now() < deadline => {}
                    started => return started,
                }
                lookout.next().await;
                continue;
            };
            if !holder.hands_over || Instant::now() >= deadline {
                let home = home.folder().to_owned();
                return Err(Held::Home { home, holder }.into());
            }
            let address = holder.address.as_ref().and_then(|it| it.parse().ok());
            if let Some(address) = address.filter(|_| asked != Some(holder.pid)) {
                asked = Some(holder.pid);
                options.listen = options.listen.or(Some(address));
                match Remote::find(options.home.clone()) {
                    Ok(remote) => ask(&remote).await?,
                    Err(error) => tracing::debug!(%error, "the other core is gone"),
                }
            }
            lookout.next().await;
        }
    }
}

/// Asks a core to hand over. One that is gone has done so.
async fn ask(remote: &Remote) -> Result<(), ClientError> {
    match remote.hand_over().await {
        Ok(()) | Err(ClientError::NoCore | ClientError::Transport(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_held(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<Held>(),
        Some(Held::Home { .. } | Held::HomeBy(_))
    )
}
