use std::sync::Arc;

use tokio::time::Instant;

use super::{Backoff, Cause, backoff::NAMED_WAIT_MAX};
use crate::api::wire::{IdleReason, Stage};

/// Where a server's lifecycle is, with only what is true there.
///
/// `E` is what a connected server is reached by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase<E> {
    /// At rest.
    Idle(IdleReason),
    /// On the way up: the `attempt`th in a row.
    Connecting {
        /// From 1.
        attempt: u32,
        /// How far it has come.
        stage: Stage,
        /// When the attempt began.
        since: Instant,
    },
    /// Up.
    Connected {
        /// What it is reached by.
        endpoint: E,
        /// When it came up.
        since: Instant,
        /// Failures in a row before it came up; they count again if it does not last.
        failures: u32,
    },
    /// On the way down; `next` is what follows.
    Disconnecting {
        /// The latest wish.
        next: Next,
    },
    /// Lost, or not come up.
    Error {
        /// Why.
        cause: Arc<Cause>,
        /// Failures in a row.
        failures: u32,
        /// When the next attempt is; `None` when it was given up.
        retry_at: Option<Instant>,
    },
    /// Ended for good.
    Stopped,
}

/// What follows when a connection is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Rest.
    Rest(IdleReason),
    /// Come up again.
    Up,
    /// End.
    Stop,
}

/// What happens to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<E> {
    /// It is wanted up; if it is, it stays as it is.
    WantUp,
    /// It is wanted up afresh: another launch, or a restart.
    WantFresh,
    /// It is wanted at rest.
    WantRest(IdleReason),
    /// It is wanted no more.
    WantStop,
    /// The attempt has come to a stage.
    Reached(Stage),
    /// The attempt succeeded.
    Up(E),
    /// The attempt failed, or the connection was lost.
    Lost(Cause),
    /// The server has forgotten the session that the connection was for.
    Expired,
    /// The time of the next attempt has come.
    TimerFired,
    /// The connection is down, and all it started is gone.
    Closed,
}

/// The one thing the actor must do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Begin an attempt.
    Connect,
    /// Give up the attempt or close the connection, and say [`Input::Closed`].
    Close,
    /// Let go of what is lost without waiting for it, and begin an attempt.
    Reconnect,
    /// Begin another session on the connection that is there.
    Renew,
    /// Let go of what is lost, and say [`Input::TimerFired`] at the time of the next attempt.
    Release,
    /// End.
    Finish,
}

/// What the table needs to know of the world: it reads no clock and throws no dice.
#[derive(Debug, Clone)]
pub struct Circumstances<'a> {
    /// The time.
    pub now: Instant,
    /// How failures are answered.
    pub backoff: &'a Backoff,
    /// The dice, in 0..=1.
    pub jitter: f64,
}

/// How long a connection must hold before it counts as one that lasted (INTERFACE: 10 s).
pub const LASTED: std::time::Duration = std::time::Duration::from_secs(10);

