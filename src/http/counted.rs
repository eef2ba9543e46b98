//! What a server counts of its calls, in words that are its own.

use super::App;
use super::problem::Problem;
use super::share::Share;
use crate::answer::Determined;
use crate::auth::Caller;
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

    /// The share of a client. Where nobody is registered there is one client, and all is its own.
    pub(super) fn share(&self, caller: &Caller) -> Share {
        if self.doorman.is_some() { self.shares.share(caller.client()) } else { Share::default() }
    }

    /// Whether a line tells of a problem by itself. There are many refused calls when there is least time to write: of those
    /// that come in bursts one line a second tells, after the first few.
    pub(super) fn is_told_of(&self, problem: &Problem) -> bool {
        match problem {
            Problem::Busy | Problem::NoRoom => self.shed.one(),
            Problem::Unknown(_) | Problem::NotTheProxy => return self.not_admitted.is_one_of_few(),
            Problem::ShareTaken => return self.over_share.is_told("share-taken"),
            _ => return true,
        }
        false
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
