//! `covenant explain ID`: prints a recorded determination with its trace.

use std::io::Write;

use covenant::config::Settings;
use covenant::record::{self, Entry};
use covenant::render::explanation::{Decided, Explanation};

use super::{CommandError, must_be_there};

/// Runs the command.
pub(super) fn run(settings: &Settings, assertion_id: &str) -> Result<(), CommandError> {
    let entry = find(settings, assertion_id)?;
    let explanations: Vec<Explanation> = serde_json::from_str(&entry.determinations)
        .map_err(|_| CommandError::Other("the entry's determinations cannot be read".to_owned()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} answered {} on {}", entry.service, entry.client, entry.at)?;
    writeln!(out, "CRD {}, policy set {}", entry.crd_version, entry.policy_set)?;
    for explanation in explanations.iter().filter(|explanation| explanation.assertion == assertion_id) {
        writeln!(out, "\n{}, assertion {}", explanation.order, explanation.assertion)?;
        for decided in &explanation.determinations {
            determination(&mut out, decided)?;
        }
    }
    Ok(())
}

/// The entry of an assertion.
pub(super) fn find(settings: &Settings, assertion_id: &str) -> Result<Entry, CommandError> {
    must_be_there(&settings.ledger)?;
    let entry = record::open(&settings.ledger)?.entry(assertion_id)?;
    entry.ok_or_else(|| CommandError::Other("no entry of the ledger promised this assertion id".to_owned()))
}

fn determination(out: &mut impl Write, decided: &Decided) -> std::io::Result<()> {
    let code = decided.billing_code.as_deref().unwrap_or("the order as a whole");
    write!(out, "\n  {code}: {}", decided.covered)?;
    if let Some(pa_needed) = &decided.pa_needed {
        write!(out, ", prior authorization {pa_needed}")?;
    }
    if !decided.info_needed.is_empty() {
        write!(out, ", needs {}", decided.info_needed.join(", "))?;
    }
    writeln!(out)?;
    for reason in &decided.reasons {
        writeln!(out, "    because  {reason}")?;
    }
    for rule in &decided.rules {
        let version = if rule.version.is_empty() { String::new() } else { format!(" version {}", rule.version) };
        writeln!(out, "    rule     policy {}{version}, {}", rule.policy, rule.action)?;
        for passage in &rule.passages {
            writeln!(out, "             {passage}")?;
        }
    }
    for (word, facts) in [("known", &decided.known), ("missing", &decided.missing), ("shown", &decided.shown)] {
        if !facts.is_empty() {
            writeln!(out, "    {word:8} {}", facts.join("; "))?;
        }
    }
    Ok(())
}
