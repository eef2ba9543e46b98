//! Numbers of rules and orders: exact, in thousandths, so that no bound is missed by a rounding.

/// A decimal as FHIR writes it, in thousandths; `None` if it is none, or finer or larger than that can say.
#[must_use]
pub fn thousandths(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let parts = (whole.parse::<i64>().ok()?, format!("{fraction:0<3}").parse::<i64>().ok()?);
    parts.0.checked_mul(1000)?.checked_add(parts.1)?.checked_mul(sign)
}

/// A number of thousandths as people write it: `17`, `2.5`.
#[must_use]
pub fn in_words(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, rest) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    let all = format!("{sign}{whole}.{rest:03}");
    all.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{in_words, thousandths};

    #[test]
    fn a_decimal_is_read_and_written_exactly() {
        for (text, number, word) in
            [("30", 30_000, "30"), ("2.50", 2_500, "2.5"), ("0.001", 1, "0.001"), ("-1", -1_000, "-1")]
        {
            assert_eq!(thousandths(text), Some(number), "{text}");
            assert_eq!(in_words(number), word);
        }
        for none in ["", "-", ".5", "1e3", "0.0001", "99999999999999999999", "1.5.2"] {
            assert_eq!(thousandths(none), None, "{none}");
        }
    }
}
