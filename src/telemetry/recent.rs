//! The last hour minute by minute, and how long answers took since the start: held in memory, however many calls there are.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use jiff::Timestamp;

use super::Fault;

/// Minutes that are held, the one that runs among them.
pub const MINUTES: i64 = 60;

/// Microseconds of what is told apart at most: no client waits longer for an answer. What took longer counts as this.
const LONGEST: u64 = 60_000_000;

/// Decimal digits of a time. With two, a histogram to a minute is 2,560 numbers, and an hour of them 0.6 MB.
const DIGITS: u8 = 2;

/// Minutes by which a server is judged: the running one and those just before it. Fewer would turn with every call, and more
/// would tell of a fault long after it is over.
pub const JUDGED: i64 = 5;

/// Why a call was refused, for whoever has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// What the caller sent, or who it is.
    Client,
    /// The EHR's FHIR server.
    Ehr,
    /// A fault of this server.
    Server,
    /// The ledger did not keep what was to be kept.
    Ledger,
    /// As much was being done as may be.
    Full,
}

impl Cause {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Client => Fault::Client,
            Self::Ehr => Fault::Ehr,
            Self::Server | Self::Ledger | Self::Full => Fault::Us,
        }
    }
}

/// What was counted in a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Hooks that were answered.
    pub answered: u64,
    /// Calls that were refused for what the caller sent.
    pub client: u64,
    /// Calls that were refused because of an EHR.
    pub ehr: u64,
    /// Calls that failed through a fault of this server.
    pub server: u64,
    /// Calls that were refused because the ledger did not keep them.
    pub ledger: u64,
    /// Calls for which there was no place.
    pub full: u64,
    /// What was decided and recorded, once for each billing code.
    pub determined: u64,
    /// How much of it is indeterminate.
    pub indeterminate: u64,
    /// Questions to EHRs.
    pub asked: u64,
    /// How many of them no EHR answered.
    pub unanswered: u64,
    /// Records that the ledger was given and did not keep.
    pub unkept: u64,
}

impl Tally {
    /// Calls that were refused, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.client + self.ehr + self.server + self.ledger + self.full
    }

    /// All calls.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.answered + self.refused()
    }

    /// Whether this server fails most of the calls that it could have answered.
    ///
    /// Callers' faults do not count, or a caller could take a healthy server out of service by bad requests. Nor does a
    /// full server, which would leave its calls to the others. The ledger says for itself whether it is ready.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.server >= FAILING && self.server > self.answered
    }

    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.client += other.client;
        self.ehr += other.ehr;
        self.server += other.server;
        self.ledger += other.ledger;
        self.full += other.full;
        self.determined += other.determined;
        self.indeterminate += other.indeterminate;
        self.asked += other.asked;
        self.unanswered += other.unanswered;
        self.unkept += other.unkept;
    }
}

/// Calls that must have failed before a server is said to fail: one alone may be chance.
const FAILING: u64 = 5;

/// What was counted in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub began: Timestamp,
    /// What was counted.
    pub tally: Tally,
    /// How long its answers took.
    pub times: Times,
}

/// How long answers took, in microseconds, each at most a hundredth too high; noughts where there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// How many answers.
    pub answers: u64,
    /// What half of them did not exceed.
    pub p50: u64,
    /// What 95 of a hundred did not.
    pub p95: u64,
    /// What 99 of a hundred did not.
    pub p99: u64,
    /// The longest, or a minute if it was longer.
    pub longest: u64,
}

/// What is held, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The minutes of the hour, the oldest first; the last one is not over.
    pub minutes: Vec<Minute>,
    /// What was counted in the last [`JUDGED`] minutes.
    pub last: Tally,
    /// How long the answers of the hour took.
    pub hour: Times,
    /// How long all answers took.
    pub ever: Times,
}

/// What is counted of the hour, shared by all workers.
#[derive(Debug)]
pub(super) struct Recent(Mutex<Held>);

