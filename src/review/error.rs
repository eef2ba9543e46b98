//! Why nothing is shown.

use std::io;

use crate::answer::Refusal;
use crate::record::LedgerError;

/// Why nothing is shown, or nothing more.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The ledger, also where it could not keep that somebody looks.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// There is no such entry.
    #[error("nothing in the ledger has this id: it is no assertion's, no invocation's and no card's")]
    Unknown,
    /// What was kept is not what this version can read. It names the entry.
    #[error("{0}")]
    Unreadable(String),
    /// The answer cannot be made again.
    #[error("{0}")]
    NotAgain(#[from] NotAgain),
    /// Records would go that have to be kept.
    #[error(
        "records have to be kept for six years (45 CFR 164.316(b)(2)), and younger ones would go: say that a shorter time \
         is lawful here if it is"
    )]
    TooYoung,
    /// What is shown could not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Why an answer cannot be made again.
#[derive(Debug, thiserror::Error)]
pub enum NotAgain {
    /// Of a refused request only the hash is kept.
    #[error("it was refused, and of what is refused nothing is kept that it could be made again from")]
    Refused,
    /// The policies are not there.
    #[error("the ledger does not hold the policy set that answered")]
    NoPolicies,
    /// The policies are others.
    #[error("the policy set in the ledger is not the one that answered")]
    OtherPolicies,
    /// The policies cannot be loaded any more.
    #[error("this version cannot load the policy set that answered: {0} problems")]
    Policies(usize),
    /// The service is not there any more.
    #[error("this version has no such service")]
    Service,
    /// The version of the guide is not spoken any more.
    #[error("this version speaks no such CRD version")]
    Version,
    /// What was learnt beside the request is not readable.
    #[error("what was learnt then cannot be read")]
    Learned,
    /// The settings that the answer rested on are not readable.
    #[error("the settings that it was answered with cannot be read by this version")]
    Manner,
    /// It was answered then.
    #[error("it is refused now: {0}")]
    RefusedNow(Refusal),
}
