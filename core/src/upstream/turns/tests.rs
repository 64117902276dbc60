#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::{
    collections::{HashMap, VecDeque},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use proptest::prelude::*;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{advance, timeout},
};

use super::*;

/// Polls a call that waits, once.
fn look<'a>(waiting: &mut Waiting<'a>) -> Poll<Result<Turn<'a>, Full>> {
    let mut context = Context::from_waker(Waker::noop());
    pin!(waiting).poll(&mut context)
}

fn got<'a>(waiting: &mut Waiting<'a>) -> Option<Turn<'a>> {
    match look(waiting) {
        Poll::Ready(turn) => Some(turn.unwrap()),
        Poll::Pending => None,
    }
}

#[test]
fn whoever_finds_a_place_does_not_wait() {
    let turns = Turns::new(2);
    let (a, b) = (turns.take().unwrap(), turns.take().unwrap());
    assert!(turns.take().is_none());
    drop(a);
    let c = turns.take().unwrap();
    assert_eq!(turns.taken(), 2);
    drop((b, c));
    assert_eq!(turns.taken(), 0);
}

#[test]
fn a_thousand_calls_of_one_session_delay_anothers_first_by_one_turn() {
    let turns = Turns::new(1);
    let place = turns.take().unwrap();
    let mut crowd: Vec<_> = (0..1_000).map(|_| turns.wait(1).unwrap()).collect();
    let mut other = turns.wait(2).unwrap();
    assert!(turns.take().is_none(), "the queue goes first");

    drop(place);
    let first = got(&mut crowd[0]).expect("it was there before");
    assert!(got(&mut other).is_none());
    drop(first);
    let second = got(&mut other).expect("it is the other session's turn");
    assert!(got(&mut crowd[1]).is_none());
    drop(second);
    assert!(got(&mut crowd[1]).is_some(), "first come, first served");
}

#[test]
fn where_there_is_no_room_the_longest_line_makes_it() {
    let turns = Turns::with_room(1, 4);
    let place = turns.take().unwrap();
    let mut crowd: Vec<_> = (0..4).map(|_| turns.wait(1).unwrap()).collect();
    assert_eq!(turns.wait(1).unwrap_err(), Full, "its own is the longest");

    let _second = turns.wait(2).unwrap();
    assert_eq!(
        look(&mut crowd[3]).map(|turn| turn.unwrap_err()),
        Poll::Ready(Full)
    );
    let _third = turns.wait(3).unwrap();
    assert_eq!(
        look(&mut crowd[2]).map(|turn| turn.unwrap_err()),
        Poll::Ready(Full)
    );
    assert_eq!(
        turns.wait(2).unwrap_err(),
        Full,
        "no line is longer by more than one"
    );
    assert_eq!(turns.queue().waiting, 4);

    drop(place);
    assert!(got(&mut crowd[0]).is_some());
}

#[test]
fn more_places_are_there_at_once_and_fewer_once_they_come_free() {
    let turns = Turns::new(1);
    let first = turns.take().unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| turns.wait(1).unwrap()).collect();
    turns.set_places(3);
    let second = got(&mut waiting[0]).unwrap();
    let third = got(&mut waiting[1]).unwrap();
    assert!(got(&mut waiting[2]).is_none());
    turns.set_places(1);
    drop((first, second));
    assert!(got(&mut waiting[2]).is_none());
    drop(third);
    assert!(got(&mut waiting[2]).is_some());
}

#[test]
fn a_turn_that_nobody_takes_up_is_the_next_ones() {
    let turns = Turns::new(1);
    let place = turns.take().unwrap();
    let (first, mut second) = (turns.wait(1).unwrap(), turns.wait(1).unwrap());
    drop(place);
    drop(first);
    assert!(got(&mut second).is_some());
    drop(second);
    assert_eq!(turns.taken(), 0);
    assert!(turns.take().is_some(), "nobody waits");
}