#[derive(Debug)]
struct Held {
    ring: Vec<Slot>,
    ever: Histogram<u64>,
}

/// A place of the ring: it is of one minute until another's turn comes.
#[derive(Debug, Clone)]
struct Slot {
    minute: i64,
    tally: Tally,
    times: Histogram<u32>,
}

impl Recent {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self, CreationError> {
        let slot = Slot { minute: i64::MIN, tally: Tally::default(), times: Histogram::new_with_max(LONGEST, DIGITS)? };
        let ring = (0..MINUTES).map(|_| slot.clone()).collect();
        Ok(Self(Mutex::new(Held { ring, ever: Histogram::new_with_max(LONGEST, DIGITS)? })))
    }

    /// A hook was answered, and it took so long.
    pub(super) fn answered(&self, now: Timestamp, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        let mut held = self.held();
        held.in_minute(now, |slot| {
            slot.tally.answered += 1;
            slot.times.saturating_record(micros);
        });
        held.ever.saturating_record(micros);
    }

    /// Counts something in the minute of a moment.
    pub(super) fn count(&self, now: Timestamp, count: impl FnOnce(&mut Tally)) {
        self.held().in_minute(now, |slot| count(&mut slot.tally));
    }

    /// What was counted in the last [`JUDGED`] minutes.
    pub(super) fn last(&self, now: Timestamp) -> Tally {
        self.held().last(now)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held.
    pub(super) fn seen(&self, now: Timestamp) -> Seen {
        let held = self.held();
        let last = minute(now);
        let mut hour: Option<Histogram<u32>> = None;
        let minutes = (last - MINUTES + 1..=last).map(|minute| {
            let slot = held.ring.get(place(minute)).filter(|slot| slot.minute == minute);
            if let Some(slot) = slot {
                match &mut hour {
                    // All have the same bounds, so that any can be added.
                    Some(hour) => _ = hour.add(&slot.times),
                    None => hour = Some(slot.times.clone()),
                }
            }
            Minute {
                began: Timestamp::from_second(minute * 60).unwrap_or_default(),
                tally: slot.map_or_else(Tally::default, |slot| slot.tally),
                times: slot.map_or_else(Times::default, |slot| times(&slot.times)),
            }
        });
        let minutes = minutes.collect();
        let last = held.last(now);
        Seen { minutes, last, hour: hour.as_ref().map_or_else(Times::default, times), ever: times(&held.ever) }
    }
}

impl Held {
    /// Counts in the minute of a moment.
    fn in_minute(&mut self, now: Timestamp, count: impl FnOnce(&mut Slot)) {
        let minute = minute(now);
        let Some(slot) = self.ring.get_mut(place(minute)) else { return };
        if slot.minute != minute {
            (slot.minute, slot.tally) = (minute, Tally::default());
            slot.times.reset();
        }
        count(slot);
    }

    fn last(&self, now: Timestamp) -> Tally {
        let last = minute(now);
        let mut tally = Tally::default();
        for slot in &self.ring {
            if (last - JUDGED + 1..=last).contains(&slot.minute) {
                tally.add(&slot.tally);
            }
        }
        tally
    }
}

/// The minute that a moment is in, counted from 1970.
fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

fn place(minute: i64) -> usize {
    usize::try_from(minute.rem_euclid(MINUTES)).unwrap_or_default()
}

fn times<C: hdrhistogram::Counter>(all: &Histogram<C>) -> Times {
    let at = |quantile| all.value_at_quantile(quantile).min(all.max());
    Times { answers: all.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), longest: all.max() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    /// So many seconds after a minute began.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn counts(seen: &Seen) -> Vec<(u64, u64)> {
        seen.minutes.iter().map(|minute| (minute.tally.answered, minute.tally.refused())).collect()
    }

    const QUICK: Duration = Duration::from_millis(2);

