//! Everything of a span of time, written out: FHIR R4 AuditEvents, one a line.

use std::io::Write;
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::{ReviewError, audit};
use crate::record::Ledger;

/// A span that may be written out: that it is looked at is kept.
#[derive(Debug)]
pub struct Export {
    from: Timestamp,
    before: Timestamp,
}

impl Export {
    pub(super) fn of(from: Timestamp, before: Timestamp) -> Self {
        Self { from, before }
    }

    /// Writes all entries in the order of time, one a line; how many. A page of them is in memory at once.
    ///
    /// `progress` is told the time of each.
    ///
    /// # Errors
    /// [`ReviewError`]; the lines until then are whole.
    pub fn write(
        self,
        ledger: &dyn Ledger,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(Timestamp),
    ) -> Result<u64, ReviewError> {
        let (mut written, mut outcome) = (0, Ok(()));
        ledger.each(self.from, self.before, &mut |entry, feedback| {
            let mut line = audit::event(&entry, &feedback).to_string();
            line.push('\n');
            outcome = out.write_all(line.as_bytes());
            if outcome.is_err() {
                return ControlFlow::Break(());
            }
            written += 1;
            progress(entry.at);
            ControlFlow::Continue(())
        })?;
        outcome?;
        out.flush()?;
        Ok(written)
    }
}
