//! How much work one answer may still take: a bound on processor time, and whether anybody still waits for the answer.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cpu_time::ThreadTime;

/// The work that one answer may take. Waiting costs none of it, and neither does what other requests do meanwhile.
#[derive(Debug)]
pub struct Effort {
    /// Nanoseconds of a processor that it may take.
    most: u64,
    /// Nanoseconds that it has taken in the stretches of work before this one.
    spent: AtomicU64,
    /// The thread's own clock when this stretch of work began, in nanoseconds.
    began: AtomicU64,
    unwanted: AtomicBool,
}

impl Effort {
    /// At most so many milliseconds of a processor.
    #[must_use]
    pub fn of_millis(millis: u64) -> Self {
        Self::of_nanos(millis.saturating_mul(1_000_000))
    }

    /// As much as it takes: for answers that are made again for an operator.
    #[must_use]
    pub fn endless() -> Self {
        Self::of_nanos(u64::MAX)
    }

    fn of_nanos(most: u64) -> Self {
        let (spent, began) = (AtomicU64::new(0), AtomicU64::new(now()));
        Self { most, spent, began, unwanted: AtomicBool::new(false) }
    }

    /// Nobody waits for the answer any more.
    pub fn is_unwanted(&self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }

    /// Whether the work has to stop: it has taken too long, or nobody waits for what comes of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        if self.unwanted.load(Ordering::Relaxed) {
            return true;
        }
        self.most < u64::MAX && self.spent.load(Ordering::Relaxed).saturating_add(self.stretch()) > self.most
    }

    /// Does some work, and counts the time in which it is at work and not waiting.
    pub async fn counts<W: Future>(&self, work: W) -> W::Output {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            self.began.store(now(), Ordering::Relaxed);
            let polled = work.as_mut().poll(context);
            self.spent.fetch_add(self.stretch(), Ordering::Relaxed);
            // Whoever asks between two stretches does not count the last one twice.
            self.began.store(now(), Ordering::Relaxed);
            polled
        })
        .await
    }

    fn stretch(&self) -> u64 {
        now().saturating_sub(self.began.load(Ordering::Relaxed))
    }
}

/// What the system has given this thread of a processor, in nanoseconds; always 0 where it does not tell.
fn now() -> u64 {
    let time = ThreadTime::try_now().map_or(Duration::ZERO, |time| time.as_duration());
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use futures_util::FutureExt;

    use super::Effort;

    fn works(effort: &Effort) -> bool {
        let began = Instant::now();
        while !effort.is_over() {
            if began.elapsed() > Duration::from_secs(60) {
                return false;
            }
        }
        true
    }

    #[test]
    fn b03_work_stops_after_its_time_and_when_nobody_waits() {
        let effort = Effort::of_millis(5);
        assert!(effort.counts(async { works(&effort) }).now_or_never().unwrap(), "it goes on for ever");
        let unwanted = Effort::endless();
        assert!(!unwanted.is_over());
        unwanted.is_unwanted();
        assert!(unwanted.is_over());
    }

    #[test]
    fn b03_waiting_costs_nothing_and_all_stretches_of_work_count() {
        let effort = Effort::of_millis(40);
        let waits = effort.counts(async { std::thread::sleep(Duration::from_millis(200)) });
        waits.now_or_never().unwrap();
        assert!(!effort.is_over(), "who sleeps does not work");
        let stretch = || {
            let began = super::now();
            while super::now() - began < 15_000_000 {}
        };
        for _ in 0..3 {
            assert!(!effort.is_over());
            effort.counts(async { stretch() }).now_or_never().unwrap();
        }
        assert!(effort.is_over());
    }
}
