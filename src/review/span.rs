//! From when and until when, as people write it: days in the payer's time zone, moments, and ages.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A day, or a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// A day in the payer's time zone: `2026-11-24`.
    Day(Date),
    /// A moment: `2026-11-24T10:00:00-05:00`.
    Moment(Timestamp),
}

/// What is no day, moment or age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotWritten(&'static str);

impl FromStr for Edge {
    type Err = NotWritten;

    fn from_str(text: &str) -> Result<Self, NotWritten> {
        let wrong = NotWritten("neither a day, such as 2026-11-24, nor a moment, such as 2026-11-24T10:00:00-05:00");
        let parsed =
            if text.len() == 10 { text.parse().ok().map(Self::Day) } else { text.parse().ok().map(Self::Moment) };
        parsed.ok_or(wrong)
    }
}

impl Edge {
    /// The moment with which it begins, if there is one.
    #[must_use]
    pub fn begins(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Day(day) => day.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()),
            Self::Moment(at) => Some(at),
        }
    }

    /// The first moment that is not of it any more: the end of the day, or the moment itself.
    #[must_use]
    pub fn ends(self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Day(day) => Self::Day(day.tomorrow().ok()?).begins(zone),
            Self::Moment(at) => Some(at),
        }
    }
}

/// How old something is: `6y`, `2200d`.
#[derive(Debug, Clone, Copy)]
pub struct Age(Span);

impl FromStr for Age {
    type Err = NotWritten;

    fn from_str(text: &str) -> Result<Self, NotWritten> {
        let wrong = NotWritten("not an age in years or days, such as 6y or 2200d");
        let (unit, number) = (text.chars().last(), text.get(..text.len().saturating_sub(1)));
        let number = number.filter(|number| number.bytes().all(|it| it.is_ascii_digit()));
        let number: i64 = number.and_then(|number| number.parse().ok()).ok_or(wrong)?;
        let span = match unit {
            Some('y') => Span::new().try_years(number),
            Some('d') => Span::new().try_days(number),
            _ => return Err(wrong),
        };
        span.map(Self).map_err(|_| wrong)
    }
}

impl Age {
    /// Six years: as long as records have to be kept (45 CFR 164.316(b)(2)).
    #[must_use]
    pub fn six_years() -> Self {
        Self(Span::new().years(6))
    }

    /// The moment that was so long ago, in the payer's time zone, if there was one.
    #[must_use]
    pub fn ago(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        now.to_zoned(zone.clone()).checked_sub(self.0).ok().map(|zoned| zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Age, Edge};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn zone() -> TimeZone {
        TimeZone::get("America/New_York").unwrap()
    }

    #[test]
    fn a_day_is_the_payers_and_a_moment_is_itself() {
        let edge = |text: &str| text.parse::<Edge>().unwrap();
        let said = |at: Option<Timestamp>| at.unwrap().to_string();
        // On 1 November 2026 clocks go back: the day has 25 hours.
        assert_eq!(said(edge("2026-11-01").begins(&zone())), "2026-11-01T04:00:00Z");
        assert_eq!(said(edge("2026-11-01").ends(&zone())), "2026-11-02T05:00:00Z");
        let moment = edge("2026-11-01T10:00:00.5-05:00");
        assert_eq!(said(moment.begins(&zone())), "2026-11-01T15:00:00.5Z");
        assert_eq!(moment.begins(&zone()), moment.ends(&zone()));
        for wrong in ["", "yesterday", "2026-02-30", "2026-11-01T10:00:00", "20261101", "2026-11"] {
            assert!(wrong.parse::<Edge>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_age_is_in_years_or_days_of_the_calendar() {
        let now = "2028-02-29T12:00:00Z".parse().unwrap();
        let ago = |text: &str| text.parse::<Age>().unwrap().ago(now, &zone()).unwrap().to_string();
        assert_eq!(ago("6y"), "2022-02-28T12:00:00Z");
        assert_eq!(ago("1d"), "2028-02-28T12:00:00Z");
        assert_eq!(Age::six_years().ago(now, &zone()).unwrap().to_string(), ago("6y"));
        for wrong in ["", "y", "6", "6m", "-6y", "6.5y", "6 y", "99999999999y", "é"] {
            assert!(wrong.parse::<Age>().is_err(), "{wrong}");
        }
    }
}
