//! Answers a request that is sent twice at once one time, and gives both callers the same bytes (FAULTS H20).

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use foldhash::quality::RandomState;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use uuid::Uuid;

use super::invoke::Outcome;
use crate::auth::Caller;

type Answering = Shared<BoxFuture<'static, Outcome>>;

/// A service, a caller, and a body's hash: bodies that have it in common are compared, and others need not be looked at. What
/// one caller is answered is never another's; the token of the EHR stands in the body.
type Key = (&'static str, Caller, u64);

type InFlight = HashMap<Key, Vec<Waited>>;

/// An answer on its way, the call that it is recorded under, and how many wait for it.
struct Waited {
    body: Bytes,
    call: Uuid,
    answering: Answering,
    waiting: usize,
}

/// What a call is told.
pub(super) struct Told {
    /// The call that the answer is recorded under: whoever joins it is told this one, so that it can be looked up.
    pub(super) call: Uuid,
    /// Whether the answer was on its way for another call.
    pub(super) joined: bool,
    /// The answer, or why there is none.
    pub(super) outcome: Outcome,
}

/// The requests that are being answered now: no more than there are places for calls.
#[derive(Clone, Default)]
pub(super) struct Once {
    in_flight: Arc<Mutex<InFlight>>,
    hashing: RandomState,
}

impl Once {
    /// Joins the answer to the same bytes that is on its way, or starts it.
    pub(super) async fn answer(
        &self,
        service: &'static str,
        caller: &Caller,
        (call, body): (Uuid, Bytes),
        start: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Told {
        let key = (service, caller.clone(), self.hashing.hash_one(&body));
        let (under, answering) = {
            let mut all = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            let same_hash = all.entry(key.clone()).or_default();
            match same_hash.iter_mut().find(|other| other.body == body) {
                Some(same) => {
                    same.waiting += 1;
                    (same.call, same.answering.clone())
                }
                None => {
                    let answering = start().shared();
                    same_hash.push(Waited { body: body.clone(), call, answering: answering.clone(), waiting: 1 });
                    (call, answering)
                }
            }
        };
        let _leaving = Leaving { once: self, key, body };
        Told { call: under, joined: under != call, outcome: answering.await }
    }

    fn leave(&self, key: &Key, body: &Bytes) {
        let mut all = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same_hash) = all.get_mut(key) {
            if let Some(same) = same_hash.iter_mut().find(|other| other.body == *body) {
                same.waiting -= 1;
            }
            same_hash.retain(|other| other.waiting > 0);
            if same_hash.is_empty() {
                all.remove(key);
            }
        }
    }
}

/// Takes a caller off the list when its answer is there, or when it hangs up; the last one takes the request with it.
struct Leaving<'o> {
    once: &'o Once,
    key: Key,
    body: Bytes,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.once.leave(&self.key, &self.body);
    }
}
