use std::{
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, WaitOptions, WaitStatus, wait},
};

use super::{Wakeups, footprint, report};
use crate::process::platform::unix::{
    kin,
    lifeline::{Order, Report},
};

/// How long a server has after its end of input when the core is gone, which closed its pipes.
const CLOSING: Duration = Duration::from_millis(400);

/// How long everything has after SIGTERM when nobody is there to decide. With the time before, a
/// dead core's servers are gone after a second.
const TERMINATING: Duration = Duration::from_millis(600);

/// How long the processes that a server left behind have after SIGTERM. Nobody talks to them any
/// more, and a restart waits for them.
const CLEAN_UP: Duration = Duration::from_millis(500);

/// The first pause before what is still there is killed again. Each death wakes us anyhow; this is
/// for a system that tells us of none, and doubles, so that a process which cannot be killed does
/// not keep the machine awake.
const KILL_AGAIN: Duration = Duration::from_millis(20);

/// One server, from its start until nothing of it is left.
pub(super) struct Watch {
    /// `None` once the core has closed its side.
    lifeline: Option<UnixStream>,
    wakeups: Wakeups,
    server: Pid,
    server_ended: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The server does its work.
    Running,
    /// It has had its end of input.
    Closing { until: Instant },
    /// Everything has had SIGTERM. Without a limit, the core decides what comes next.
    Terminating { until: Option<Instant> },
    /// Everything has had SIGKILL.
    Killing { again: Instant, pause: Duration },
}

impl Watch {
    pub(super) fn new(lifeline: UnixStream, wakeups: Wakeups, server: Pid) -> Self {
        Self {
            lifeline: Some(lifeline),
            wakeups,
            server,
            server_ended: false,
            phase: Phase::Running,
        }
    }

    /// Returns when everything is gone, with the lifeline if the core still holds its side.
    pub(super) fn run(mut self) -> Option<UnixStream> {
        while self.reap_leaves_any() {
            if self.server_ended {
                self.clean_up();
            }
            self.wait();
            if self.wakeups.asked_to_end() {
                self.close();
            }
            self.listen();
            self.move_on(Instant::now());
        }
        self.lifeline
    }

    /// Reaps every child that has ended, and returns whether there are others.
    fn reap_leaves_any(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                // Its number may come again, once it is free.
                Ok(Some((pid, status))) if pid == self.server && !self.server_ended => {
                    self.server_has_ended(status);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return kin::any_left(self.server),
            }
        }
    }

    /// Tells the core at once; what the server has left behind comes after that.
    fn server_has_ended(&mut self, status: WaitStatus) {
        self.server_ended = true;
        if let Some(lifeline) = &self.lifeline {
            let ended = match status.terminating_signal() {
                Some(signal) => Report::Signaled(signal),
                None => Report::Exited(status.exit_status().unwrap_or_default()),
            };
            report(lifeline, ended);
        }
    }

    /// Sees to it that what the server has left behind ends soon.
    fn clean_up(&mut self) {
        let limit = Instant::now() + CLEAN_UP;
        match &mut self.phase {
            Phase::Running | Phase::Closing { .. } => self.terminate(Some(limit)),
            Phase::Terminating {
                until: until @ None,
            } => *until = Some(limit),
            Phase::Terminating { until: Some(_) } | Phase::Killing { .. } => {}
        }
    }

    /// Sleeps until a signal, a word of the core or the end of the phase.
    fn wait(&mut self) {
        let limit = match self.phase {
            Phase::Running => {
                footprint::let_go();
                None
            }
            Phase::Closing { until } => Some(until),
            Phase::Terminating { until } => until,
            Phase::Killing { again, .. } => Some(again),
        };
        let timeout = limit.and_then(|limit| {
            Timespec::try_from(limit.saturating_duration_since(Instant::now())).ok()
        });
        let wakeups = PollFd::from_borrowed_fd(self.wakeups.as_fd(), PollFlags::IN);
        // An interrupted or refused `poll` leads to another look, no more.
        let _ = match &self.lifeline {
            Some(lifeline) => {
                let lifeline = PollFd::from_borrowed_fd(lifeline.as_fd(), PollFlags::IN);
                poll(&mut [wakeups, lifeline], timeout.as_ref())
            }
            None => poll(&mut [wakeups], timeout.as_ref()),
        };
    }

    /// Carries out what the core has said.
    fn listen(&mut self) {
        while let Some(lifeline) = &mut self.lifeline {
            let mut orders = [0; 16];
            match lifeline.read(&mut orders) {
                Ok(count @ 1..) => {
                    for order in orders.iter().take(count) {
                        match Order::decode(*order) {
                            // Once the server has ended, what is left has had SIGTERM already.
                            Some(Order::Terminate) if self.server_ended => {}
                            Some(Order::Terminate) => self.terminate(None),
                            Some(Order::Kill) => self.kill(KILL_AGAIN),
                            None => {}
                        }
                    }
                }
                Err(error) if is_passing(&error) => return,
                Ok(_) | Err(_) => {
                    self.lifeline = None;
                    self.close();
                }
            }
        }
    }

    /// Begins the end that needs nobody to decide: the core is gone, or a person ended the guard.
    fn close(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Closing {
                    until: now + CLOSING,
                }
            }
            Phase::Terminating { until: None } => {
                self.phase = Phase::Terminating {
                    until: Some(now + TERMINATING),
                };
            }
            Phase::Closing { .. }
            | Phase::Terminating { until: Some(_) }
            | Phase::Killing { .. } => {}
        }
    }

    /// Goes to the next, harder phase if this one's time is over.
    fn move_on(&mut self, now: Instant) {
        match self.phase {
            Phase::Closing { until } if until <= now => self.terminate(Some(now + TERMINATING)),
            Phase::Terminating { until: Some(until) } if until <= now => self.kill(KILL_AGAIN),
            // Whoever was forked between a look and the blow has survived it.
            Phase::Killing { again, pause } if again <= now => self.kill(pause.saturating_mul(2)),
            Phase::Killing { pause, .. } => self.kill(pause),
            Phase::Running | Phase::Closing { .. } | Phase::Terminating { .. } => {}
        }
    }

    fn terminate(&mut self, until: Option<Instant>) {
        if let Phase::Killing { .. } = self.phase {
            return;
        }
        kin::signal_descendants(self.server, Signal::TERM);
        self.phase = Phase::Terminating { until };
    }

    fn kill(&mut self, pause: Duration) {
        kin::signal_descendants(self.server, Signal::KILL);
        self.phase = Phase::Killing {
            again: Instant::now() + pause,
            pause,
        };
    }
}

/// Whether the lifeline only has nothing to say at the moment.
fn is_passing(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
    )
}
