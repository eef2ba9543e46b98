//! `covenant ledger backup` and `restore`: a whole copy of a ledger in use, and a copy put in its place once it is verified.

use std::io::Write;
use std::path::Path;

use covenant::config::Settings;
use covenant::record::{self, LedgerError};
use covenant::review::{ReviewError, Verified};

use crate::cli::{CommandError, reviewer};

/// Copies the ledger to a file that is not there yet.
pub(super) fn backup(settings: &Settings, to: &Path) -> Result<(), CommandError> {
    if settings.ledger.url.is_some() {
        return Err(LedgerError::OwnTools.into());
    }
    if to.exists() {
        return Err(CommandError::Other(format!("{} is there already", to.display())));
    }
    // Whoever has the copy has what is in it. A ledger of an earlier version is copied as it is: to note anything in it would
    // upgrade it first.
    if !matches!(record::archive(&settings.ledger), Err(LedgerError::NotUpgraded(_))) {
        reviewer(&*record::open(&settings.ledger)?).backup()?;
    }
    record::backup(&settings.ledger, to)?;
    Ok(writeln!(std::io::stdout(), "{} holds the whole ledger", to.display())?)
}

/// Puts a copy in the place of a ledger that is not there, if all its chains hold.
pub(super) fn restore(settings: &Settings, from: &Path) -> Result<(), CommandError> {
    let mut words = String::new();
    let restored = record::restore(&settings.ledger, from, |ledger| {
        let verified = Verified::of(ledger).map_err(|error| match error {
            ReviewError::Ledger(error) => error,
            _ => LedgerError::Corrupt,
        })?;
        words = verified.words();
        Ok(verified.holds())
    })?;
    if restored {
        return Ok(writeln!(std::io::stdout(), "{words}\n{} is restored", settings.ledger.path.display())?);
    }
    Err(CommandError::Other(format!("nothing was restored: {words}")))
}
