//! The days that are looked at.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Whole days in the payer's time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub first: Date,
    /// The last day.
    pub last: Date,
    /// When the first day begins.
    pub start: Timestamp,
    /// When the last day is over.
    pub end: Timestamp,
}

/// Days that are no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It ends before it begins.
    #[error("the last day, {1}, is before the first, {0}")]
    Backwards(Date, Date),
    /// Before or after all days that there are.
    #[error("there are no such days")]
    OutOfRange,
}

/// How many days are looked at where none are named.
const USUAL: i64 = 30;

impl Period {
    /// From a first to a last day, both in it: without a last day up to today, without a first day thirty days.
    ///
    /// # Errors
    /// [`PeriodError`]
    pub fn of(first: Option<Date>, last: Option<Date>, today: Date, zone: &TimeZone) -> Result<Self, PeriodError> {
        let last = last.unwrap_or(today);
        let before = || last.checked_sub(Span::new().days(USUAL - 1)).map_err(|_| PeriodError::OutOfRange);
        let first = first.map_or_else(before, Ok)?;
        if last < first {
            return Err(PeriodError::Backwards(first, last));
        }
        let after = last.tomorrow().map_err(|_| PeriodError::OutOfRange)?;
        let begins = |day: Date| day.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
        let out = |_| PeriodError::OutOfRange;
        Ok(Self { first, last, start: begins(first).map_err(out)?, end: begins(after).map_err(out)? })
    }

    /// Whether a moment is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        (self.start..self.end).contains(&at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Period, PeriodError};
    use jiff::civil::{Date, date};
    use jiff::tz::TimeZone;

    const TODAY: Date = date(2026, 11, 22);

    fn period(first: Option<Date>, last: Option<Date>) -> Result<Period, PeriodError> {
        Period::of(first, last, TODAY, &TimeZone::get("America/New_York").unwrap())
    }

    #[test]
    fn a_period_is_the_last_thirty_days_unless_others_are_named() {
        let usual = period(None, None).unwrap();
        assert_eq!((usual.first, usual.last), (date(2026, 10, 24), TODAY));
        let month = period(None, Some(date(2026, 3, 1))).unwrap();
        assert_eq!((month.first, month.last), (date(2026, 1, 31), date(2026, 3, 1)));
        assert_eq!(period(Some(date(2026, 1, 1)), None).unwrap().last, TODAY);
        let tomorrow = date(2026, 11, 23);
        assert_eq!(period(Some(tomorrow), None), Err(PeriodError::Backwards(tomorrow, TODAY)));
        assert_eq!(period(None, Some(Date::MAX)), Err(PeriodError::OutOfRange));
    }

    #[test]
    fn days_are_those_of_the_payers_time_zone_and_the_last_is_in_the_period() {
        // On 1 November 2026 clocks go back: the day has 25 hours.
        let day = period(Some(date(2026, 11, 1)), Some(date(2026, 11, 1))).unwrap();
        assert_eq!(
            (day.start.to_string(), day.end.to_string()),
            ("2026-11-01T04:00:00Z".into(), "2026-11-02T05:00:00Z".into())
        );
        for (at, inside) in [
            ("2026-11-01T03:59:59.999Z", false),
            ("2026-11-01T04:00:00Z", true),
            ("2026-11-02T04:59:59.999Z", true),
            ("2026-11-02T05:00:00Z", false),
        ] {
            assert_eq!(day.contains(at.parse().unwrap()), inside, "{at}");
        }
    }
}
