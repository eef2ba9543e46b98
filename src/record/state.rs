//! How a writer stands: what an append can hope for.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::LedgerError;

/// How the last attempt to write went, known to the writer and to whoever asks whether the ledger is ready.
#[derive(Debug, Clone)]
pub(super) struct State(Arc<Mutex<Stands>>);

#[derive(Debug, Clone, Copy)]
struct Stands {
    now: Result<(), LedgerError>,
    /// Since when it can be written, or cannot.
    since: Timestamp,
}

impl State {
    /// All is well.
    pub(super) fn well() -> Self {
        Self(Arc::new(Mutex::new(Stands { now: Ok(()), since: Timestamp::now() })))
    }

    /// How it stands now.
    pub(super) fn now(&self) -> Result<(), LedgerError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    /// Since when it can be written, or cannot.
    pub(super) fn since(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since
    }

    /// Says how it stands from now on; a change is logged.
    pub(super) fn is(&self, now: Result<(), LedgerError>) {
        let before = {
            let mut stands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if stands.now.is_ok() != now.is_ok() {
                stands.since = Timestamp::now();
            }
            std::mem::replace(&mut stands.now, now)
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when_it_cannot_be_written_is_since_the_first_failure() {
        let state = State::well();
        let began = state.since();
        state.is(Ok(()));
        assert_eq!(state.since(), began);
        state.is(Err(LedgerError::Locked));
        let failed = state.since();
        assert!(failed > began, "{failed} {began}");
        state.is(Err(LedgerError::Full));
        assert_eq!((state.now(), state.since()), (Err(LedgerError::Full), failed));
        state.is(Ok(()));
        assert!(state.since() > failed);
    }
}