impl<E> Phase<E> {
    /// Moves to the next phase and names the one effect the actor must carry out: the whole
    /// lifecycle, every pair of phase and input.
    pub fn apply(&mut self, input: Input<E>, world: &Circumstances<'_>) -> Option<Effect> {
        use Input as I;
        use Phase as P;
        let connecting = |attempt| P::Connecting {
            attempt,
            stage: Stage::Starting,
            since: world.now,
        };
        let (next, effect) = match (&*self, input) {
            (P::Idle(_), I::WantUp | I::WantFresh) => (connecting(1), Some(Effect::Connect)),
            (P::Idle(_) | P::Error { .. }, I::WantRest(why)) => (P::Idle(why), None),
            (P::Idle(_) | P::Error { .. }, I::WantStop) => (P::Stopped, Some(Effect::Finish)),

            (P::Connecting { attempt, since, .. }, I::Reached(stage)) => (
                P::Connecting {
                    attempt: *attempt,
                    stage,
                    since: *since,
                },
                None,
            ),
            (P::Connecting { attempt, .. }, I::Up(endpoint)) => (
                P::Connected {
                    endpoint,
                    since: world.now,
                    failures: attempt - 1,
                },
                None,
            ),
            (P::Connecting { attempt, .. }, I::Lost(cause)) => Self::failed(*attempt, cause, world),
            (
                P::Connected {
                    since, failures, ..
                },
                I::Lost(cause),
            ) => {
                let lasted = world.now.duration_since(*since) >= LASTED;
                let at_once = cause.retry_after.is_none() && !cause.kind.is_final();
                if at_once && (lasted || *failures == 0) {
                    // The first restart is immediate; a connection that did not last has failed.
                    (
                        connecting(if lasted { 1 } else { 2 }),
                        Some(Effect::Reconnect),
                    )
                } else {
                    Self::failed(if lasted { 1 } else { failures + 1 }, cause, world)
                }
            }

            // Nothing failed, so nothing is counted and nobody waits.
            (P::Connected { failures, .. }, I::Expired) => (
                P::Connecting {
                    attempt: failures + 1,
                    stage: Stage::Initializing,
                    since: world.now,
                },
                Some(Effect::Renew),
            ),

            (P::Connecting { .. } | P::Connected { .. }, I::WantFresh) => {
                (P::Disconnecting { next: Next::Up }, Some(Effect::Close))
            }
            (P::Connecting { .. } | P::Connected { .. }, I::WantRest(why)) => (
                P::Disconnecting {
                    next: Next::Rest(why),
                },
                Some(Effect::Close),
            ),
            (P::Connecting { .. } | P::Connected { .. }, I::WantStop) => {
                (P::Disconnecting { next: Next::Stop }, Some(Effect::Close))
            }

            (P::Disconnecting { .. }, I::WantUp | I::WantFresh) => {
                (P::Disconnecting { next: Next::Up }, None)
            }
            (P::Disconnecting { .. }, I::WantRest(why)) => (
                P::Disconnecting {
                    next: Next::Rest(why),
                },
                None,
            ),
            (P::Disconnecting { .. }, I::WantStop) => (P::Disconnecting { next: Next::Stop }, None),
            (P::Disconnecting { next }, I::Closed) => match next {
                Next::Rest(why) => (P::Idle(*why), None),
                Next::Up => (connecting(1), Some(Effect::Connect)),
                Next::Stop => (P::Stopped, Some(Effect::Finish)),
            },

            (P::Error { .. }, I::WantFresh) => (connecting(1), Some(Effect::Connect)),
            (P::Error { failures, .. }, I::TimerFired) => {
                (connecting(failures + 1), Some(Effect::Connect))
            }

            // What came too late, or says what already holds.
            (P::Idle(_), I::Reached(_) | I::Up(_) | I::Lost(_) | I::TimerFired | I::Closed)
            | (
                P::Idle(_) | P::Connecting { .. } | P::Disconnecting { .. } | P::Error { .. },
                I::Expired,
            )
            | (P::Connecting { .. }, I::WantUp | I::TimerFired | I::Closed)
            | (
                P::Connected { .. },
                I::WantUp | I::Reached(_) | I::Up(_) | I::TimerFired | I::Closed,
            )
            | (P::Disconnecting { .. }, I::Reached(_) | I::Up(_) | I::Lost(_) | I::TimerFired)
            | (P::Error { .. }, I::WantUp | I::Reached(_) | I::Up(_) | I::Lost(_) | I::Closed)
            | (P::Stopped, _) => {
                tracing::debug!(phase = self.label(), "input ignored");
                return None;
            }
        };
        *self = next;
        effect
    }

    fn failed(failures: u32, cause: Cause, world: &Circumstances<'_>) -> (Self, Option<Effect>) {
        let wait = if cause.kind.is_final() {
            None
        } else {
            world.backoff.wait(failures, world.jitter)
        };
        let named = cause.retry_after.unwrap_or_default().min(NAMED_WAIT_MAX);
        let retry_at = wait.map(|wait| world.now + wait.max(named));
        (
            Phase::Error {
                cause: Arc::new(cause),
                failures,
                retry_at,
            },
            Some(Effect::Release),
        )
    }

    /// Returns the phase's word for logs and metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Idle(_) => "idle",
            Self::Connecting { .. } => "connecting",
            Self::Connected { .. } => "connected",
            Self::Disconnecting { .. } => "disconnecting",
            Self::Error { .. } => "error",
            Self::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::server::CauseKind;

