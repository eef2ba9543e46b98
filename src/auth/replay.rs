//! Tokens that were used: each is for one call (FAULTS A20, A21).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

/// What is remembered of a token: 128 bits of a hash of its issuer and `jti`.
pub type Mark = [u8; 16];

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
    pub(super) async fn take(&self, issuer: &str, jti: &str, until: u64, now: u64) -> Use {
        let mark = mark(issuer, jti);
        let Some(shared) = &self.shared else { return self.used.take(mark, until, now) };
        match self.used.look(mark, until, now) {
            Use::First => {}
            known => return known,
        }
        match shared.take(mark, until).await {
            // What others know of it goes for here too. Room was there a moment ago; where it is not, it is not let in.
            Use::First => self.used.take(mark, until, now),
            known => known,
        }
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
    until: BTreeMap<u64, Vec<Mark>>,
    /// The latest that it was: what was of no use after an earlier moment is forgotten, whatever clocks say now.
    latest: u64,
}

impl Used {
    /// None yet, with room for so many.
    fn with_room_for(most: usize) -> Self {
        Self { marks: Mutex::default(), most }
    }

    /// Uses a token that is of no use after `until`, in seconds since 1970 began.
    fn take(&self, mark: Mark, until: u64, now: u64) -> Use {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = marks.look(mark, until, now, self.most);
        if found == Use::First {
            marks.all.insert(mark);
            marks.until.entry(until).or_default().push(mark);
        }
        found
    }

    /// What would come of using it, which leaves it unused.
    fn look(&self, mark: Mark, until: u64, now: u64) -> Use {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).look(mark, until, now, self.most)
    }
}

impl Marks {
    fn look(&mut self, mark: Mark, until: u64, now: u64, most: usize) -> Use {
        self.latest = self.latest.max(now);
        let latest = self.latest;
        if until < latest {
            return Use::Again;
        }
        while let Some(over) = self.until.first_entry().filter(|over| *over.key() < latest) {
            for mark in over.remove() {
                self.all.remove(&mark);
            }
        }
        if self.all.contains(&mark) {
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

    #[test]
    fn a20_a_token_is_used_once_and_by_its_issuer() {
        let used = Used::with_room_for(1000);
        assert_eq!(used.take(mark("a", "1"), 100, 50), Use::First);
        assert_eq!(used.take(mark("a", "1"), 100, 50), Use::Again);
        assert_eq!(used.take(mark("b", "1"), 100, 50), Use::First);
        assert_eq!(used.take(mark("ab", "1"), 100, 50), Use::First);
        assert_eq!(used.take(mark("a", "b1"), 100, 50), Use::First);
    }

    #[test]
    fn a20_of_two_at_once_exactly_one_is_the_first() {
        let used = Used::with_room_for(1000);
        for round in 0..200 {
            let jti = round.to_string();
            let firsts = std::thread::scope(|scope| {
                let each = [(); 4].map(|()| scope.spawn(|| used.take(mark("a", &jti), 100, 50) == Use::First));
                each.map(|one| one.join().unwrap_or(false)).into_iter().filter(|first| *first).count()
            });
            assert_eq!(firsts, 1);
        }
    }

    #[test]
    fn a21_a_live_token_is_never_forgotten_for_another() {
        let used = Used::with_room_for(2);
        for jti in ["1", "2"] {
            assert_eq!(used.take(mark("a", jti), 100, 50), Use::First);
        }
        assert_eq!(used.take(mark("a", "3"), 100, 50), Use::Full);
        assert_eq!(used.take(mark("a", "1"), 100, 100), Use::Again);
        // Once they are over there is room again.
        assert_eq!(used.take(mark("a", "3"), 200, 101), Use::First);
        assert_eq!(used.take(mark("a", "1"), 200, 101), Use::First);
    }

    #[test]
    fn a20_what_is_forgotten_is_not_the_first_again_when_a_clock_goes_back() {
        let used = Used::with_room_for(1000);
        assert_eq!(used.take(mark("a", "1"), 100, 50), Use::First);
        assert_eq!(used.take(mark("a", "2"), 200, 101), Use::First);
        assert_eq!(used.take(mark("a", "1"), 100, 99), Use::Again);
    }
}
