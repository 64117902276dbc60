//! The publisher's protocol, `src/view/present.rs`, and the turns of those that wait for a place,
//! `src/upstream/turns.rs`, in every order of steps that threads can take: the files themselves,
//! built from loom's types in place of the ones they have in production.
//!
//! What is modelled, and how:
//! - the mutexes of writers, log and queue, and the state of the turns: loom's own;
//! - `ArcSwap`: a cell under a mutex. It is taken at its word that a load returns what was stored
//!   last and sees all that was written before that store; how it does so is not modelled;
//! - `tokio::sync::watch`: a value with a version and the wakers of those who wait, under a mutex.
//!   It is taken at its word as well: `changed` returns once there is a version not marked as seen.
//!
//! `RUSTFLAGS="--cfg narthex_loom" cargo test -p narthex-core --test loom --release --target-dir target/loom`
#![cfg(narthex_loom)]
#![expect(
    clippy::unwrap_used,
    reason = "what helps a test fails as the test does"
)]

#[path = "../src/view/present.rs"]
mod present;
#[path = "loom/sync.rs"]
mod sync;
#[expect(dead_code, reason = "what is estimated is not modelled")]
#[path = "../src/upstream/turns.rs"]
mod turns;

use std::sync::Arc;

use loom::thread;

use present::{Next, Present, Revised, Step, wait_for};
use sync::block_on;
use turns::Turns;

/// Tries every order in which a thread is interrupted at most so often elsewhere than where it must
/// wait. Bugs of this kind need two (Musuvathi and Qadeer, "Iterative Context Bounding", 2007);
/// without a bound the five take more than six minutes, in which four came to their end and found
/// nothing more.
fn every_order(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(model);
}

/// What the threads share: who has written so far, in order.
#[derive(Debug, Clone)]
struct State {
    revision: u64,
    written: Vec<char>,
}

#[derive(Debug)]
struct Written(u64);

impl Revised for State {
    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Revised for Written {
    fn revision(&self) -> u64 {
        self.0
    }
}

/// The writers' own count of updates goes with it.
type Shared = Arc<Present<State, Written, usize>>;

fn begin(kept_max: usize) -> Shared {
    let first = State {
        revision: 1,
        written: Vec::new(),
    };
    Arc::new(Present::new(first, kept_max, 0))
}

/// One update of as many revisions as `changes` says.
fn write(shared: &Shared, who: char, changes: u64) -> u64 {
    shared.update(|last, updates| {
        *updates += 1;
        let mut next = State::clone(last);
        next.revision += changes;
        next.written.push(who);
        let revisions = last.revision + 1..=next.revision;
        let happenings = revisions.map(|revision| Arc::new(Written(revision)));
        let (revision, happenings) = (next.revision, happenings.collect());
        (Some(Step { next, happenings }), revision)
    })
}

fn now(shared: &Shared) -> Arc<State> {
    shared.current().load_full()
}

/// Follows from `cursor` until `last`, and returns how often a gap was told of.
fn follow(shared: &Shared, mut cursor: u64, last: u64) -> usize {
    let (mut revisions, mut gaps) = (shared.revisions(), 0);
    while cursor < last {
        let before = cursor;
        match block_on(shared.next(&mut cursor, &mut revisions)) {
            Next::Happening(written) => assert_eq!(written.0, before + 1, "lost in silence"),
            Next::Gap(revision) => {
                assert!(revision > before + 1, "a gap where nothing is missing");
                gaps += 1;
            }
        }
        assert!(now(shared).revision >= cursor, "told before it was stored");
    }
    gaps
}

#[test]
fn whoever_is_told_of_a_revision_reads_at_least_that() {
    every_order(|| {
        let shared = begin(8);
        let mut revisions = shared.revisions();
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                write(&shared, 'a', 1);
                write(&shared, 'a', 2);
            })
        };
        let mut told = revisions.borrow_and_update();
        while told < 4 {
            block_on(revisions.changed()).unwrap();
            told = revisions.borrow_and_update();
            assert!(now(&shared).revision >= told);
        }
        writer.join().unwrap();
    });
}

#[test]
fn whoever_waits_for_something_is_woken_by_it() {
    every_order(|| {
        let shared = begin(8);
        let writers = ['a', 'b'].map(|who| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared, who, 1))
        });
        let look = || Some(now(&shared).written.clone()).filter(|written| written.len() == 2);
        let written = block_on(wait_for(&mut shared.revisions(), look));
        assert!(written == ['a', 'b'] || written == ['b', 'a']);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn two_writers_lose_nothing_and_share_no_revision() {
    every_order(|| {
        let shared = begin(8);
        let writers = ['a', 'b'].map(|who| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared, who, 2))
        });
        assert_eq!(follow(&shared, 1, 5), 0);
        let mut revisions = writers.map(|writer| writer.join().unwrap());
        revisions.sort_unstable();
        assert_eq!((revisions, now(&shared).revision), ([3, 5], 5));
        let updates = shared.update(|_, updates| (None, *updates));
        assert_eq!(updates, 2);
    });
}

#[test]
fn one_who_falls_behind_is_told_so() {
    every_order(|| {
        let shared = begin(2);
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for _ in 0..3 {
                    write(&shared, 'a', 1);
                }
            })
        };
        assert!(follow(&shared, 1, 4) <= 1);
        writer.join().unwrap();
    });
}

#[test]
fn one_who_begins_from_the_present_misses_nothing_since() {
    every_order(|| {
        let shared = begin(8);
        let writers = ['a', 'b'].map(|who| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(&shared, who, 1))
        });
        let first = now(&shared);
        assert_eq!(follow(&shared, first.revision, 3), 0);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

/// Takes a place, waiting if it must, and gives it back; at no time are more taken than there are.
fn pass(turns: &Turns, session: u64, most: usize) {
    let turn = turns.take().unwrap_or_else(|| {
        let waiting = turns.wait(session).unwrap();
        block_on(waiting).unwrap()
    });
    assert!(turns.taken() <= most);
    drop(turn);
}

#[test]
fn whoever_waits_for_a_place_gets_it() {
    every_order(|| {
        let turns = Arc::new(Turns::new(1));
        let others = [1, 2].map(|session| {
            let turns = Arc::clone(&turns);
            thread::spawn(move || pass(&turns, session, 1))
        });
        pass(&turns, 3, 1);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(turns.taken(), 0);
        assert!(turns.take().is_some(), "nobody waits any more");
    });
}

#[test]
fn a_place_of_one_that_leaves_is_not_lost() {
    every_order(|| {
        let turns = Arc::new(Turns::new(1));
        let leaving = {
            let turns = Arc::clone(&turns);
            // It goes without looking, whether it has had its turn or not.
            thread::spawn(move || match turns.take() {
                Some(turn) => drop(turn),
                None => drop(turns.wait(1).unwrap()),
            })
        };
        let other = {
            let turns = Arc::clone(&turns);
            thread::spawn(move || pass(&turns, 2, 1))
        };
        pass(&turns, 3, 1);
        leaving.join().unwrap();
        other.join().unwrap();
        assert_eq!(turns.taken(), 0);
        assert!(turns.take().is_some(), "nobody waits any more");
    });
}

#[test]
fn another_place_reaches_whoever_waits_for_it() {
    every_order(|| {
        let turns = Arc::new(Turns::new(1));
        let kept = turns.take().unwrap();
        let other = {
            let turns = Arc::clone(&turns);
            thread::spawn(move || pass(&turns, 1, 2))
        };
        turns.set_places(2);
        other.join().unwrap();
        drop(kept);
        assert_eq!(turns.taken(), 0);
    });
}
