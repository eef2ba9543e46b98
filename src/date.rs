//! Reads FHIR dates: what the grammar and the calendar allow is a date, whatever moment a library can hold.

use jiff::civil::{Date, date};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};

use crate::decide::facts::Days;

/// The first and the last day that FHIR can write.
const FIRST: Date = date(1, 1, 1);
const LAST: Date = date(9999, 12, 31);

const SECONDS_A_DAY: i32 = 24 * 60 * 60;

/// The days of a date or dateTime, as written: `2026` is the whole year. A dateTime with a time is the day that its author
/// wrote. None if there is no such date.
#[must_use]
pub fn days(text: &str) -> Option<Days> {
    Written::read(text).map(|written| written.days)
}

/// The days of a date or dateTime, as a calendar in this time zone shows them. A dateTime with a time is a moment, and its
/// day is the one in the time zone, at most 9999-12-31. A date is itself.
#[must_use]
pub fn days_in(text: &str, zone: &TimeZone) -> Option<Days> {
    let written = Written::read(text)?;
    let Some(time) = written.time else { return Some(written.days) };
    let day = time.day_in(written.days.first, zone);
    Some(Days { first: day, last: day })
}

/// A date or dateTime, read.
struct Written {
    days: Days,
    time: Option<Time>,
}

/// The time of a dateTime.
#[derive(Clone, Copy)]
struct Time {
    /// Seconds since the day began, as written. A leap second is the second before it.
    second: i32,
    /// How far the writer's clock was ahead of UTC.
    offset: Offset,
}

