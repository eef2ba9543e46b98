//! Answers a request that is sent twice at once one time, and gives both callers the same bytes (FAULTS H20).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::invoke::Outcome;

type Answering = Shared<BoxFuture<'static, Outcome>>;

/// A service, a client and a length of body: bodies of one length that differ do so in their first bytes. What one client
/// is answered is never another's.
type Key = (&'static str, String, String, usize);

type InFlight = HashMap<Key, Vec<Waited>>;

/// An answer on its way, and how many wait for it.
struct Waited {
    body: Bytes,
    answering: Answering,
    waiting: usize,
}

/// The requests that are being answered now.
#[derive(Clone, Default)]
pub(super) struct Once(Arc<Mutex<InFlight>>);

impl Once {
    /// Joins the answer to the same bytes that is on its way, or starts it.
    pub(super) async fn answer(
        &self,
        service: &'static str,
        (client, tenant): (&str, &str),
        body: Bytes,
        start: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Outcome {
        let key = (service, client.to_owned(), tenant.to_owned(), body.len());
        let answering = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let same_length = all.entry(key.clone()).or_default();
            match same_length.iter_mut().find(|other| other.body == body) {
                Some(same) => {
                    same.waiting += 1;
                    same.answering.clone()
                }
                None => {
                    let answering = start().shared();
                    same_length.push(Waited { body: body.clone(), answering: answering.clone(), waiting: 1 });
                    answering
                }
            }
        };
        let _leaving = Leaving { once: self, key, body };
        answering.await
    }

    fn leave(&self, key: &Key, body: &Bytes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same_length) = all.get_mut(key) {
            if let Some(same) = same_length.iter_mut().find(|other| other.body == *body) {
                same.waiting -= 1;
            }
            same_length.retain(|other| other.waiting > 0);
            if same_length.is_empty() {
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