#[tokio::test(start_paused = true)]
async fn when_to_come_again_follows_from_the_pace_and_is_never_zero() {
    let ms = Duration::from_millis;
    let turns = Turns::new(2);
    let mut places = VecDeque::from([turns.take().unwrap(), turns.take().unwrap()]);
    assert_eq!(turns.estimate(None), AWAY_UNKNOWN, "nothing is known");
    assert_eq!(turns.estimate(Some(ms(3_000))), ms(1_500));
    assert_eq!(turns.estimate(Some(ms(1))), AWAY.0);

    let mut waiting: VecDeque<_> = (0..19).map(|_| turns.wait(1).unwrap()).collect();
    // One place every 200 ms, with each waiting for it.
    for _ in 0..10 {
        advance(ms(200)).await;
        places.pop_front();
        let mut next = waiting.pop_front().unwrap();
        places.extend(got(&mut next));
    }
    assert_eq!(turns.estimate(Some(ms(1))), ms(200) * 10);
    // A server that then hangs takes as long for each as it has for these.
    advance(ms(10_000)).await;
    assert_eq!(turns.estimate(None), ms(5_000) * 10);
    advance(ms(1_000_000)).await;
    assert_eq!(turns.estimate(None), AWAY.1);

    drop((waiting, places));
    assert_eq!(turns.estimate(None), ms(200), "the pace that was");
}

/// What may happen to turns.
#[derive(Debug, Clone)]
enum Step {
    Arrive(u64),
    GiveBack(usize),
    Leave(usize),
    Look(usize),
    Places(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u64).prop_map(Step::Arrive),
        3 => any::<usize>().prop_map(Step::GiveBack),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => any::<usize>().prop_map(Step::Look),
        1 => (1..4_usize).prop_map(Step::Places),
    ]
}

/// The same, told plainly.
#[derive(Debug)]
struct Model {
    places: usize,
    room: usize,
    /// The calls with a place.
    placed: Vec<usize>,
    round: VecDeque<u64>,
    lines: HashMap<u64, VecDeque<usize>>,
    shed: Vec<usize>,
}

impl Model {
    fn waiting(&self) -> usize {
        self.lines.values().map(VecDeque::len).sum()
    }

    fn arrive(&mut self, session: u64, call: usize) {
        if self.placed.len() < self.places && self.waiting() == 0 {
            return self.placed.push(call);
        }
        if self.waiting() == self.room {
            let own = self.lines.get(&session).map_or(0, VecDeque::len);
            let longest = self.lines.values().map(VecDeque::len).max().unwrap();
            if longest <= own + 1 {
                return self.shed.push(call);
            }
            let of_these = self.lines.iter().filter(|(_, line)| line.len() == longest);
            // Of several, the one with the highest number.
            let session = *of_these.map(|(session, _)| session).max().unwrap();
            let last = self.lines.get_mut(&session).unwrap().pop_back().unwrap();
            self.shed.push(last);
        }
        let line = self.lines.entry(session).or_default();
        if line.is_empty() {
            self.round.push_back(session);
        }
        line.push_back(call);
        self.give();
    }

    fn give(&mut self) {
        while self.placed.len() < self.places {
            let Some(session) = self.round.pop_front() else {
                return;
            };
            let line = self.lines.get_mut(&session).unwrap();
            self.placed.push(line.pop_front().unwrap());
            if !line.is_empty() {
                self.round.push_back(session);
            }
        }
    }

    fn leave(&mut self, call: usize) {
        self.placed.retain(|other| *other != call);
        for line in self.lines.values_mut() {
            line.retain(|other| *other != call);
        }
        let lines = &self.lines;
        self.round.retain(|session| !lines[session].is_empty());
        self.give();
    }
}