    #[test]
    fn an_hour_is_sixty_minutes_and_the_last_is_this_one() {
        let recent = Recent::new().unwrap();
        recent.answered(at(0), QUICK);
        recent.answered(at(59), QUICK);
        recent.count(at(60), |tally| tally.client += 1);
        let seen = recent.seen(at(119));
        let counts = counts(&seen);
        assert_eq!((counts.len(), counts[58], counts[59]), (60, (2, 0), (0, 1)));
        assert!(counts[..58].iter().all(|minute| *minute == (0, 0)));
        assert_eq!((seen.minutes[59].began, seen.minutes[0].began), (at(60), at(60 - 59 * 60)));
    }

    #[test]
    fn what_is_an_hour_old_is_not_of_the_hour_and_its_times_are_of_all() {
        let recent = Recent::new().unwrap();
        recent.answered(at(0), Duration::from_millis(700));
        assert_eq!(counts(&recent.seen(at(59 * 60 + 59)))[0], (1, 0));
        let later = recent.seen(at(60 * 60));
        assert!(counts(&later).iter().all(|minute| *minute == (0, 0)));
        assert_eq!((later.hour, later.ever.answers), (Times::default(), 1));
        // The same place of the ring begins anew.
        recent.count(at(60 * 60), |tally| tally.ehr += 1);
        recent.answered(at(60 * 60), QUICK);
        let anew = recent.seen(at(60 * 60));
        assert_eq!(counts(&anew)[59], (1, 1));
        assert_eq!((anew.hour.answers, anew.ever.answers), (1, 2));
        assert!(anew.hour.longest < 3_000, "{:?}", anew.hour);
    }

    #[test]
    fn a_server_is_judged_by_the_last_minutes_alone() {
        let recent = Recent::new().unwrap();
        recent.count(at(0), |tally| tally.server += 7);
        recent.answered(at(60), QUICK);
        let last = recent.last(at(4 * 60 + 59));
        assert_eq!((last.server, last.answered, last.calls()), (7, 1, 8));
        assert!(last.is_failing());
        let later = recent.last(at(5 * 60));
        assert_eq!((later.server, later.answered, later.is_failing()), (0, 1, false));
        assert_eq!(recent.seen(at(5 * 60)).last, later);
    }

    #[test]
    fn only_faults_of_the_server_itself_make_it_fail() {
        let many = 1_000;
        let tally = |server| Tally { server, ..Tally::default() };
        assert!(!tally(FAILING - 1).is_failing() && tally(FAILING).is_failing());
        assert!(!Tally { answered: FAILING, ..tally(FAILING) }.is_failing());
        assert!(!Tally { client: many, ehr: many, ledger: many, full: many, unkept: many, ..tally(0) }.is_failing());
    }

    #[test]
    fn a_percentile_is_never_too_low_and_at_most_a_hundredth_too_high() {
        let recent = Recent::new().unwrap();
        (1..=100_000)
            .for_each(|micros| recent.answered(at(micros % 600), Duration::from_micros(micros.unsigned_abs())));
        let seen = recent.seen(at(600));
        for times in [seen.hour, seen.ever] {
            assert_eq!(times.answers, 100_000);
            for (said, exact) in [(times.p50, 50_000), (times.p95, 95_000), (times.p99, 99_000)] {
                assert!((exact..=exact + exact / 100).contains(&said), "{said} for {exact}");
            }
            assert!((100_000..=101_000).contains(&times.longest), "{times:?}");
        }
    }

    #[test]
    fn what_took_longer_than_anybody_waits_counts_as_the_longest() {
        let recent = Recent::new().unwrap();
        recent.answered(at(0), Duration::MAX);
        recent.answered(at(0), Duration::ZERO);
        let seen = recent.seen(at(0));
        assert_eq!(seen.hour.answers, 2);
        assert!((LONGEST..LONGEST + LONGEST / 100).contains(&seen.hour.longest), "{:?}", seen.hour);
    }
}
