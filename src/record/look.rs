//! A look at the ledger is itself kept: who looked, when, how and at what (FAULTS L06).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// That somebody looked at what is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Who: a user of this machine, or the name of an operations token.
    pub who: String,
    /// How: `explain`, `export`, …
    pub how: String,
    /// The entries that were shown, by their ids; none if what was shown was not one by one, as in an export.
    pub entries: Vec<Uuid>,
    /// What was asked for, without what would tell of a patient: `member`, `from 2026-01-01 to 2026-02-01`, …
    pub asked: String,
}

/// What is stored of it beside the time.
#[derive(Serialize, Deserialize)]
pub(super) struct LookHead {
    pub(super) who: String,
    pub(super) how: String,
    pub(super) asked: String,
    pub(super) entries: Vec<Uuid>,
}

untold!(Look);
