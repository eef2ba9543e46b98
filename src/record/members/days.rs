//! The days that a FHIR date stands for.

use jiff::Timestamp;
use jiff::civil::Date;

/// First and last day of a date or dateTime, as written: `2026` is the whole year. None if there is no such date.
pub(super) fn days(text: &str) -> Option<(Date, Date)> {
    if let Some((day, _)) = text.split_once('T') {
        text.parse::<Timestamp>().ok()?;
        let day = day.parse().ok()?;
        return Some((day, day));
    }
    let mut parts = text.split('-');
    let year: i16 = parts.next()?.parse().ok()?;
    let (month, day) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    let Some(month) = month else { return Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?)) };
    let month = month.parse().ok()?;
    let Some(day) = day else {
        let first = Date::new(year, month, 1).ok()?;
        return Some((first, first.last_of_month()));
    };
    let day = Date::new(year, month, day.parse().ok()?).ok()?;
    Some((day, day))
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn a_partial_date_is_all_its_days() {
        let span = |text| days(text).map(|(first, last)| format!("{first} {last}")).unwrap_or_default();
        assert_eq!(span("2026"), "2026-01-01 2026-12-31");
        assert_eq!(span("2024-02"), "2024-02-01 2024-02-29");
        assert_eq!(span("2024-02-29"), "2024-02-29 2024-02-29");
        assert_eq!(span("2026-11-22T23:30:00-08:00"), "2026-11-22 2026-11-22");
        for none in ["", "soon", "2026-13", "2026-02-29", "2026-01-01-01", "2026-11-22T25:00:00Z"] {
            assert_eq!(span(none), "", "{none}");
        }
    }
}
