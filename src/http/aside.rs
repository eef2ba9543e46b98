//! Threads beside the workers, on which large requests are answered: no worker is held by one of them.

use std::sync::Arc;
use std::thread;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Builder;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::LocalSet;

use super::invoke::Outcome;
use super::problem::Problem;
use crate::effort::Effort;

/// What is to be done, and it says itself what came of it.
type Job = BoxFuture<'static, ()>;

/// The threads. They end when nobody can give them anything more to do.
#[derive(Clone)]
pub(super) struct Aside {
    jobs: mpsc::UnboundedSender<Job>,
}

impl Aside {
    /// So many threads. What they are given waits until one of them is free; the places of all calls bound how much that is.
    pub(super) fn of(threads: usize) -> Self {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads.max(1) {
            let waiting = waiting.clone();
            // Without a thread there is nobody to take a job, and whoever waits for one is told.
            _ = thread::Builder::new().name("aside".to_owned()).spawn(move || works(&waiting));
        }
        Self { jobs }
    }

    /// Answers on one of the threads. Whoever drops what this returns waits no more, and the work stops.
    pub(super) fn answers(
        &self,
        effort: Arc<Effort>,
        answering: BoxFuture<'static, Outcome>,
    ) -> BoxFuture<'static, Outcome> {
        let (mut tell, told) = oneshot::channel();
        let waits = Waits(effort);
        let job = async move {
            tokio::select! {
                biased;
                () = tell.closed() => {}
                outcome = answering => { _ = tell.send(outcome); }
            }
        };
        let is_sent = self.jobs.send(job.boxed()).is_ok();
        async move {
            let _waits = waits;
            if is_sent { told.await.unwrap_or(Err(Problem::Panicked)) } else { Err(Problem::Panicked) }
        }
        .boxed()
    }
}

/// Somebody who waits. With it goes the reason for the work.
struct Waits(Arc<Effort>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.is_unwanted();
    }
}

/// Takes one job after another. What waits for an EHR lets others go on.
fn works(waiting: &Mutex<mpsc::UnboundedReceiver<Job>>) {
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    LocalSet::new().block_on(&runtime, async {
        loop {
            let Some(job) = waiting.lock().await.recv().await else { return };
            tokio::task::spawn_local(job);
            // It begins before another is taken: that one may have another thread.
            tokio::task::yield_now().await;
        }
    });
}
