//! Tokens that were used: each is for one call (FAULTS A20, A21).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

/// What is remembered of a token: 128 bits of a hash of its issuer and `jti`.
pub type Mark = [u8; 16];

/// Seconds that a token is remembered at most: a century, which no process outlives.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60;

/// What came of using a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It was not used before.
    First,
    /// It was.
    Again,
    /// That cannot be remembered now.
    Full,
    /// Whether it was cannot be known now.
    Away,
}

/// Where several servers remember together which tokens were used.
pub trait Shared: fmt::Debug + Send + Sync {
    /// Uses a token that is of no use after `until`, in seconds since 1970 began. Of all who use it at once, at whatever
    /// server, one is the first. It resolves within a time that a caller can wait.
    fn take(&self, mark: Mark, until: u64) -> BoxFuture<'static, Use>;
}

/// What remembers for one server, or for all that share it.
#[derive(Debug)]
pub(super) struct Memory {
    used: Used,
    shared: Option<Arc<dyn Shared>>,
}

impl Memory {
    /// One of this process alone, with room for so many tokens.
    pub(super) fn with_room_for(most: usize) -> Self {
        Self { used: Used::with_room_for(most), shared: None }
    }

    /// One that others share.
    pub(super) fn shared(self, shared: Arc<dyn Shared>) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// Uses a token. What was used here is known here, and asked of nobody.
    async fn take(&self, mark: Mark, until: u64) -> Use {
        let Some(shared) = &self.shared else { return self.used.take(mark, until, Moment::now()) };
        match self.used.look(mark, until, Moment::now()) {
            Use::First => {}
            known => return known,
        }
        match shared.take(mark, until).await {
            // What others know of it goes for here too. Room was there a moment ago; where it is not, it is not let in.
            Use::First => self.used.take(mark, until, Moment::now()),
            known => known,
        }
    }
}

/// A token that may be used once.
#[derive(Debug)]
pub(super) struct Unused<'m> {
    memory: &'m Memory,
    mark: Mark,
    until: u64,
}

impl<'m> Unused<'m> {
    /// One that is of no use after `until`, in seconds since 1970 began.
    pub(super) fn of(memory: &'m Memory, issuer: &str, jti: &str, until: u64) -> Self {
        Self { memory, mark: mark(issuer, jti), until }
    }

    /// Whether it was used at this server before. Nobody else is asked.
    pub(super) fn is_known_to_be_used(&self) -> bool {
        self.memory.used.look(self.mark, self.until, Moment::now()) == Use::Again
    }

    /// Uses it.
    pub(super) async fn take(self) -> Use {
        self.memory.take(self.mark, self.until).await
    }
}

/// A moment by two clocks: one says what day it is and may be set, the other only runs.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// Seconds since 1970 began.
    said: u64,
    run: Instant,
}

impl Moment {
    fn now() -> Self {
        Self { said: super::now(), run: Instant::now() }
    }
}

/// The tokens that were used and could be used still. A live one is never forgotten for another.
#[derive(Debug)]
struct Used {
    marks: Mutex<Marks>,
    most: usize,
}

#[derive(Debug, Default)]
struct Marks {
    all: HashSet<Mark>,
    until: BTreeMap<u64, Of>,
    /// The latest end of a token that was forgotten. Of one that ends no later it cannot be known whether it was used.
    forgotten: Option<u64>,
}

/// The tokens that end at one moment.
#[derive(Debug)]
struct Of {
    marks: Vec<Mark>,
    /// When all of them are over by the clock that only runs.
    over: Instant,
}

impl Used {
    /// None yet, with room for so many.
    fn with_room_for(most: usize) -> Self {
        Self { marks: Mutex::default(), most }
    }

    /// Uses a token that is of no use after `until`, in seconds since 1970 began.
    fn take(&self, mark: Mark, until: u64, now: Moment) -> Use {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = marks.look(mark, until, now, self.most);
        if found == Use::First {
            marks.all.insert(mark);
            // A token that lives for longer than a clock can run is never forgotten while this process lives.
            let lives = Duration::from_secs(until.saturating_sub(now.said).min(LONGEST));
            let over = now.run + lives;
            let of = marks.until.entry(until).or_insert_with(|| Of { marks: Vec::new(), over });
            of.marks.push(mark);
            of.over = of.over.max(over);
        }
        found
    }

    /// What would come of using it, which leaves it unused.
    fn look(&self, mark: Mark, until: u64, now: Moment) -> Use {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).look(mark, until, now, self.most)
    }
}

