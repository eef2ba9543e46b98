//! The last hour minute by minute, and how long calls took since the start: held in memory, however many calls there are.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use jiff::Timestamp;

/// Minutes that are held, the one that runs among them.
pub const MINUTES: i64 = 60;

/// Microseconds of what is told apart at most: no client waits longer for an answer. What took longer counts as this.
const LONGEST: u64 = 60_000_000;

/// Decimal digits of a time. With two, a histogram to a minute is 2,560 numbers, and an hour of them 0.6 MB.
const DIGITS: u8 = 2;

/// What was counted in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub began: Timestamp,
    /// Hooks that were answered in it.
    pub answered: u64,
    /// Calls that were refused in it.
    pub refused: u64,
    /// How long its calls took.
    pub times: Times,
}

/// How long calls took, in microseconds, each at most a hundredth too high; noughts where there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// How many calls.
    pub calls: u64,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The minutes of the hour, the oldest first; the last one is not over.
    pub minutes: Vec<Minute>,
    /// How long the calls of the hour took.
    pub hour: Times,
    /// How long all calls took.
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
    answered: u64,
    refused: u64,
    times: Histogram<u32>,
}

impl Recent {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self, CreationError> {
        let slot = Slot { minute: i64::MIN, answered: 0, refused: 0, times: Histogram::new_with_max(LONGEST, DIGITS)? };
        let ring = (0..MINUTES).map(|_| slot.clone()).collect();
        Ok(Self(Mutex::new(Held { ring, ever: Histogram::new_with_max(LONGEST, DIGITS)? })))
    }

    /// A hook was answered.
    pub(super) fn answered(&self, now: Timestamp) {
        self.held().in_minute(now, |slot| slot.answered += 1);
    }

    /// A call was refused.
    pub(super) fn refused(&self, now: Timestamp) {
        self.held().in_minute(now, |slot| slot.refused += 1);
    }

    /// A call took so long.
    pub(super) fn took(&self, now: Timestamp, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        let mut held = self.held();
        held.in_minute(now, |slot| slot.times.saturating_record(micros));
        held.ever.saturating_record(micros);
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
                answered: slot.map_or(0, |slot| slot.answered),
                refused: slot.map_or(0, |slot| slot.refused),
                times: slot.map_or_else(Times::default, |slot| times(&slot.times)),
            }
        });
        let minutes = minutes.collect();
        Seen { minutes, hour: hour.as_ref().map_or_else(Times::default, times), ever: times(&held.ever) }
    }
}

impl Held {
    /// Counts in the minute of a moment.
    fn in_minute(&mut self, now: Timestamp, count: impl FnOnce(&mut Slot)) {
        let minute = minute(now);
        let Some(slot) = self.ring.get_mut(place(minute)) else { return };
        if slot.minute != minute {
            (slot.minute, slot.answered, slot.refused) = (minute, 0, 0);
            slot.times.reset();
        }
        count(slot);
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
    Times { calls: all.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), longest: all.max() }
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
        seen.minutes.iter().map(|minute| (minute.answered, minute.refused)).collect()
    }

    #[test]
    fn an_hour_is_sixty_minutes_and_the_last_is_this_one() {
        let recent = Recent::new().unwrap();
        recent.answered(at(0));
        recent.answered(at(59));
        recent.refused(at(60));
        let seen = recent.seen(at(119));
        let counts = counts(&seen);
        assert_eq!((counts.len(), counts[58], counts[59]), (60, (2, 0), (0, 1)));
        assert!(counts[..58].iter().all(|minute| *minute == (0, 0)));
        assert_eq!((seen.minutes[59].began, seen.minutes[0].began), (at(60), at(60 - 59 * 60)));
    }

    #[test]
    fn what_is_an_hour_old_is_not_of_the_hour_and_its_times_are_of_all() {
        let recent = Recent::new().unwrap();
        recent.answered(at(0));
        recent.took(at(0), Duration::from_millis(700));
        assert_eq!(counts(&recent.seen(at(59 * 60 + 59)))[0], (1, 0));
        let later = recent.seen(at(60 * 60));
        assert!(counts(&later).iter().all(|minute| *minute == (0, 0)));
        assert_eq!((later.hour, later.ever.calls), (Times::default(), 1));
        // The same place of the ring begins anew.
        recent.refused(at(60 * 60));
        recent.took(at(60 * 60), Duration::from_millis(2));
        let anew = recent.seen(at(60 * 60));
        assert_eq!(counts(&anew)[59], (0, 1));
        assert_eq!((anew.hour.calls, anew.ever.calls), (1, 2));
        assert!(anew.hour.longest < 3_000, "{:?}", anew.hour);
    }

    #[test]
    fn a_percentile_is_never_too_low_and_at_most_a_hundredth_too_high() {
        let recent = Recent::new().unwrap();
        (1..=100_000).for_each(|micros| recent.took(at(micros % 600), Duration::from_micros(micros.unsigned_abs())));
        let seen = recent.seen(at(600));
        for times in [seen.hour, seen.ever] {
            assert_eq!(times.calls, 100_000);
            for (said, exact) in [(times.p50, 50_000), (times.p95, 95_000), (times.p99, 99_000)] {
                assert!((exact..=exact + exact / 100).contains(&said), "{said} for {exact}");
            }
            assert!((100_000..=101_000).contains(&times.longest), "{times:?}");
        }
    }

    #[test]
    fn what_took_longer_than_anybody_waits_counts_as_the_longest() {
        let recent = Recent::new().unwrap();
        recent.took(at(0), Duration::MAX);
        recent.took(at(0), Duration::ZERO);
        let seen = recent.seen(at(0));
        assert_eq!(seen.hour.calls, 2);
        assert!((LONGEST..LONGEST + LONGEST / 100).contains(&seen.hour.longest), "{:?}", seen.hour);
    }
}
