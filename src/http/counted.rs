//! What a server counts of its calls, in words that are its own.

use super::App;
use super::problem::Problem;
use crate::answer::Determined;
use crate::record::{LedgerError, Outcome};
use crate::telemetry::Fault;

impl App {
    /// Calls being answered now.
    pub(super) fn in_flight(&self) -> usize {
        self.manner.limits.in_flight.saturating_sub(self.places.available_permits())
    }

    /// Whether no other call would be answered now.
    pub(super) fn is_busy(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Counts a call that was refused.
    pub(super) fn refused(&self, service: &str, problem: &Problem) {
        let row = problem.row();
        self.counters.refused(service, row.issue, row.status, problem.cause());
    }

    /// Counts what was decided, once it is recorded.
    pub(super) fn determined(&self, determined: &[Determined]) {
        for Determined { covered, pa_needed, policy, product } in determined {
            self.counters.determined(covered, pa_needed, policy, product);
        }
    }

    /// Counts feedback, once it is recorded.
    pub(super) fn told<'o>(&self, outcomes: impl Iterator<Item = &'o Outcome>) {
        for outcome in outcomes {
            self.counters.told(match outcome {
                Outcome::Accepted => "accepted",
                Outcome::Overridden => "overridden",
            });
        }
    }

    /// The problem that an error of the ledger is. It is counted where the ledger is at fault.
    pub(super) fn ledger_failed(&self, error: LedgerError) -> Problem {
        if error.fault() == Fault::Us {
            self.counters.ledger_failed(kind(error));
        }
        Problem::Ledger(error)
    }

    /// The problem that a panic is.
    pub(super) fn panicked(&self) -> Problem {
        self.counters.panicked();
        Problem::Panicked
    }
}

fn kind(error: LedgerError) -> &'static str {
    match error {
        LedgerError::Busy => "busy",
        LedgerError::Locked => "locked",
        LedgerError::Full => "full",
        LedgerError::Unavailable(_) => "unavailable",
        LedgerError::Poisoned => "stopped",
        LedgerError::Corrupt => "damaged",
        LedgerError::Moved => "moved",
        LedgerError::Duplicate => "duplicate",
        LedgerError::Unstorable => "unstorable",
        // These are found when a ledger is opened, before anything serves.
        _ => "other",
    }
}
