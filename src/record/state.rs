//! How a writer stands: what an append can hope for.

use std::sync::{Arc, Mutex, PoisonError};

use super::LedgerError;

/// How the last attempt to write went, known to the writer and to whoever asks whether the ledger is ready.
#[derive(Debug, Clone)]
pub(super) struct State(Arc<Mutex<Result<(), LedgerError>>>);

impl State {
    /// All is well.
    pub(super) fn well() -> Self {
        Self(Arc::new(Mutex::new(Ok(()))))
    }

    /// How it stands now.
    pub(super) fn now(&self) -> Result<(), LedgerError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how it stands from now on; a change is logged.
    pub(super) fn is(&self, now: Result<(), LedgerError>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now);
        match (before, now) {
            (Ok(()), Err(error)) => crate::telemetry::ledger::cannot_be_written(error),
            (Err(_), Ok(())) => crate::telemetry::ledger::can_be_written(),
            _ => {}
        }
    }

    /// Says how it stands after calls came to this. What is a call's own fault says nothing of the ledger.
    pub(super) fn follows<T>(&self, outcomes: &[Result<T, LedgerError>]) {
        let ours =
            |outcome: &Result<T, LedgerError>| outcome.as_ref().err().copied().filter(|it| !it.is_the_calls_own());
        self.is(outcomes.iter().find_map(ours).map_or(Ok(()), Err));
    }
}
