use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::company::Company;

/// How much is read before others have their turn, in bytes: some ten microseconds of our one
/// worker's time.
const TURN: usize = 128 * 1024;

/// From here on a message is long, in bytes. Most results that large are pictures, of which few are
/// larger.
const LONG: usize = 4 * 1024 * 1024;

/// How fast a long message is read while others call, in bytes a second: the longest allowed takes two
/// seconds, and some two hundredths of the time of our one worker.
const RATE: usize = 32 * 1024 * 1024;

/// Waits shorter than this are put off: a timer is not worth less.
const WAIT_MIN: Duration = Duration::from_millis(5);

/// For how long others are thought to go on that have just called.
const COMPANY: Duration = Duration::from_secs(1);

/// In which portions the messages of one server are read. What is long is read no further for a moment
/// while clients call other servers: its pipe fills up, it waits, and nobody else is held up by it.
#[derive(Debug)]
pub(super) struct Portions {
    company: Arc<Company>,
    /// The bytes that came in this turn.
    turn: usize,
    /// The bytes that have come of a message that has not ended.
    message: usize,
    /// What was last known of others' calls.
    others: u64,
    /// Until when others are thought to call.
    company_until: Instant,
}

impl Portions {
    /// Begins with nothing read.
    pub(super) fn new(company: &Arc<Company>) -> Self {
        let now = Instant::now();
        Self {
            turn: 0,
            message: 0,
            others: company.others(),
            company_until: now,
            company: Arc::clone(company),
        }
    }

    /// Takes note of bytes of a message that has not ended.
    pub(super) const fn came(&mut self, bytes: usize) {
        self.turn += bytes;
        self.message += bytes;
    }

    /// Takes note of the end of a message.
    pub(super) const fn ended(&mut self) {
        self.message = 0;
    }

    /// Lets others have their turn once so much was read, and waits if a message is long and others
    /// call. Cancel-safe.
    pub(super) async fn rest(&mut self) {
        if self.turn < TURN {
            return;
        }
        let turn = std::mem::take(&mut self.turn);
        let now = Instant::now();
        match self.paid_at(turn, now) {
            Some(paid_at) if paid_at > now + WAIT_MIN => sleep_until(paid_at).await,
            Some(_) | None => tokio::task::yield_now().await,
        }
    }

    /// Puts what came in a turn to the account, where a message is long and others call; returns when
    /// it is paid for.
    fn paid_at(&mut self, turn: usize, now: Instant) -> Option<Instant> {
        let others = self.company.others();
        let called = std::mem::replace(&mut self.others, others) != others;
        if self.message <= LONG {
            return None;
        }
        if called {
            self.company_until = now + COMPANY;
        }
        if now >= self.company_until {
            return None;
        }
        let micros = turn as u64 * 1_000_000 / RATE as u64;
        Some(self.company.pay(Duration::from_micros(micros), now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Two servers that nobody else knows of.
    fn two() -> [Arc<Company>; 2] {
        let all = Box::leak(Box::new(AtomicU64::new(0)));
        [Company::among(all), Company::among(all)].map(Arc::new)
    }

    /// Reads a message of so many bytes; `meanwhile` happens after each turn. Returns how long it took.
    async fn read(portions: &mut Portions, bytes: usize, meanwhile: impl Fn()) -> Duration {
        let started = Instant::now();
        for _ in 0..bytes / TURN {
            portions.came(TURN);
            portions.rest().await;
            meanwhile();
        }
        portions.ended();
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_message_waits_while_others_call() {
        let [own, other] = two();
        let mut portions = Portions::new(&own);
        let took = read(&mut portions, LONG + RATE, || other.called()).await;
        let second = Duration::from_secs(1);
        assert!(
            took > second * 9 / 10 && took < second * 11 / 10,
            "{took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn alone_it_waits_for_nothing() {
        let [own, other] = two();
        let mut portions = Portions::new(&own);
        // What others did before does not count, and what it is asked itself does not either.
        other.called();
        let took = read(&mut portions, 2 * RATE, || own.called()).await;
        assert_eq!(took, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_long_waits_for_nothing_however_much_it_is() {
        let [own, other] = two();
        let mut portions = Portions::new(&own);
        let mut took = Duration::ZERO;
        for _ in 0..100 {
            took += read(&mut portions, LONG, || other.called()).await;
        }
        assert_eq!(took, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_at_full_speed_when_the_others_have_ended() {
        let [own, other] = two();
        let mut portions = Portions::new(&own);
        portions.came(LONG + TURN);
        portions.rest().await;
        other.called();
        let started = Instant::now();
        let mut turns = 0;
        while started.elapsed() < COMPANY {
            portions.came(TURN);
            portions.rest().await;
            turns += 1;
        }
        assert!(turns * TURN < 2 * RATE, "{turns} turns in a second");
        assert_eq!(
            read(&mut portions, RATE, || ()).await,
            Duration::ZERO,
            "nobody has called for a second"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn two_long_messages_of_one_server_share_its_pace() {
        let [own, other] = two();
        let mut each = [Portions::new(&own), Portions::new(&own)];
        let [first, second] = &mut each;
        let started = Instant::now();
        tokio::join!(
            read(first, LONG + RATE, || other.called()),
            read(second, LONG + RATE, || other.called()),
        );
        let (took, seconds) = (started.elapsed(), Duration::from_secs(2));
        assert!(
            took > seconds * 9 / 10 && took < seconds * 11 / 10,
            "{took:?}"
        );
    }

    #[tokio::test]
    async fn others_have_their_turn() {
        let [own, _] = two();
        let mut portions = Portions::new(&own);
        let (say, mut heard) = tokio::sync::oneshot::channel();
        tokio::spawn(async move { say.send(()) });
        portions.came(TURN - 1);
        portions.rest().await;
        assert!(heard.try_recv().is_err(), "the turn is not over");
        portions.came(1);
        portions.rest().await;
        assert!(heard.try_recv().is_ok());
    }
}
