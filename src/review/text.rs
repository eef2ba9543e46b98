//! An explanation as text, to be read at a desk.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Explained, ExplainedCard, ExplainedOrder, InWords};
use crate::record::Outcome;
use crate::render::explanation::Rule;

impl Explained {
    /// As text, with times in a time zone.
    #[must_use]
    pub fn text(&self, zone: &TimeZone) -> String {
        Text { explained: self, zone }.to_string()
    }
}

struct Text<'e> {
    explained: &'e Explained,
    zone: &'e TimeZone,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Explained { id, at, hook, service, client, crd_version, policy_set, orders, .. } = self.explained;
        writeln!(f, "{service} answered {client} on {}", self.when(*at))?;
        writeln!(f, "invocation {id}, hook {hook}")?;
        if crd_version.is_empty() {
            writeln!(f, "policy set {policy_set}")?;
        } else {
            writeln!(f, "CRD {crd_version}, policy set {policy_set}")?;
        }
        if let Some(refused) = &self.explained.refused {
            writeln!(f, "\nIt was refused: {refused}")?;
        }
        for order in orders {
            self.order(f, order)?;
        }
        self.cards(f, &self.explained.cards)?;
        self.looks(f)
    }
}

impl Text<'_> {
    fn when(&self, at: Timestamp) -> impl Display {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    fn order(&self, f: &mut Formatter<'_>, order: &ExplainedOrder) -> fmt::Result {
        writeln!(f, "\n{}, assertion {}", order.order, order.assertion)?;
        if !order.sent {
            writeln!(f, "  nothing was sent of it: the order had it already, or it was not wanted")?;
        }
        order.determinations.iter().try_for_each(|determination| self.determination(f, determination))
    }

    fn determination(&self, f: &mut Formatter<'_>, determination: &InWords) -> fmt::Result {
        let InWords { answer, reasons, rules, known, missing, needed, shown, .. } = determination;
        let code = determination.billing_code.as_deref().unwrap_or("the order as a whole");
        writeln!(f, "\n  {code}: {answer}")?;
        for reason in reasons {
            writeln!(f, "    because  {reason}")?;
        }
        for rule in rules {
            self.rule(f, rule)?;
        }
        for (word, what) in [("known", known), ("missing", missing), ("needed", needed), ("shown", shown)] {
            if !what.is_empty() {
                let what: Vec<String> = what.iter().map(|fact| without_systems(fact)).collect();
                writeln!(f, "    {word:8} {}", what.join("; "))?;
            }
        }
        Ok(())
    }

    fn rule(&self, f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
        let version = if rule.version.is_empty() { String::new() } else { format!(" version {}", rule.version) };
        writeln!(f, "    rule     policy {}{version}, {}", rule.policy, rule.action)?;
        for passage in &rule.passages {
            match passage.split_once(": ") {
                Some((heading, words)) => writeln!(f, "             {heading}: “{words}”")?,
                None => writeln!(f, "             “{passage}”")?,
            }
        }
        Ok(())
    }

    fn cards(&self, f: &mut Formatter<'_>, cards: &[ExplainedCard]) -> fmt::Result {
        if !cards.is_empty() {
            writeln!(f, "\nWhat was shown")?;
        }
        for card in cards {
            writeln!(f, "  {}\n    card     {}", card.summary, card.card)?;
            for told in &card.feedback {
                let outcome = match told.outcome {
                    Outcome::Accepted => "its suggestion was taken",
                    Outcome::Overridden => "it was set aside",
                };
                let reason = told.reason.as_deref().map(|reason| format!(", reason {reason}")).unwrap_or_default();
                let comment = if told.comment { ", with a comment that the whole entry has" } else { "" };
                writeln!(f, "    feedback {}: {outcome}{reason}{comment}", self.when(told.at))?;
            }
        }
        Ok(())
    }

    fn looks(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.explained.looks.is_empty() {
            writeln!(f, "\nWho looked at it before")?;
        }
        for look in &self.explained.looks {
            writeln!(f, "  {}  {}, {}: {}", self.when(look.at), look.who, look.how, look.asked)?;
        }
        Ok(())
    }
}

/// A fact without the addresses of code systems that have no name: `setting outpatient`.
fn without_systems(fact: &str) -> String {
    let is_system = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
    fact.split(' ').filter(|word| !is_system(word)).collect::<Vec<_>>().join(" ")
}
