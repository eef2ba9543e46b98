//! Whether the workers are alive: each says so a few times a second, unless it is stuck.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often a worker says that it is alive.
const BEAT: Duration = Duration::from_millis(250);

/// A worker that has said nothing for so long is stuck: no request may work a fifth of it without a rest.
const STUCK: Duration = Duration::from_secs(5);

/// When each worker last said that it is alive, in milliseconds since the first moment.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    workers: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Pulse {
    /// Without a worker yet.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), workers: Mutex::default() }
    }

    /// Has the worker of this thread say that it is alive, for as long as it is there.
    pub(super) fn beats(&self) {
        let (began, last) = (self.began, self.joins());
        actix_web::rt::spawn(async move {
            loop {
                last.store(millis(began.elapsed()), Ordering::Relaxed);
                tokio::time::sleep(BEAT).await;
            }
        });
    }

    fn joins(&self) -> Arc<AtomicU64> {
        let last = Arc::new(AtomicU64::new(millis(self.began.elapsed())));
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(&last));
        last
    }

    /// Whether any worker can still answer. Before there is one, nothing is stuck.
    pub(super) fn is_there(&self) -> bool {
        self.is_there_at(self.began.elapsed())
    }

    fn is_there_at(&self, now: Duration) -> bool {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = workers.iter().filter_map(Weak::upgrade).map(|last| last.load(Ordering::Relaxed)).peekable();
        let since = millis(now.saturating_sub(STUCK));
        said.peek().is_none() || said.any(|last| last >= since)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::Pulse;

    #[test]
    fn b06_the_server_is_alive_while_one_worker_is() {
        let pulse = Pulse::new();
        assert!(pulse.is_there_at(Duration::from_secs(60)), "it has not begun");
        let (one, other) = (pulse.joins(), pulse.joins());
        one.store(10_000, Ordering::Relaxed);
        other.store(12_000, Ordering::Relaxed);
        assert!(pulse.is_there_at(Duration::from_secs(17)));
        assert!(!pulse.is_there_at(Duration::from_millis(17_001)));
        // One that was stuck goes on.
        one.store(17_100, Ordering::Relaxed);
        assert!(pulse.is_there_at(Duration::from_millis(17_200)));
        // A worker that has ended is not one that is stuck.
        drop((one, other));
        assert!(pulse.is_there_at(Duration::from_secs(60)));
    }
}
