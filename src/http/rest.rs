//! A rest for connections that were told to come again and come at once: what it takes to tell them is taken from those
//! who are answered.
//!
//! It ends when they may come by what they were told. Nobody rests while there is a place, or while few are told, and a
//! proxy never does: who calls next by its connection may be another.

use std::cell::Cell;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;

use super::problem::{AGAIN, Problem};
use super::{App, proxy};

/// So many calls a worker tells to come again in a second, and nobody rests: that takes a fiftieth of its time.
const UNRESTED: u32 = 1000;

/// How many calls a worker has told to come again in this second, and in the one before; each worker has its own.
#[derive(Debug, Default)]
pub(super) struct Told(Cell<Seconds>);

#[derive(Debug, Clone, Copy, Default)]
struct Seconds {
    began: Option<Instant>,
    now: u32,
    before: u32,
}

impl Seconds {
    /// One more: whether there are too many.
    fn one(&mut self, at: Instant) -> bool {
        let age = self.began.map_or(Duration::MAX, |began| at.saturating_duration_since(began));
        if age >= AGAIN {
            let before = if age < 2 * AGAIN { self.now } else { 0 };
            *self = Self { began: Some(at), now: 0, before };
        }
        self.now += 1;
        self.now.max(self.before) > UNRESTED
    }
}

/// Until when a connection is to rest, and until when it last had to.
#[derive(Debug, Default)]
pub(super) struct Rest {
    until: Cell<Option<Instant>>,
    rested: Cell<Option<Instant>>,
}

impl Rest {
    /// It was told to come again. Who came at once just before will do so again, be they ever so few by now for resting.
    fn told(&self, seconds: &mut Seconds, at: Instant) {
        let came_at_once = self.rested.take().is_some_and(|until| at.saturating_duration_since(until) < AGAIN);
        let rests = seconds.one(at) || came_at_once;
        self.until.set(if rests { at.checked_add(AGAIN) } else { None });
    }

    /// It comes: until when it rests.
    fn until(&self, at: Instant) -> Option<Instant> {
        let until = self.until.take().filter(|until| *until > at);
        self.rested.set(until);
        until
    }
}

/// The connection of a call is told to come again.
pub(super) fn told(request: &HttpRequest) -> Problem {
    if let (Some(Told(told)), Some(rest)) = (request.app_data::<Told>(), request.conn_data::<Rest>()) {
        let mut seconds = told.get();
        rest.told(&mut seconds, Instant::now());
        told.set(seconds);
    }
    Problem::Busy
}

/// Lasts until the connection of a call has rested.
pub(super) async fn taken(app: &App, request: &HttpRequest) {
    if proxy::is_one(app, request) {
        return;
    }
    if let Some(until) = request.conn_data::<Rest>().and_then(|rest| rest.until(Instant::now())) {
        tokio::time::sleep_until(until.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Rest, Seconds, UNRESTED};

    /// A worker that tells so many within a millisecond.
    fn after(calls: u32, at: Instant) -> Seconds {
        let mut seconds = Seconds::default();
        (0..calls).for_each(|_| _ = seconds.one(at));
        seconds
    }

    #[test]
    fn t15_nobody_rests_where_few_are_told_to_come_again() {
        let (began, rest) = (Instant::now(), Rest::default());
        let mut seconds = after(UNRESTED - 1, began);
        rest.told(&mut seconds, began);
        assert_eq!(rest.until(began), None);
        // In each second anew.
        let later = began + Duration::from_secs(1);
        for call in 0..UNRESTED {
            assert!(!seconds.one(later), "call {call}");
        }
        assert!(seconds.one(later));
    }

    #[test]
    fn t15_who_is_one_of_too_many_rests_for_as_long_as_it_was_told_to_stay_away() {
        let (began, rest) = (Instant::now(), Rest::default());
        let mut seconds = after(UNRESTED, began);
        rest.told(&mut seconds, began);
        let (at_once, later) = (began + Duration::from_millis(1), began + Duration::from_secs(1));
        assert_eq!(rest.until(at_once), Some(later));
        rest.told(&mut seconds, at_once);
        // Who stays away as long as it was told does not rest.
        assert_eq!(rest.until(at_once + Duration::from_secs(1)), None);
        // The second after too many is one of too many, and the one after that is not.
        assert!(seconds.one(later));
        assert!(!seconds.one(began + Duration::from_secs(3)));
    }

    #[test]
    fn t15_who_comes_at_once_rests_each_time_and_who_does_not_no_more() {
        let (began, rest) = (Instant::now(), Rest::default());
        rest.told(&mut after(UNRESTED, began), began);
        for second in 0..3 {
            let at = began + Duration::from_secs(second);
            assert_eq!(rest.until(at), Some(at + Duration::from_secs(1)));
            rest.told(&mut Seconds::default(), at + Duration::from_secs(1));
        }
        // Who was answered since, or was away, does not rest for what was once.
        let later = began + Duration::from_secs(3);
        assert_eq!(rest.until(later), Some(later + Duration::from_secs(1)));
        let later = began + Duration::from_secs(60);
        rest.told(&mut Seconds::default(), later);
        assert_eq!(rest.until(later), None);
    }
}
