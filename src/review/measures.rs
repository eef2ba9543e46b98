//! The guide's metric data of each recorded invocation, or its measures over all of them, written out.

use std::io::Write;
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::ReviewError;
use crate::metrics::{Identifier, MetricData, Period, Tally};
use crate::record::{Entry, Feedback, Ledger};

/// How measures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The measures, for a terminal.
    Table,
    /// The measures, for a spreadsheet.
    Csv,
    /// The measures, for a program.
    Json,
    /// The guide's CRDMetricData of each invocation, one a line.
    Data,
}

/// What takes an entry with the feedback on its cards, and says whether it wants another.
type Take<'t> = &'t mut dyn FnMut(Entry, Vec<Feedback>) -> ControlFlow<()>;

/// What is measured, and what is written beside what entries come to.
#[derive(Debug, Clone)]
pub struct About {
    /// The days.
    pub period: Period,
    /// The name of the time zone that they are days of.
    pub zone: String,
    /// By what the payer is known.
    pub payer: Identifier,
}

/// Measures that may be written out: that they are looked at is kept.
#[derive(Debug)]
pub struct Measures(About);

impl Measures {
    pub(super) fn of(about: About) -> Self {
        Self(about)
    }

    /// Writes them. Where each invocation is written, a page of them is in memory at once.
    ///
    /// # Errors
    /// [`ReviewError`]
    pub fn write(self, ledger: &dyn Ledger, format: Format, out: &mut dyn Write) -> Result<(), ReviewError> {
        write(out, format, &self.0, |from, before, take| Ok(ledger.each(from, before, take)?))?;
        Ok(out.flush()?)
    }
}

fn unreadable(error: impl ToString) -> ReviewError {
    ReviewError::Unreadable(error.to_string())
}

fn write(
    out: &mut dyn Write,
    format: Format,
    about: &About,
    each: impl FnOnce(Timestamp, Timestamp, Take<'_>) -> Result<(), ReviewError>,
) -> Result<(), ReviewError> {
    if format == Format::Data {
        return each_data(about, each, |data, _| {
            let line = serde_json::to_string(data).map_err(std::io::Error::from)?;
            Ok(writeln!(out, "{line}")?)
        });
    }
    let mut tally = Tally::default();
    each_data(about, each, |data, client| {
        tally.add(data, client);
        Ok(())
    })?;
    let Period { first, last, .. } = about.period;
    match format {
        Format::Csv => {
            let text = tally.csv().map_err(unreadable)?;
            write!(out, "{text}")?;
        }
        Format::Json => {
            let mut json = serde_json::json!({ "from": first, "to": last, "timeZone": about.zone });
            if let (Some(members), serde_json::Value::Object(figures)) = (json.as_object_mut(), tally.json()) {
                members.extend(figures);
            }
            writeln!(out, "{json:#}")?;
        }
        Format::Table | Format::Data => writeln!(out, "{first} to {last}, {}\n\n{}", about.zone, tally.table())?,
    }
    Ok(())
}

/// Does something with the data of each entry of the period; the first failure ends it.
fn each_data(
    about: &About,
    each: impl FnOnce(Timestamp, Timestamp, Take<'_>) -> Result<(), ReviewError>,
    mut with: impl FnMut(&MetricData, &str) -> Result<(), ReviewError>,
) -> Result<(), ReviewError> {
    let Period { start, end, .. } = about.period;
    let mut outcome = Ok(());
    each(start, end, &mut |entry, feedback| {
        // Whether the moment at which the last day is over belongs to it is not left to who hands out.
        if !about.period.contains(entry.at) {
            return ControlFlow::Continue(());
        }
        let data = MetricData::of(&entry, &feedback, &about.payer);
        let data = data.map_err(unreadable);
        outcome = data.and_then(|data| with(&data, &entry.client));
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use uuid::Uuid;

    /// An entry of an answer without orders, or of a refusal.
    fn entry(at: &str, status: u16) -> Entry {
        let (id, at) = (Uuid::new_v4(), at.parse().unwrap());
        let response = if status == 200 { r#"{"cards":[]}"# } else { r#"{"issue":[{"code":"required"}]}"# };
        Entry {
            status,
            took_micros: 3000,
            request: "{}".into(),
            response: response.into(),
            ..Entry::asked(id, at, date(2026, 11, 22), id, "order-sign-crd", "ehr", "")
        }
    }

    /// What is written of entries of the day; how many of them were looked at.
    fn written(format: Format, entries: &[Entry]) -> (Result<String, String>, usize) {
        let (day, mut taken) = (Some(date(2026, 11, 22)), 0);
        let zone = "America/New_York";
        let period = Period::of(day, day, date(2026, 12, 1), &TimeZone::get(zone).unwrap()).unwrap();
        let about =
            About { period, zone: zone.to_owned(), payer: Identifier { system: "urn:x".into(), value: "1".into() } };
        let mut out = Vec::new();
        let outcome = write(&mut out, format, &about, |from, to, take| {
            let (from, to) = (from.to_string(), to.to_string());
            assert_eq!([&*from, &*to], ["2026-11-22T05:00:00Z", "2026-11-23T05:00:00Z"]);
            for entry in entries {
                taken += 1;
                if take(entry.clone(), Vec::new()).is_break() {
                    break;
                }
            }
            Ok(())
        });
        let text = String::from_utf8(out).unwrap();
        (outcome.map(|()| text).map_err(|error| error.to_string()), taken)
    }

    #[test]
    fn each_format_says_what_was_between_the_days() {
        let entries = [
            entry("2026-11-22T04:59:59Z", 200),
            entry("2026-11-22T05:00:00Z", 200),
            entry("2026-11-23T04:59:59Z", 400),
            entry("2026-11-23T05:00:00Z", 200),
        ];
        let text = |format| written(format, &entries).0.unwrap();
        let table = text(Format::Table);
        assert!(table.starts_with("2026-11-22 to 2026-11-22, America/New_York\n\n"), "{table}");
        let total: Vec<&str> = table.lines().find(|line| line.contains("total")).unwrap().split_whitespace().collect();
        assert_eq!(total.get(..4), Some(&["total", "2", "1", "1"][..]));
        assert!(text(Format::Csv).contains("\ntotal,,,invocations,2,,\n"), "{}", text(Format::Csv));
        let json: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
        let at = |pointer| json.pointer(pointer).unwrap().to_string();
        assert_eq!([at("/from"), at("/timeZone")], ["\"2026-11-22\"", "\"America/New_York\""]);
        assert_eq!(at("/total/invocations"), "2");
        let data = text(Format::Data);
        let lines: Vec<serde_json::Value> = data.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let statuses: Vec<_> = lines.iter().map(|line| line.get("httpResponse").unwrap().to_string()).collect();
        assert_eq!(statuses, ["200", "400"]);
    }

    #[test]
    fn the_first_entry_that_cannot_be_read_ends_it_and_is_named() {
        let broken = Entry { response: "".into(), ..entry("2026-11-22T12:00:00Z", 200) };
        let id = broken.id;
        let entries = [entry("2026-11-22T11:00:00Z", 200), broken, entry("2026-11-22T13:00:00Z", 200)];
        for format in [Format::Table, Format::Data] {
            let (outcome, taken) = written(format, &entries);
            assert_eq!(outcome.unwrap_err(), format!("the response of the entry {id} cannot be read"));
            assert_eq!(taken, 2);
        }
    }
}