/// A call as it is with turns.
enum Stand<'a> {
    Waits(Waiting<'a>, Arc<Woken>),
    Has(#[expect(dead_code, reason = "it is given back when it is dropped")] Turn<'a>),
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

proptest! {
    #[test]
    fn turns_go_as_told_plainly(steps in prop::collection::vec(step(), 1..200)) {
        const ROOM: usize = 8;
        let turns = Turns::with_room(2, ROOM);
        let mut model = Model {
            places: 2,
            room: ROOM,
            placed: Vec::new(),
            round: VecDeque::new(),
            lines: HashMap::new(),
            shed: Vec::new(),
        };
        let mut calls: Vec<(usize, Stand<'_>)> = Vec::new();
        for (call, step) in steps.into_iter().enumerate() {
            match step {
                Step::Arrive(session) => {
                    model.arrive(session, call);
                    let stand = match turns.take() {
                        Some(turn) => Some(Stand::Has(turn)),
                        None => turns.wait(session).ok().map(|it| Stand::Waits(it, Arc::default())),
                    };
                    prop_assert_eq!(stand.is_none(), model.shed.contains(&call));
                    calls.extend(stand.map(|stand| (call, stand)));
                }
                Step::GiveBack(which) => {
                    let have: Vec<_> = (0..calls.len())
                        .filter(|at| matches!(calls[*at].1, Stand::Has(_)))
                        .collect();
                    if !have.is_empty() {
                        let (call, stand) = calls.swap_remove(have[which % have.len()]);
                        drop(stand);
                        model.leave(call);
                    }
                }
                Step::Leave(which) if !calls.is_empty() => {
                    let (call, stand) = calls.swap_remove(which % calls.len());
                    drop(stand);
                    model.leave(call);
                }
                Step::Look(which) if !calls.is_empty() => {
                    let at = which % calls.len();
                    let (call, stand) = &mut calls[at];
                    if let Stand::Waits(waiting, woken) = stand {
                        let waker = Waker::from(Arc::clone(woken));
                        match Pin::new(waiting).poll(&mut Context::from_waker(&waker)) {
                            Poll::Ready(Ok(turn)) => {
                                prop_assert!(model.placed.contains(call));
                                *stand = Stand::Has(turn);
                            }
                            Poll::Ready(Err(Full)) => {
                                prop_assert!(model.shed.contains(call));
                                calls.swap_remove(at);
                            }
                            Poll::Pending => {
                                let waits = model.lines.values().any(|line| line.contains(call));
                                prop_assert!(waits);
                            }
                        }
                    }
                }
                Step::Places(places) => {
                    turns.set_places(places);
                    model.places = places;
                    model.give();
                }
                Step::Leave(_) | Step::Look(_) => {}
            }
            let queue = turns.queue();
            prop_assert_eq!(turns.taken(), model.placed.len());
            prop_assert_eq!(queue.waiting, model.waiting());
            prop_assert_eq!(queue.round.len(), queue.lines.len());
            prop_assert!(queue.waiting == 0 || turns.taken() >= turns.places(), "a place is idle");
            for (call, stand) in &calls {
                let Stand::Waits(waiting, woken) = stand else { continue };
                let settled = queue.settled.get(&waiting.number);
                prop_assert_eq!(settled == Some(&Ok(())), model.placed.contains(call));
                prop_assert_eq!(settled == Some(&Err(Full)), model.shed.contains(call));
                // Whoever looked, and was to wait, was woken when that was over.
                let waker = queue.lines.get(&waiting.session);
                let waker = waker.and_then(|line| line.waiting.get(&waiting.number));
                let looked = Arc::strong_count(woken) > 1 || woken.0.load(Ordering::Relaxed) > 0;
                if looked && settled.is_some() {
                    prop_assert_eq!(woken.0.load(Ordering::Relaxed), 1);
                }
                prop_assert_eq!(waker.is_some(), settled.is_none());
            }
        }
        drop(calls);
        prop_assert_eq!(turns.taken(), 0);
        let queue = turns.queue();
        prop_assert!(queue.settled.is_empty() && queue.lines.is_empty() && queue.round.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost_between_threads() {
    const TASKS: u64 = 16;
    const ROUNDS: usize = 2_000;
    let turns = Arc::new(Turns::new(3));
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (turns, most) = (Arc::clone(&turns), Arc::clone(&most));
        tasks.spawn(async move {
            for round in 0..ROUNDS {
                let turn = match turns.take() {
                    Some(turn) => turn,
                    None => {
                        let mut waiting = turns.wait(task % 5).unwrap();
                        // Some give up after a look, with and without having had their turn.
                        if (round + task as usize).is_multiple_of(7) {
                            drop(look(&mut waiting));
                            continue;
                        }
                        waiting.await.unwrap()
                    }
                };
                most.fetch_max(turns.taken(), Ordering::Relaxed);
                if round % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                drop(turn);
            }
        });
    }
    let all = timeout(Duration::from_secs(120), tasks.join_all()).await;
    all.expect("somebody waits for a place that is free");
    assert_eq!((turns.taken(), turns.queue().waiting), (0, 0));
    assert!(most.load(Ordering::Relaxed) <= 3);
    assert!(turns.take().is_some());
}

#[tokio::test]
async fn whoever_no_longer_waits_leaves_at_once() {
    let turns = Arc::new(Turns::new(1));
    let place = turns.take().unwrap();
    let begun = Arc::new(Notify::new());
    let waiting = tokio::spawn({
        let (turns, begun) = (Arc::clone(&turns), Arc::clone(&begun));
        async move {
            let waiting = turns.wait(1).unwrap();
            begun.notify_one();
            waiting.await.map(|_| ())
        }
    });
    begun.notified().await;
    assert_eq!(turns.queue().waiting, 1);
    waiting.abort();
    waiting.await.unwrap_err();
    assert_eq!(turns.queue().waiting, 0);
    drop(place);
    assert!(turns.take().is_some(), "nobody is waited for");
}
