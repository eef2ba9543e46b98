//! How many calls are worked on at once: what is worked on keeps the next one waiting, even for being told to come again.
//!
//! A call that waits for an EHR keeps its place and is not worked on: it takes memory, and no time of anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::problem::Problem;
use crate::gather::learned::{MemberQuery, MemberReply, Query, Reply, Source};
use crate::gather::live::Live;

/// The work of all calls.
#[derive(Debug)]
pub(super) struct Work {
    most: usize,
    now: AtomicUsize,
}

impl Work {
    /// None yet, and so many calls of it at most.
    pub(super) fn of(most: usize) -> Arc<Self> {
        Arc::new(Self { most, now: AtomicUsize::new(0) })
    }

    /// Whether no other call could begin now.
    pub(super) fn is_full(&self) -> bool {
        self.now.load(Ordering::Relaxed) >= self.most
    }

    /// Begins one more.
    ///
    /// # Errors
    /// [`Problem::Busy`]
    pub(super) fn begin(self: &Arc<Self>) -> Result<Begun, Problem> {
        let more = |now| (now < self.most).then_some(now + 1);
        match self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Begun(self.clone())),
            Err(_) => Err(Problem::Busy),
        }
    }
}

/// A call that is worked on, until it is gone.
#[derive(Debug)]
pub(super) struct Begun(Arc<Work>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that is not worked on for a while. Then it is again, however many there are: it is nearly answered.
struct Rests<'w>(&'w Work);

impl<'w> Rests<'w> {
    fn from(begun: &'w Begun) -> Self {
        begun.0.now.fetch_sub(1, Ordering::Relaxed);
        Self(&begun.0)
    }
}

impl Drop for Rests<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_add(1, Ordering::Relaxed);
    }
}

/// A source whose call rests while the EHR is asked.
pub(super) struct Resting<'w> {
    pub(super) live: Live<'w>,
    pub(super) begun: &'w Begun,
}

impl Source for Resting<'_> {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        let asking = self.live.ask(queries);
        async move {
            let _rests = Rests::from(self.begun);
            asking.await
        }
        .boxed()
    }

    fn can_ask(&self) -> bool {
        self.live.can_ask()
    }

    fn member<'s>(&'s self, query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        self.live.member(query)
    }

    fn has_members(&self) -> bool {
        self.live.has_members()
    }

    fn address(&self) -> Option<&str> {
        self.live.address()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn t15_who_rests_makes_place_and_works_again_however_many_there_are() {
        let work = Work::of(1);
        let first = work.begin().unwrap();
        assert!(work.is_full());
        assert_eq!(work.begin().unwrap_err(), Problem::Busy);
        let rests = Rests::from(&first);
        let second = work.begin().unwrap();
        drop(rests);
        drop(second);
        // The first one is worked on again.
        assert!(work.is_full());
        drop(first);
        assert!(!work.is_full());
        assert_eq!(work.now.load(Ordering::Relaxed), 0);
    }
}
