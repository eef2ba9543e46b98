//! Leaves a server alone that has failed several times in a row, and tries it with one question after a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::auth::Caller;

/// Callers of one server that are told apart at once. A client may name tenants without end; those that are forgotten ask
/// again.
const CALLERS: u64 = 1024;

/// One for each caller of a server, whichever tokens it has: what fails for one client or tenant need not fail for others,
/// who may reach other systems under the same address (FAULTS M02).
#[derive(Debug)]
pub(super) struct Circuits {
    all: Cache<Caller, Arc<Circuit>>,
    break_after: u32,
    pause: Duration,
}

impl Circuits {
    pub(super) fn new(break_after: u32, pause: Duration) -> Self {
        Self { all: Cache::new(CALLERS), break_after, pause }
    }

    /// The circuit of a caller.
    pub(super) fn of(&self, caller: &Caller) -> Arc<Circuit> {
        self.all.get_with_by_ref(caller, || Circuit::new(self.break_after, self.pause).into())
    }

    /// Whether some caller's circuit is open: the server kept failing for it, and has not answered it since.
    pub(super) fn any_open(&self) -> bool {
        self.all.iter().any(|(_, circuit)| circuit.is_open())
    }
}

/// Whether something is asked: a server by a caller, or an origin at all.
#[derive(Debug)]
pub(super) struct Circuit {
    state: Mutex<State>,
    break_after: u32,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is asked; so many questions in a row have failed.
    Closed(u32),
    /// It is not asked before this moment.
    Open(Instant),
    /// It is asked one question, on which it depends.
    Trying,
}

/// Leave to ask once. Whoever has it must say what came of it; given back without, nothing was learnt.
#[derive(Debug)]
pub(super) struct Leave<'c> {
    circuit: &'c Circuit,
    trial: bool,
}

impl Circuit {
    pub(super) fn new(break_after: u32, pause: Duration) -> Self {
        Self { state: Mutex::new(State::Closed(0)), break_after, pause }
    }

    /// Leave to ask now, if it may be asked.
    pub(super) fn enter(&self) -> Option<Leave<'_>> {
        let mut state = self.state();
        match *state {
            State::Closed(_) => Some(Leave { circuit: self, trial: false }),
            State::Open(until) if Instant::now() >= until => {
                *state = State::Trying;
                Some(Leave { circuit: self, trial: true })
            }
            State::Open(_) | State::Trying => None,
        }
    }

    /// Whether it is left alone now: it kept failing, and its pause is not over.
    pub(super) fn is_open(&self) -> bool {
        match *self.state() {
            State::Closed(_) => false,
            State::Open(until) => Instant::now() < until,
            State::Trying => true,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked has left a whole state behind: it is one value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leave<'_> {
    /// The server has answered, whatever it said.
    pub(super) fn answered(mut self) {
        self.trial = false;
        *self.circuit.state() = State::Closed(0);
    }

    /// The server has failed. True if that was once too often, and it is left alone from now on.
    pub(super) fn failed(mut self) -> bool {
        let mut state = self.circuit.state();
        let open = match *state {
            State::Closed(before) if before + 1 >= self.circuit.break_after => true,
            State::Closed(before) => {
                *state = State::Closed(before + 1);
                false
            }
            State::Trying => self.trial,
            State::Open(_) => false,
        };
        if open {
            *state = State::Open(Instant::now() + self.circuit.pause);
        }
        drop(state);
        self.trial = false;
        open
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // The hook was given up before the trial was over: the next one may try.
        if self.trial {
            *self.circuit.state() = State::Open(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::thread::sleep;
    use std::time::Duration;

    use super::Circuit;

    const PAUSE: Duration = Duration::from_millis(20);

    fn opened() -> Circuit {
        let circuit = Circuit::new(2, PAUSE);
        assert!(!circuit.enter().unwrap().failed());
        assert!(circuit.enter().unwrap().failed());
        assert!(circuit.enter().is_none());
        circuit
    }

    #[test]
    fn failures_count_only_in_a_row() {
        let circuit = Circuit::new(2, PAUSE);
        for _ in 0..3 {
            assert!(!circuit.enter().unwrap().failed());
            circuit.enter().unwrap().answered();
        }
    }

    #[test]
    fn after_a_while_one_may_try_and_the_rest_depends_on_it() {
        let circuit = opened();
        sleep(PAUSE);
        let trial = circuit.enter().unwrap();
        assert!(circuit.enter().is_none());
        assert!(trial.failed());
        assert!(circuit.enter().is_none());
        sleep(PAUSE);
        circuit.enter().unwrap().answered();
        assert!(circuit.enter().is_some() && circuit.enter().is_some());
    }

    #[test]
    fn a_trial_that_is_given_up_leaves_it_to_the_next() {
        let circuit = opened();
        sleep(PAUSE);
        drop(circuit.enter().unwrap());
        let next = circuit.enter();
        assert!(next.is_some() && circuit.enter().is_none());
    }

    #[test]
    fn what_was_asked_before_does_not_decide_on_a_trial() {
        let circuit = Circuit::new(1, PAUSE);
        let early = circuit.enter().unwrap();
        assert!(circuit.enter().unwrap().failed());
        sleep(PAUSE);
        let _trial = circuit.enter().unwrap();
        assert!(!early.failed());
        assert!(circuit.enter().is_none());
    }
}
