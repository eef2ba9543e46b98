//! How long answers took, counted so that a million take no more memory than a thousand.

use std::collections::BTreeMap;

/// Durations in microseconds, each rounded up to six binary digits: there are less than two thousand such numbers, and
/// none is more than a thirty-second above what it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latency {
    counts: BTreeMap<u64, u64>,
    count: u64,
    max: u64,
}

impl Latency {
    /// Counts a duration.
    pub(super) fn add(&mut self, micros: u64) {
        *self.counts.entry(rounded(micros)).or_default() += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    /// The duration that so many percent did not exceed; none of nothing.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let mut before = 0;
        let found = self.counts.iter().find(|(_, count)| {
            before += **count;
            before >= rank
        });
        found.map(|(micros, _)| (*micros).min(self.max))
    }

    /// The longest, to the microsecond; none of nothing.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }
}

fn rounded(micros: u64) -> u64 {
    let spare = (u64::BITS - micros.leading_zeros()).saturating_sub(6);
    micros | ((1 << spare) - 1)
}

#[cfg(test)]
mod tests {
    use super::{Latency, rounded};

    #[test]
    fn a_percentile_is_never_too_low_and_at_most_a_thirty_second_too_high() {
        let mut latency = Latency::default();
        (1..=100_000).for_each(|micros| latency.add(micros));
        for percent in [1, 50, 90, 99, 100] {
            let (exact, said) = (percent * 1000, latency.percentile(percent).unwrap_or_default());
            assert!((exact..=exact + exact / 32).contains(&said), "{percent}: {said}");
        }
        assert_eq!(latency.max(), Some(100_000));
        assert_eq!(latency.percentile(100), Some(100_000));
        assert_eq!((Latency::default().percentile(50), Latency::default().max()), (None, None));
    }

    #[test]
    fn one_duration_is_every_percentile() {
        let mut latency = Latency::default();
        latency.add(1_234_567);
        assert_eq!([1, 50, 99].map(|percent| latency.percentile(percent)), [Some(1_234_567); 3]);
    }

    #[test]
    fn memory_has_a_bound_however_many_durations_there_are() {
        let mut latency = Latency::default();
        for exponent in 0..64 {
            (0..1000_u64).for_each(|step| {
                latency.add((1 << exponent) | step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (63 - exponent))
            });
        }
        assert!(latency.counts.len() < 2000, "{}", latency.counts.len());
        assert_eq!([0, 1, 63, 64, 100, u64::MAX].map(rounded), [0, 1, 63, 65, 101, u64::MAX]);
    }
}
