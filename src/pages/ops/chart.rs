//! Charts: bars of the minutes of an hour, in a box of 600 by 100 that is drawn as wide as there is room.

use serde::Serialize;

/// Units from one bar to the next, and how wide a bar is.
const STEP: usize = 10;
const WIDTH: usize = 8;

/// The box's height. The shortest bar can still be seen.
const HEIGHT: u64 = 100;
const SHORTEST: u64 = 2;

/// A chart, whose scale begins at nought.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Chart {
    /// Its name in the page, of letters.
    id: &'static str,
    title: &'static str,
    /// What it shows, in a sentence.
    about: String,
    /// What its top and its middle stand for.
    top: String,
    middle: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Bar {
    x: usize,
    y: u64,
    width: usize,
    height: u64,
    /// What it stands for.
    says: String,
    /// Whether it may still grow.
    open: bool,
}

impl Chart {
    /// A chart of values, each with when it was; the last may still grow.
    pub(super) fn of(
        id: &'static str,
        title: &'static str,
        about: String,
        values: &[(String, u64)],
        word: fn(u64) -> String,
    ) -> Self {
        let top = top(values.iter().map(|(_, value)| *value).max().unwrap_or_default());
        let bars = values.iter().enumerate().filter(|(_, (_, value))| *value > 0).map(|(at, (when, value))| {
            let height = (value * HEIGHT).div_ceil(top).max(SHORTEST);
            Bar {
                x: at * STEP + 1,
                y: HEIGHT - height,
                width: WIDTH,
                height,
                says: format!("{when}: {}", word(*value)),
                open: at + 1 == values.len(),
            }
        });
        Self { id, title, about, top: word(top), middle: word(top / 2), bars: bars.collect() }
    }
}

/// The first of 2, 4, 10, 20, 40, 100 … that is not exceeded: its half is whole, too.
fn top(most: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [2, 4, 10] {
            let top = power.saturating_mul(step);
            if top >= most {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    fn chart(values: &[u64]) -> Chart {
        let values: Vec<_> = values.iter().enumerate().map(|(at, value)| (format!("00:{at:02}"), *value)).collect();
        Chart::of("answered", "Answered", String::new(), &values, |value| value.to_string())
    }

    #[test]
    fn the_scale_is_round_and_no_bar_is_higher() {
        for (most, said) in [(0, 2), (1, 2), (2, 2), (3, 4), (5, 10), (11, 20), (41, 100), (100, 100), (101, 200)] {
            assert_eq!(top(most), said, "{most}");
        }
        assert_eq!(top(u64::MAX), u64::MAX);
        let chart = chart(&[10, 5, 3]);
        assert_eq!((chart.top, chart.middle), ("10".to_owned(), "5".to_owned()));
        let drawn: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height, bar.open)).collect();
        assert_eq!(drawn, [(1, 0, 100, false), (11, 50, 50, false), (21, 70, 30, true)]);
    }

    #[test]
    fn one_of_many_can_still_be_seen_and_none_cannot() {
        let chart = chart(&[1_000_000, 0, 1]);
        assert_eq!((chart.bars.len(), chart.bars[1].x, chart.bars[1].height), (2, 21, SHORTEST));
        assert_eq!(chart.bars[1].says, "00:02: 1");
    }
}
