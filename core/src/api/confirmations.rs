//! Approvals that were asked for from a terminal while a window is there: each waits until the
//! person at the window says yes or no, for five minutes at most.

mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Answer,
    wire::{Accepted, Approval, Confirmation, ProblemDetails, WhyDeclined},
};
use crate::{
    server::ServerName,
    supervisor::{CommandError, Handle, Order},
    view::Publisher,
};
use waiting::{Asked, Waiting};

/// What waits for a person's answer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Confirmations {
    waiting: Arc<Mutex<Waiting>>,
    shown: watch::Sender<Arc<[Confirmation]>>,
    publisher: Arc<Publisher>,
    supervisor: Handle,
}

impl Confirmations {
    /// Nothing waits yet. What is decided goes to `supervisor`, and what is not to `publisher`.
    pub fn new(publisher: Arc<Publisher>, supervisor: Handle) -> Self {
        Self {
            waiting: Arc::default(),
            shown: watch::Sender::new(Arc::new([])),
            publisher,
            supervisor,
        }
    }

    /// Follows what waits, the oldest first: the whole list, at each change.
    pub fn shown(&self) -> watch::Receiver<Arc<[Confirmation]>> {
        self.shown.subscribe()
    }

    /// Has an approval wait for an answer; returns the id of the command. What would be refused as
    /// things stand is refused at once, and what waits already is not asked twice.
    pub(super) async fn ask(&self, server: ServerName, approval: Approval) -> Answer<Arc<str>> {
        let command = self
            .supervisor
            .propose(server.clone(), approval.clone())
            .await?;
        let view = self.publisher.view();
        let Some(shown) = view.read(|now| now.server(server.as_str()).map(|it| it.wire(view)))
        else {
            return Err(CommandError::NotFound(server).into());
        };
        let now = Instant::now();
        let confirmation = Confirmation {
            command: command.to_string(),
            server: shown,
            approval,
            since: view.time_of(now),
        };
        let asked = Asked {
            command,
            server,
            confirmation,
        };
        let mut waiting = self.lock();
        let command = waiting.ask(asked, now).ok_or(CommandError::Busy)?;
        self.show(&waiting);
        Ok(command)
    }

    /// Takes the person's answer. On yes the approval is decided as things stand.
    ///
    /// # Errors
    /// When nothing of this id waits, or what was shown has moved on.
    pub async fn answer(&self, command: &str, approve: bool) -> Answer<Option<Accepted>> {
        let asked = {
            let mut waiting = self.lock();
            let asked = waiting.take(command).ok_or_else(nothing_waits)?;
            self.show(&waiting);
            asked
        };
        if !approve {
            self.decline(&asked, WhyDeclined::AnsweredNo);
            return Ok(None);
        }
        let order = Order::Approve {
            server: asked.server.clone(),
            approval: asked.confirmation.approval.clone(),
            command: Some(Arc::clone(&asked.command)),
        };
        match self.supervisor.order(order).await {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error) => {
                self.decline(&asked, WhyDeclined::MovedOn);
                Err(error.into())
            }
        }
    }

    /// Declines what nobody answers in time, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut changes = self.shown();
        loop {
            changes.borrow_and_update();
            let next = self.lock().next_deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Ok(()) = changes.changed() => {}
                () = due(next) => self.decline_overdue(Instant::now()),
            }
        }
    }

    fn decline_overdue(&self, now: Instant) {
        let overdue = {
            let mut waiting = self.lock();
            let overdue = waiting.take_overdue(now);
            self.show(&waiting);
            overdue
        };
        for asked in overdue {
            self.decline(&asked, WhyDeclined::NotAnswered);
        }
    }

    fn decline(&self, asked: &Asked, why: WhyDeclined) {
        tracing::info!(command = %asked.command, server = %asked.server, ?why, "approval declined");
        self.publisher
            .update(|draft| draft.declined(&asked.server, why, &asked.command));
    }

    /// Shows what waits, while it is held, so that an older list never replaces a newer one.
    fn show(&self, waiting: &Waiting) {
        self.shown.send_replace(waiting.shown());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn nothing_waits() -> Box<ProblemDetails> {
    ProblemDetails::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "this approval does not wait any more",
        "Ask for it again: narthex approve NAME",
    )
}

#[cfg(test)]
mod tests {
    use tokio::sync::{Notify, mpsc};

    use super::{waiting::tests::asked, *};
    use crate::{
        metrics::Metrics,
        view::{Change, Subscriber, Told},
    };

    #[tokio::test(start_paused = true)]
    async fn what_nobody_answers_is_declined_in_its_time() {
        let metrics = Metrics::new();
        let publisher = Arc::new(Publisher::new("i".to_owned(), metrics.view()));
        let (mut events, _) = Subscriber::from_now(publisher.view().clone());
        let (orders, _inbox) = mpsc::channel(1);
        let supervisor = Handle::new(orders, Arc::new(Notify::new()), metrics);
        let confirmations = Confirmations::new(publisher, supervisor);
        let stop = CancellationToken::new();
        let running = tokio::spawn(confirmations.clone().run(stop.clone()));
        let begun = Instant::now();
        {
            let mut waiting = confirmations.lock();
            waiting.ask(asked("c1", "a", "1"), begun).unwrap();
            confirmations.show(&waiting);
        }

        let Told::Happening(told) = events.next().await else {
            panic!("nothing was missed")
        };

        assert_eq!(told.command.as_deref(), Some("c1"));
        let Change::Declined(server, why) = &told.change else {
            panic!("{told:?}")
        };
        assert_eq!((server.as_str(), *why), ("a", WhyDeclined::NotAnswered));
        assert_eq!(begun.elapsed().as_secs(), 5 * 60);
        assert!(confirmations.shown().borrow().is_empty());
        stop.cancel();
        running.await.unwrap();
    }
}
