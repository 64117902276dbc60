use std::{env, path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout},
    time::{Instant, timeout_at},
};

use super::{desktop, detached, trouble::Trouble};
use crate::{
    cli::{call, exit::Said},
    client::{ClientError, lookout::Lookout, mcp::Endpoint},
    home::{self, Home, HomeError, Turn},
};

/// How long a desktop may take to come up before a core without one is started. One that comes later
/// takes over from that.
const DESKTOP_TIMEOUT: Duration = Duration::from_secs(8);

/// How often a core is started in a row that finds the home held, by one that is gone when we look.
const STARTS_MAX: u32 = 4;

/// The code of a core that found the folder held: another was faster.
const HELD: i32 = 3;

/// Finds the core that holds a home, and brings one up where none does.
#[derive(Debug)]
pub(super) struct Reach {
    home: Home,
    /// The folder that was named, absolute.
    named: Option<PathBuf>,
    client: Option<String>,
}

impl Reach {
    /// Reaches the core of a home (`None`: the platform's folders) in a client's name.
    pub(super) fn of(named: Option<PathBuf>, client: Option<String>) -> Result<Self, HomeError> {
        let home = Home::locate(named.clone())?;
        let named = named.map(|_| home.folder().to_owned());
        Ok(Self {
            home,
            named,
            client,
        })
    }

    /// Finds the core that runs.
    pub(super) fn there(&self) -> Result<Option<Endpoint>, Trouble> {
        match call::endpoint(&self.home, None, self.client.clone()) {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(ClientError::NoCore) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a core runs, for as long as it takes.
    pub(super) async fn wait(&self) -> Endpoint {
        let lookout = Lookout::over(&self.home);
        loop {
            if let Ok(Some(endpoint)) = self.there() {
                return endpoint;
            }
            lookout.next().await;
        }
    }

    /// Waits until a core may have come or gone.
    pub(super) async fn pause(&self) {
        Lookout::over(&self.home).next().await;
    }

    /// Finds the core, and brings one up where none runs. Of many that want to, one does, and all
    /// find it.
    pub(super) async fn core(&self, deadline: Instant) -> Result<Endpoint, Trouble> {
        if let Some(endpoint) = self.there()? {
            return Ok(endpoint);
        }
        self.home.create().map_err(ClientError::Home)?;
        let lookout = Lookout::over(&self.home);
        let turn = Turn::ask(&self.home)?;
        let mut starts = 0;
        loop {
            if let Some(endpoint) = self.there()? {
                return Ok(endpoint);
            }
            if home::holder(&self.home).is_none() && turn.take()? {
                // Whoever had the turn before may have been done between the two looks.
                if let Some(endpoint) = self.there()? {
                    return Ok(endpoint);
                }
                starts += 1;
                match self.bring_up(&lookout, deadline).await {
                    Err(Fallen::Held(_)) if starts < STARTS_MAX => {}
                    Err(Fallen::Held(trouble) | Fallen::For(trouble)) => return Err(trouble),
                    Ok(endpoint) => return Ok(endpoint),
                }
            }
            timeout_at(deadline, lookout.next())
                .await
                .map_err(|_| Trouble::late())?;
        }
    }

    async fn bring_up(&self, lookout: &Lookout, deadline: Instant) -> Result<Endpoint, Fallen> {
        if let Some(program) = desktop::program() {
            let args = ["--hidden", "--needs-display"];
            let started = self.start(&program, &args, Stdio::null());
            let until = deadline.min(Instant::now() + DESKTOP_TIMEOUT);
            if let Ok(child) = started
                && let Some(endpoint) = self.desktop(child, lookout, until).await?
            {
                return Ok(endpoint);
            }
        }
        let program = env::current_exe().map_err(Trouble::from)?;
        let args = ["serve", "--until-unused", "--json"];
        let child = self.start(&program, &args, Stdio::piped());
        self.serve(child.map_err(Trouble::from)?, lookout, deadline)
            .await
    }

    fn start(
        &self,
        program: &std::path::Path,
        args: &[&str],
        stdout: Stdio,
    ) -> std::io::Result<Child> {
        let folder = self.home.folder();
        detached::start(program, args, self.named.as_deref(), folder, stdout)
    }

    /// Waits for a desktop on its way up; nothing where it ended, or takes too long.
    async fn desktop(
        &self,
        mut child: Child,
        lookout: &Lookout,
        until: Instant,
    ) -> Result<Option<Endpoint>, Trouble> {
        let mut other_is_there = false;
        loop {
            if let Some(endpoint) = self.there()? {
                return Ok(Some(endpoint));
            }
            tokio::select! {
                status = child.wait(), if !other_is_there => {
                    // One that ends well has found another desktop of this home on its way.
                    other_is_there = status.is_ok_and(|status| status.success());
                    if !other_is_there && self.there()?.is_none() {
                        return Ok(None);
                    }
                }
                () = lookout.next() => {}
                () = tokio::time::sleep_until(until) => return Ok(None),
            }
        }
    }

    /// Waits for a core on its way up, which says that it is ready, or why it is not.
    async fn serve(
        &self,
        mut child: Child,
        lookout: &Lookout,
        deadline: Instant,
    ) -> Result<Endpoint, Fallen> {
        let said = child.stdout.take().map(first_line);
        let said = async {
            match said {
                Some(said) => said.await,
                None => std::future::pending().await,
            }
        };
        let mut said = std::pin::pin!(said);
        let mut has_spoken = false;
        let mut ended: Option<(Said, Option<i32>)> = None;
        loop {
            if let Some(endpoint) = self.there()? {
                return Ok(endpoint);
            }
            if let Some((said, code)) = &ended {
                // Another was faster, and is on its way up.
                let held = *code == Some(HELD);
                if !held || home::holder(&self.home).is_none() {
                    let trouble = Trouble::not_started(said.clone());
                    return Err(if held {
                        Fallen::Held(trouble)
                    } else {
                        Fallen::For(trouble)
                    });
                }
            }
            tokio::select! {
                line = &mut said, if !has_spoken => {
                    has_spoken = true;
                    let why = serde_json::from_str::<Said>(&line);
                    if why.is_ok() || line.is_empty() {
                        let status = child.wait().await.map_err(Trouble::from)?;
                        let why = why.unwrap_or_else(|_| Said {
                            detail: format!("the core ended at its start ({status})"),
                            remedy: "See why: narthex serve".to_owned(),
                        });
                        ended = Some((why, status.code()));
                    }
                }
                () = lookout.next() => {}
                () = tokio::time::sleep_until(deadline) => return Err(Trouble::late().into()),
            }
        }
    }
}

/// Why no core came up.
enum Fallen {
    /// The home or its address was another's.
    Held(Trouble),
    /// For good.
    For(Trouble),
}

impl From<Trouble> for Fallen {
    fn from(trouble: Trouble) -> Self {
        Self::For(trouble)
    }
}

/// Returns the first line that a core says; an empty one where it says nothing.
async fn first_line(output: ChildStdout) -> String {
    let mut line = String::new();
    // What cannot be read was not said.
    let _ = BufReader::new(output).read_line(&mut line).await;
    line
}