impl Marks {
    /// A token is forgotten once it is over by both clocks: one that was set forward has not made tokens older, and one
    /// that was set back may make them good again (FAULTS A26).
    fn look(&mut self, mark: Mark, until: u64, now: Moment, most: usize) -> Use {
        while let Some(first) = self.until.first_entry().filter(|it| *it.key() < now.said && it.get().over < now.run) {
            self.forgotten = self.forgotten.max(Some(*first.key()));
            for mark in first.remove().marks {
                self.all.remove(&mark);
            }
        }
        if self.all.contains(&mark) || self.forgotten.is_some_and(|forgotten| until <= forgotten) {
            return Use::Again;
        }
        if self.all.len() >= most { Use::Full } else { Use::First }
    }
}

fn mark(issuer: &str, jti: &str) -> Mark {
    let length = (issuer.len() as u64).to_be_bytes();
    let hash = Sha256::new().chain_update(length).chain_update(issuer).chain_update(jti).finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clocks that agree, so many seconds after a beginning.
    fn at(began: Instant, said: u64) -> Moment {
        Moment { said, run: began + Duration::from_secs(said) }
    }

    #[test]
    fn a20_a_token_is_used_once_and_by_its_issuer() {
        let (used, now) = (Used::with_room_for(1000), at(Instant::now(), 50));
        assert_eq!(used.take(mark("a", "1"), 100, now), Use::First);
        assert_eq!(used.take(mark("a", "1"), 100, now), Use::Again);
        assert_eq!(used.take(mark("b", "1"), 100, now), Use::First);
        assert_eq!(used.take(mark("ab", "1"), 100, now), Use::First);
        assert_eq!(used.take(mark("a", "b1"), 100, now), Use::First);
    }

    #[test]
    fn a20_of_two_at_once_exactly_one_is_the_first() {
        let (used, now) = (Used::with_room_for(1000), at(Instant::now(), 50));
        for round in 0..200 {
            let jti = round.to_string();
            let firsts = std::thread::scope(|scope| {
                let each = [(); 4].map(|()| scope.spawn(|| used.take(mark("a", &jti), 100, now) == Use::First));
                each.map(|one| one.join().unwrap_or(false)).into_iter().filter(|first| *first).count()
            });
            assert_eq!(firsts, 1);
        }
    }

    #[test]
    fn a21_a_live_token_is_never_forgotten_for_another() {
        let (used, began) = (Used::with_room_for(2), Instant::now());
        for jti in ["1", "2"] {
            assert_eq!(used.take(mark("a", jti), 100, at(began, 50)), Use::First);
        }
        assert_eq!(used.take(mark("a", "3"), 100, at(began, 50)), Use::Full);
        assert_eq!(used.take(mark("a", "1"), 100, at(began, 100)), Use::Again);
        // Once they are over there is room again.
        assert_eq!(used.take(mark("a", "3"), 200, at(began, 101)), Use::First);
        assert_eq!(used.take(mark("a", "1"), 200, at(began, 101)), Use::First);
    }

    #[test]
    fn a20_what_is_forgotten_is_not_the_first_again_when_a_clock_goes_back() {
        let (used, began) = (Used::with_room_for(1000), Instant::now());
        assert_eq!(used.take(mark("a", "1"), 100, at(began, 50)), Use::First);
        assert_eq!(used.take(mark("a", "2"), 200, at(began, 101)), Use::First);
        assert_eq!(used.take(mark("a", "1"), 100, Moment { said: 99, ..at(began, 102) }), Use::Again);
    }

    #[test]
    fn a26_good_tokens_pass_at_once_after_a_clock_has_jumped_forward_and_back() {
        let (used, began) = (Used::with_room_for(1000), Instant::now());
        assert_eq!(used.take(mark("a", "1"), 100, at(began, 50)), Use::First);
        let ahead = Moment { said: 5000, ..at(began, 51) };
        assert_eq!(used.take(mark("a", "2"), 5100, ahead), Use::First);
        // The clock is right again: what was used stays used, and what was not is good.
        let right = at(began, 52);
        for known in [(mark("a", "1"), 100), (mark("a", "2"), 5100)] {
            assert_eq!(used.take(known.0, known.1, right), Use::Again);
        }
        assert_eq!(used.take(mark("a", "3"), 90, right), Use::First);
        assert_eq!(used.take(mark("a", "4"), 100, right), Use::First);
    }

    #[test]
    fn a26_a_clock_that_stays_back_leaves_what_was_used_used() {
        let (used, began) = (Used::with_room_for(1000), Instant::now());
        assert_eq!(used.take(mark("a", "1"), 100, at(began, 50)), Use::First);
        // Much later, by a clock that was set to an earlier hour.
        let back = Moment { said: 60, ..at(began, 500) };
        assert_eq!(used.take(mark("a", "1"), 100, back), Use::Again);
        assert_eq!(used.take(mark("a", "2"), 160, back), Use::First);
    }
}
