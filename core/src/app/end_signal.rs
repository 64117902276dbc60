use std::io;

/// Hears that the system, or the person at its terminal, wants the end: SIGTERM, SIGINT or Ctrl-C.
#[derive(Debug)]
pub struct EndSignal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    closed: tokio::signal::windows::CtrlClose,
}

impl EndSignal {
    /// Begins to listen. What comes from here on is kept until [`EndSignal::wait`].
    ///
    /// # Errors
    /// When the system refuses a handler.
    #[cfg(unix)]
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Begins to listen. What comes from here on is kept until [`EndSignal::wait`].
    ///
    /// # Errors
    /// When the system refuses a handler.
    #[cfg(windows)]
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_c, ctrl_close};
        Ok(Self {
            interrupt: ctrl_c()?,
            closed: ctrl_close()?,
        })
    }

    /// Waits for the first.
    #[cfg(unix)]
    pub async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the first.
    #[cfg(windows)]
    pub async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.closed.recv() => {}
        }
    }
}