    fn world(now: Instant) -> Circumstances<'static> {
        Circumstances {
            now,
            backoff: &Backoff::STDIO,
            jitter: 1.0,
        }
    }

    fn lost() -> Input<()> {
        Input::Lost(Cause::new(CauseKind::Exited, "exited", "look"))
    }

    fn connected(since: Instant, failures: u32) -> Phase<()> {
        Phase::Connected {
            endpoint: (),
            since,
            failures,
        }
    }

    #[test]
    fn a_connection_that_lasted_comes_back_at_once() {
        let start = Instant::now();
        let mut phase = connected(start, 3);
        let effect = phase.apply(lost(), &world(start + LASTED));
        assert_eq!(effect, Some(Effect::Reconnect));
        assert!(matches!(phase, Phase::Connecting { attempt: 1, .. }));
    }

    #[test]
    fn a_crash_loop_is_slowed_down_and_then_given_up() {
        let start = Instant::now();
        let mut phase = connected(start, 0);
        let mut waits = Vec::new();
        for _ in 0..10 {
            match phase.apply(lost(), &world(start)) {
                Some(Effect::Reconnect) => waits.push(0),
                Some(Effect::Release) => {
                    let Phase::Error { retry_at, .. } = &phase else {
                        panic!("an error expected")
                    };
                    let Some(at) = retry_at else { break };
                    waits.push((*at - start).as_millis());
                    phase.apply(Input::TimerFired, &world(start));
                }
                other => panic!("{other:?}"),
            }
            phase.apply(Input::Up(()), &world(start));
        }
        assert_eq!(waits, [0, 1000, 2000, 4000, 8000]);
    }

    #[test]
    fn a_final_cause_is_not_tried_again_until_a_person_wants_it() {
        let now = Instant::now();
        let mut phase: Phase<()> = Phase::Connecting {
            attempt: 1,
            stage: Stage::Starting,
            since: now,
        };
        let cause = Cause::new(CauseKind::CommandNotFound, "not found", "install");
        assert_eq!(
            phase.apply(Input::Lost(cause), &world(now)),
            Some(Effect::Release)
        );
        assert!(matches!(phase, Phase::Error { retry_at: None, .. }));
        assert_eq!(phase.apply(Input::WantUp, &world(now)), None);
        assert_eq!(
            phase.apply(Input::WantFresh, &world(now)),
            Some(Effect::Connect)
        );
    }

    #[test]
    fn the_next_attempt_is_not_before_the_server_wants_it() {
        let now = Instant::now();
        let busy = |seconds| Cause {
            retry_after: Some(Duration::from_secs(seconds)),
            ..Cause::new(CauseKind::HttpStatus, "busy", "wait")
        };
        for (seconds, wait) in [(0, 500), (7, 7_000), (86_400, 300_000)] {
            let mut phase = connected(now, 0);
            let effect = phase.apply(Input::Lost(busy(seconds)), &world(now));
            assert_eq!(effect, Some(Effect::Release));
            let Phase::Error { retry_at, .. } = phase else {
                panic!("an error expected")
            };
            assert_eq!(retry_at, Some(now + Duration::from_millis(wait)));
        }
    }

    #[test]
    fn an_expired_session_is_renewed_and_counts_for_nothing() {
        let now = Instant::now();
        let mut phase = connected(now, 3);
        assert_eq!(
            phase.apply(Input::Expired, &world(now)),
            Some(Effect::Renew)
        );
        assert_eq!(phase.apply(Input::Expired, &world(now)), None);
        assert_eq!(phase.apply(Input::Up(()), &world(now)), None);
        assert_eq!(phase, connected(now, 3));
    }

    #[test]
    fn a_wish_during_the_way_down_waits_for_its_end() {
        let now = Instant::now();
        let mut phase = connected(now, 0);
        assert_eq!(
            phase.apply(Input::WantRest(IdleReason::Disconnected), &world(now)),
            Some(Effect::Close)
        );
        assert_eq!(phase.apply(Input::WantUp, &world(now)), None);
        assert_eq!(
            phase.apply(Input::Closed, &world(now)),
            Some(Effect::Connect)
        );
    }

    fn any_input() -> impl Strategy<Value = Input<()>> {
        prop_oneof![
            Just(Input::WantUp),
            Just(Input::WantFresh),
            Just(Input::WantRest(IdleReason::Disconnected)),
            Just(Input::WantRest(IdleReason::Paused)),
            Just(Input::Reached(Stage::Listing)),
            Just(Input::Up(())),
            Just(lost()),
            Just(Input::Expired),
            Just(Input::TimerFired),
            Just(Input::Closed),
        ]
    }

    proptest! {
        /// Whatever came before, the last wish decides where the machine comes to rest.
        #[test]
        fn the_last_wish_decides(inputs in prop::collection::vec(any_input(), 0..40), up in any::<bool>()) {
            let now = Instant::now();
            let mut phase = Phase::Idle(IdleReason::Asleep);
            for input in inputs {
                phase.apply(input, &world(now));
            }
            phase.apply(if up { Input::WantFresh } else { Input::WantRest(IdleReason::Disconnected) }, &world(now));
            // The world then does what the machine asks for.
            for _ in 0..4 {
                let input = match &phase {
                    Phase::Disconnecting { .. } => Input::Closed,
                    Phase::Connecting { .. } => Input::Up(()),
                    Phase::Idle(_) | Phase::Connected { .. } | Phase::Error { .. } | Phase::Stopped => break,
                };
                phase.apply(input, &world(now));
            }
            if up {
                let is_connected = matches!(phase, Phase::Connected { .. });
                prop_assert!(is_connected);
            } else {
                prop_assert_eq!(phase, Phase::Idle(IdleReason::Disconnected));
            }
        }
    }
}
