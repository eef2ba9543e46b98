//! Figures in words: counts, times and moments as people read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A count with its thousands apart: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// What a call took, of microseconds: `840 µs`, `4.2 ms`, `120 ms`, `1.3 s`.
pub(super) fn took(micros: u64) -> String {
    // In tenths of the unit, rounded up: a time is not told shorter than it is.
    let tenths = |unit: u64| micros.div_ceil(unit / 10);
    let written = |tenths: u64, unit| match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, _) if whole >= 10 => format!("{} {unit}", whole + 1),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    };
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..999_001 => written(tenths(1_000), "ms"),
        _ => written(tenths(1_000_000), "s"),
    }
}

/// A span of time in its two largest units: `3 days 4 h`, `12 min 5 s`.
pub(super) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

/// A moment by the payer's clock: `2026-11-24 18:06:16`.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%F %T").to_string()
}

/// A minute by the payer's clock: `18:06`.
pub(super) fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        let said = [0, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(said, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn a_time_is_told_in_its_unit_and_never_shorter_than_it_is() {
        for (micros, said) in [
            (0, "0 µs"),
            (840, "840 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (4_150, "4.2 ms"),
            (9_901, "10 ms"),
            (10_001, "11 ms"),
            (120_000, "120 ms"),
            (999_000, "999 ms"),
            (999_001, "1 s"),
            (1_250_000, "1.3 s"),
            (60_000_000, "60 s"),
        ] {
            assert_eq!(took(micros), said, "{micros}");
        }
    }

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let said =
            [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 90_000, 266_400].map(|it| lasting(Duration::from_secs(it)));
        let words = [
            "0 s",
            "59 s",
            "1 min 0 s",
            "59 min 59 s",
            "1 h 0 min",
            "23 h 59 min",
            "1 day 0 h",
            "1 day 1 h",
            "3 days 2 h",
        ];
        assert_eq!(said, words);
    }

    #[test]
    fn moments_are_told_by_the_payers_clock() {
        let (at, zone) = (Timestamp::UNIX_EPOCH, TimeZone::fixed(jiff::tz::offset(-5)));
        assert_eq!((moment(at, &zone), minute(at, &zone)), ("1969-12-31 19:00:00".to_owned(), "19:00".to_owned()));
    }
}
