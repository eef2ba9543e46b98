//! Looks whether the policy folder has changed, and serves with it once it is proved; until then the old set serves
//! (FAULTS P02). So with the registrations of clients, once they read without a fault.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use covenant::auth::Doorman;
use covenant::gather::ehr::Servers;
use covenant::policy::{self, Serving, load};
use covenant::record::Ledger;
use covenant::telemetry;
use covenant::telemetry::counters::Counters;

/// A thread that looks every so often. Once this is dropped it has ended, and holds nothing any more.
pub(super) struct Watch {
    /// Disconnected when it is to end.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        // If it panicked it has ended too.
        _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Looks every so often, on a thread of its own.
pub(super) fn watch(
    folder: PathBuf,
    every: Duration,
    serving: Serving,
    ledger: Arc<dyn Ledger>,
    counters: Counters,
) -> Watch {
    let (stop, stopped) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let mut seen = Ok(serving.now().hash.clone());
        let mut tried = seen.clone();
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            // A folder that cannot be read is a state like another one (FAULTS P11): it is told, and looked at again.
            let now = load::folder(&folder).map(|files| load::hash(&files));
            // A folder that is being written looks different each time: it is read once it has stood still.
            let still = std::mem::replace(&mut seen, now.clone()) == now;
            if still && now != tried {
                tried = now;
                // What a folder does to whoever reads it is that set's alone: the next one is looked at too.
                let tried_it = AssertUnwindSafe(|| change(&folder, &serving, &*ledger));
                let changed = catch_unwind(tried_it).unwrap_or(false);
                counters.policy_reload_failed(!changed);
                if !changed {
                    telemetry::policies_kept(&serving.now().hash);
                }
            }
        }
    });
    Watch { stop: Some(stop), thread: Some(thread) }
}

/// Serves with what is in the folder, if it is proved: whether it does.
fn change(folder: &std::path::Path, serving: &Serving, ledger: &dyn Ledger) -> bool {
    let proved = match policy::open(Some(folder)) {
        Ok(proved) => proved,
        Err(error) => {
            error.problems().iter().for_each(|problem| telemetry::policy_problem(&problem.to_string()));
            return false;
        }
    };
    let files: Vec<_> = proved.files.into_iter().map(|file| (file.path, file.bytes)).collect();
    // No answer names a set that the ledger does not hold.
    if ledger.keep_policy_set(&proved.set.hash, &files).is_err() {
        return false;
    }
    telemetry::policies_changed(&proved.set.hash);
    serving.change(Arc::new(proved.set), proved.proof);
    true
}

/// The registrations of clients, and what rests on them.
pub(super) struct Registered {
    /// Where they are written.
    pub(super) file: PathBuf,
    /// Who lets them in.
    pub(super) doorman: Arc<Doorman>,
    /// FHIR servers that may be asked beside those of clients.
    pub(super) own: Vec<String>,
    /// All that may be asked.
    pub(super) servers: Servers,
}

impl Registered {
    /// Looks every so often, on a thread of its own, for as long as the process runs.
    pub(super) fn watch(self, every: Duration, counters: Counters) {
        let mut seen = fs::read(&self.file).ok();
        thread::spawn(move || {
            let mut tried = seen.clone();
            loop {
                thread::sleep(every);
                let now = fs::read(&self.file).ok();
                // One that is being written looks different each time.
                let still = std::mem::replace(&mut seen, now.clone()) == now;
                if still && now != tried {
                    tried = now;
                    let changed = self.change();
                    counters.clients_reload_failed(changed.is_err());
                    match changed {
                        Ok(clients) => telemetry::clients_changed(clients),
                        Err(problem) => telemetry::clients_kept(&problem),
                    }
                }
            }
        });
    }

    /// Serves with what is in the file, all of it or nothing: how many clients there are now, or what is wrong.
    fn change(&self) -> Result<usize, String> {
        let clients = self.doorman.read_again().map_err(|error| error.to_string())?;
        let servers = all(&self.own, clients.fhir_servers());
        self.servers.change(&servers).map_err(|error| error.to_string())?;
        let count = clients.count();
        self.doorman.change(clients);
        Ok(count)
    }
}

/// FHIR servers of the settings and of clients, each once.
pub(super) fn all(own: &[String], of_clients: &[String]) -> Vec<String> {
    let mut all = [own, of_clients].concat();
    all.sort_unstable();
    all.dedup();
    all
}
