//! A tally as a person, a spreadsheet or a program reads it.

use std::borrow::Cow;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use super::tally::{Figures, Share, Tally};

impl Tally {
    /// Every segment: how it is told apart, its name, and its figures.
    fn segments(&self) -> impl Iterator<Item = (&'static str, &str, &Figures)> {
        let kinds = [("hook", &self.hooks), ("client", &self.clients), ("policy", &self.policies)];
        let parts = kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |(name, it)| (kind, &**name, it)));
        std::iter::once(("total", "", &self.total)).chain(parts)
    }

    /// For a terminal: calls, orders, what they need and why calls were refused, each by segment. The numbers are the guide's.
    #[must_use]
    pub fn table(&self) -> String {
        let calls = |it: &Figures| {
            let [.., in_time] = it.shares().map(shown);
            let counts = [it.invocations, it.answered, it.refusals()].map(|count| count.to_string());
            let latency = &it.latency;
            let times = [latency.percentile(50), latency.percentile(99), latency.max()].map(millis);
            counts.into_iter().chain([in_time]).chain(times).collect()
        };
        let orders = |it: &Figures| {
            let [results, covered, not_covered, conditional, indeterminate, ..] = it.shares().map(shown);
            vec![it.orders.to_string(), results, covered, not_covered, conditional, indeterminate]
        };
        let needs = |it: &Figures| {
            let [.., pa, documents, satisfied, _] = it.shares().map(shown);
            vec![it.pa.to_string(), pa, it.documents.to_string(), documents, satisfied]
        };
        let calls =
            self.section(&["calls", "answered", "refused", "6: under 5 s", "p50 ms", "p99 ms", "max ms"], calls);
        let heads = ["orders", "1: results", "2: covered", "2: not covered", "2: conditional", "2: indeterminate"];
        let orders = self.section(&heads, orders);
        let heads = ["PA needed", "3: with form", "documents needed", "4: with form", "5: PA satisfied"];
        let needs = self.section(&heads, needs);
        [calls, orders, needs, self.refused()].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    fn section(&self, heads: &[&str], cells: impl Fn(&Figures) -> Vec<String>) -> String {
        let mut table = table(&[&["", ""], heads].concat());
        for (kind, name, figures) in self.segments() {
            table.add_row([vec![kind.to_owned(), printable(name)], cells(figures)].concat());
        }
        aligned(table)
    }

    fn refused(&self) -> String {
        let mut table = table(&["", "", "refused for", "calls"]);
        for (kind, name, figures) in self.segments() {
            for (issue, count) in &figures.refused {
                table.add_row([kind.to_owned(), printable(name), issue.clone(), count.to_string()]);
            }
        }
        if self.total.refused.is_empty() { String::new() } else { aligned(table) }
    }

    /// For a spreadsheet: a row for each measure of each segment. What a program would run as a formula is made text.
    ///
    /// # Errors
    /// None that writing to memory could have.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        rows.write_record(["by", "segment", "metric", "measure", "value", "of", "percent"])?;
        for (kind, name, figures) in self.segments() {
            let name = no_formula(name);
            let mut row = |number: &str, measure: &str, value: u64, of: &str, percent: &str| {
                rows.write_record([kind, &name, number, measure, &value.to_string(), of, percent])
            };
            row("", "invocations", figures.invocations, "", "")?;
            row("", "answered", figures.answered, "", "")?;
            row("", "refused", figures.refusals(), "", "")?;
            for (issue, count) in &figures.refused {
                row("", &format!("refused: {issue}"), *count, "", "")?;
            }
            row("", "orders", figures.orders, "", "")?;
            for share in figures.shares() {
                let percent = share.permille().map(tenths).unwrap_or_default();
                row(&share.number.to_string(), share.name, share.volume, &share.of.to_string(), &percent)?;
            }
            for (measure, micros) in times(figures) {
                if let Some(micros) = micros {
                    row("", measure, micros, "", "")?;
                }
            }
        }
        rows.flush()?;
        let bytes = rows.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// For a program.
    #[must_use]
    pub fn json(&self) -> Value {
        let all = |segments: &std::collections::BTreeMap<String, Figures>| {
            Value::Object(segments.iter().map(|(name, it)| (name.clone(), figures(it))).collect())
        };
        json!({
            "total": figures(&self.total),
            "hook": all(&self.hooks),
            "client": all(&self.clients),
            "policy": all(&self.policies),
        })
    }
}

fn figures(it: &Figures) -> Value {
    let metrics = it.shares().map(|share| {
        let percent = share.permille().map(tenths).and_then(|text| text.parse::<serde_json::Number>().ok());
        json!({
            "number": share.number, "measure": share.name, "volume": share.volume, "of": share.of, "percent": percent
        })
    });
    let times: Map<String, Value> =
        times(it).into_iter().map(|(name, micros)| (name.to_owned(), json!(micros))).collect();
    let mut all = json!({
        "invocations": it.invocations, "answered": it.answered, "refused": it.refusals(), "issues": it.refused,
        "orders": it.orders, "metrics": metrics
    });
    if let Some(members) = all.as_object_mut() {
        members.extend(times);
    }
    all
}

fn times(it: &Figures) -> [(&'static str, Option<u64>); 3] {
    let latency = &it.latency;
    [("p50-micros", latency.percentile(50)), ("p99-micros", latency.percentile(99)), ("max-micros", latency.max())]
}

/// `12   85.7%`
fn shown(share: Share) -> String {
    let percent = share.permille().map_or_else(|| "–".to_owned(), |it| format!("{}%", tenths(it)));
    format!("{} {percent:>7}", share.volume)
}

/// `85.7`
fn tenths(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

/// Microseconds as milliseconds: `1.7`
fn millis(micros: Option<u64>) -> String {
    micros.map_or_else(|| "–".to_owned(), |micros| tenths(micros.saturating_add(50) / 100))
}

/// A name as a terminal may see it: without what would move its cursor or colour it.
fn printable(name: &str) -> String {
    name.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect()
}

/// A name as a spreadsheet may see it: one that begins as a formula does is marked as text.
fn no_formula(name: &str) -> Cow<'_, str> {
    let first = name.trim_start().chars().next();
    let formula = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    let formula = formula || name.starts_with(['\t', '\r', '\n']);
    if formula { Cow::Owned(format!("'{name}")) } else { Cow::Borrowed(name) }
}

fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads);
    table
}

/// Names to the left, numbers to the right.
fn aligned(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}
