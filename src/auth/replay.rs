//! Tokens that were used: each is for one call (FAULTS A20, A21).

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Tokens that are remembered at once. A live one is never forgotten for another.
const MOST: usize = 1_000_000;

/// What is remembered of a token: 128 bits of a hash of its issuer and `jti`.
type Mark = [u8; 16];

/// What came of using a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It was not used before.
    First,
    /// It was.
    Again,
    /// That cannot be remembered now.
    Full,
}

/// The tokens that were used and could be used still.
#[derive(Debug, Default)]
pub(super) struct Used(Mutex<Marks>);

#[derive(Debug, Default)]
struct Marks {
    all: HashSet<Mark>,
    until: BTreeMap<u64, Vec<Mark>>,
}

impl Used {
    /// Uses a token that is of no use after `until`, in seconds since 1970 began.
    pub(super) fn take(&self, issuer: &str, jti: &str, until: u64, now: u64) -> Use {
        self.take_of(issuer, jti, until, now, MOST)
    }

    fn take_of(&self, issuer: &str, jti: &str, until: u64, now: u64, most: usize) -> Use {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(over) = marks.until.first_entry().filter(|over| *over.key() < now) {
            for mark in over.remove() {
                marks.all.remove(&mark);
            }
        }
        let mark = mark(issuer, jti);
        if marks.all.contains(&mark) {
            return Use::Again;
        }
        if marks.all.len() >= most {
            return Use::Full;
        }
        marks.all.insert(mark);
        marks.until.entry(until).or_default().push(mark);
        Use::First
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
        let used = Used::default();
        assert_eq!(used.take("a", "1", 100, 50), Use::First);
        assert_eq!(used.take("a", "1", 100, 50), Use::Again);
        assert_eq!(used.take("b", "1", 100, 50), Use::First);
        assert_eq!(used.take("ab", "1", 100, 50), Use::First);
        assert_eq!(used.take("a", "b1", 100, 50), Use::First);
    }

    #[test]
    fn a20_of_two_at_once_exactly_one_is_the_first() {
        let used = Used::default();
        for round in 0..200 {
            let jti = round.to_string();
            let firsts = std::thread::scope(|scope| {
                let each = [(); 4].map(|()| scope.spawn(|| used.take("a", &jti, 100, 50) == Use::First));
                each.map(|one| one.join().unwrap_or(false)).into_iter().filter(|first| *first).count()
            });
            assert_eq!(firsts, 1);
        }
    }

    #[test]
    fn a21_a_live_token_is_never_forgotten_for_another() {
        let used = Used::default();
        for jti in ["1", "2"] {
            assert_eq!(used.take_of("a", jti, 100, 50, 2), Use::First);
        }
        assert_eq!(used.take_of("a", "3", 100, 50, 2), Use::Full);
        assert_eq!(used.take_of("a", "1", 100, 100, 2), Use::Again);
        // Once they are over there is room again.
        assert_eq!(used.take_of("a", "3", 200, 101, 2), Use::First);
        assert_eq!(used.take_of("a", "1", 200, 101, 2), Use::First);
    }
}