impl Written {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`, as FHIR R4 has them.
    fn read(text: &str) -> Option<Self> {
        let (day, time) = match text.split_once('T') {
            Some((day, time)) => (day, Some(Time::read(time)?)),
            None => (text, None),
        };
        let (year, rest) = digits(day, 4)?;
        let year = i16::try_from(year).ok().filter(|year| *year > 0)?;
        let (month, rest) = after(rest, '-')?;
        let (day, rest) = after(rest, '-')?;
        let days = match (month, day) {
            _ if !rest.is_empty() => return None,
            (None, _) => Days { first: Date::new(year, 1, 1).ok()?, last: Date::new(year, 12, 31).ok()? },
            (Some(month), None) => {
                let first = Date::new(year, month, 1).ok()?;
                Days { first, last: first.last_of_month() }
            }
            (Some(month), Some(day)) => {
                let day = Date::new(year, month, day).ok()?;
                Days { first: day, last: day }
            }
        };
        // Only a whole date has a time.
        (time.is_none() || day.is_some()).then_some(Self { days, time })
    }
}

impl Time {
    /// Reads `hh:mm:ss[.f…](Z|±hh:mm)`.
    fn read(text: &str) -> Option<Self> {
        let (hour, rest) = digits(text, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
        let (second, rest) = digits(rest.strip_prefix(':')?, 2)?;
        let rest = match rest.strip_prefix('.') {
            Some(fraction) => {
                let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
                (zone.len() < fraction.len()).then_some(zone)?
            }
            None => rest,
        };
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        Some(Self { second: (hour * 60 + minute) * 60 + second.min(59), offset: offset(rest)? })
    }

    /// The day that a calendar in a time zone shows at this time of a day, as long as there are days.
    fn day_in(self, day: Date, zone: &TimeZone) -> Date {
        let (hour, minute, second) = (self.second / 3600, self.second / 60 % 60, self.second % 60);
        let small = |number: i32| i8::try_from(number).unwrap_or_default();
        let written = day.at(small(hour), small(minute), small(second), 0);
        // Time zones have no rules that begin in the last days of 9999.
        let moment = self.offset.to_timestamp(written).unwrap_or(Timestamp::MAX);
        let there = self.second - self.offset.seconds() + zone.to_offset(moment).seconds();
        let shifted = day.checked_add(Span::new().days(there.div_euclid(SECONDS_A_DAY)));
        shifted.unwrap_or(LAST).clamp(FIRST, LAST)
    }
}

/// `Z` or `±hh:mm`, at most 14 hours.
fn offset(text: &str) -> Option<Offset> {
    let (sign, text) = match text.chars().next()? {
        'Z' => return (text == "Z").then_some(Offset::UTC),
        '+' => (1, text.strip_prefix('+')?),
        _ => (-1, text.strip_prefix('-')?),
    };
    let (hours, rest) = digits(text, 2)?;
    let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let minutes = (rest.is_empty() && minutes < 60).then_some(hours * 60 + minutes)?;
    (minutes <= 14 * 60).then(|| Offset::from_seconds(sign * minutes * 60).ok())?
}

/// The number of exactly so many digits that a text begins with, and what follows.
fn digits(text: &str, count: usize) -> Option<(i32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    Some((number, rest))
}

/// The two digits after a separator, if it is there, and what follows.
fn after(text: &str, separator: char) -> Option<(Option<i8>, &str)> {
    let Some(text) = text.strip_prefix(separator) else { return Some((None, text)) };
    let (number, rest) = digits(text, 2)?;
    Some((Some(i8::try_from(number).ok()?), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::tz::TimeZone;

    use super::{Days, days, days_in};

    fn told(days: Option<Days>) -> String {
        days.map(|days| format!("{} {}", days.first, days.last)).unwrap_or_default()
    }

    /// One day, in a time zone.
    fn day(text: &str, zone: &str) -> String {
        let days = days_in(text, &TimeZone::get(zone).unwrap()).unwrap();
        assert_eq!(days.first, days.last);
        days.first.to_string()
    }

    #[test]
    fn p06_a_partial_date_is_all_its_days() {
        for (text, span) in [
            ("2026", "2026-01-01 2026-12-31"),
            ("2024-02", "2024-02-01 2024-02-29"),
            ("2024-02-29", "2024-02-29 2024-02-29"),
            ("0001", "0001-01-01 0001-12-31"),
            ("9999-12", "9999-12-01 9999-12-31"),
            ("2026-11-22T23:30:00-08:00", "2026-11-22 2026-11-22"),
        ] {
            assert_eq!(told(days(text)), span, "{text}");
        }
        for zone in ["Pacific/Kiritimati", "America/New_York"] {
            let zone = TimeZone::get(zone).unwrap();
            for text in ["2026", "2026-11", "2026-11-22"] {
                assert_eq!(told(days_in(text, &zone)), told(days(text)), "{text}");
            }
        }
    }

    #[test]
    fn the_grammar_and_the_calendar_decide_what_a_date_is() {
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59-14:00",
            "9999-12-30T23:00:00-05:00",
            "0001-01-01T00:00:00+14:00",
            "2016-12-31T23:59:60Z",
            "2024-02-29T00:00:00.0000000001+13:59",
            "2026-12-01T10:00:00.12345678901234567890123456789Z",
        ] {
            let day = text.split('T').next().unwrap();
            assert_eq!(told(days(text)), format!("{day} {day}"));
        }
        for none in [
            "",
            "soon",
            "0000",
            "026",
            "02026",
            "+2026",
            "2026-",
            "2026-1",
            "2026-13",
            "2026-00-01",
            "2026-02-29",
            "2026-02-30T10:00:00Z",
            "2026-01-01-01",
            "2026-01-1",
            " 2026",
            "2026-11-22 ",
            "2026T10:00:00Z",
            "2026-11T10:00:00Z",
            "2026-11-22T",
            "2026-11-22t10:00:00Z",
            "2026-11-22T10:00:00",
            "2026-11-22T10:00Z",
            "2026-11-22T10:00:00.Z",
            "2026-11-22T10:00:00z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T25:00:00Z",
            "2026-11-22T10:60:00Z",
            "2026-11-22T10:00:61Z",
            "2026-11-22T10:00:00+14:01",
            "2026-11-22T10:00:00+01:60",
            "2026-11-22T10:00:00+0100",
            "2026-11-22T10:00:00é",
            "２026",
        ] {
            assert_eq!(told(days(none)), "", "{none}");
        }
    }

    #[test]
    fn the_day_of_a_moment_is_the_one_in_the_time_zone() {
        for (moment, zone, expected) in [
            ("2026-12-01T04:59:59Z", "America/New_York", "2026-11-30"),
            ("2026-12-01T05:00:00Z", "America/New_York", "2026-12-01"),
            ("2026-07-01T03:59:59.999Z", "America/New_York", "2026-06-30"),
            ("2026-07-01T04:00:00Z", "America/New_York", "2026-07-01"),
            ("2026-11-30T23:59:59-05:00", "America/New_York", "2026-11-30"),
            ("2026-11-30T23:59:60-05:00", "America/New_York", "2026-11-30"),
            ("2024-02-28T23:00:00-14:00", "Pacific/Kiritimati", "2024-03-01"),
            ("2026-01-01T00:00:00+14:00", "Pacific/Pago_Pago", "2025-12-30"),
        ] {
            assert_eq!(day(moment, zone), expected, "{moment} in {zone}");
        }
    }

    #[test]
    fn the_end_of_time_is_a_day_in_every_time_zone() {
        for zone in ["UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
            assert_eq!(day("9999-12-31T23:59:59Z", zone), "9999-12-31", "{zone}");
            assert_eq!(day("9999-12-31T23:59:59-14:00", zone), "9999-12-31", "{zone}");
        }
        assert_eq!(day("9999-12-30T23:00:00-05:00", "America/New_York"), "9999-12-30");
        assert_eq!(day("9999-12-30T23:00:00-05:00", "UTC"), "9999-12-31");
        assert_eq!(day("0001-01-01T00:00:00+14:00", "UTC"), "0001-01-01");
    }
}
