//! Looking for entries by what is known of them.

use bytes::Bytes;
use jiff::Timestamp;

use super::draft::Kind;
use super::key::Word;
use super::reads::Reads;
use super::row::{Place, Row};
use super::shelf::Span;
use super::{Entry, LedgerError};

/// Rows that are read at once, packed: each may be of a few megabytes.
const PAGE: u32 = 16;

/// What is known of the entries that are looked for. All of it must be so.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// A coverage-assertion-id that it promised.
    pub assertion: Option<String>,
    /// `hookInstance`
    pub hook_instance: Option<String>,
    /// A number by which the payer knows the patient: a subscriber or member id of the Coverage.
    pub member: Option<String>,
    /// The client that asked.
    pub client: Option<String>,
    /// The number of a policy that decided.
    pub policy: Option<String>,
    /// Asked at this moment or later.
    pub from: Option<Timestamp>,
    /// Asked before this moment.
    pub before: Option<Timestamp>,
}

/// Names what is asked for, and no value: a member's number tells of a patient.
impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words())
    }
}

impl Search {
    /// What is asked for, in words, without what would tell of a patient: for the record of the look.
    #[must_use]
    pub fn words(&self) -> String {
        let plain = [
            ("assertion", &self.assertion),
            ("hook instance", &self.hook_instance),
            ("client", &self.client),
            ("policy", &self.policy),
        ];
        let mut words: Vec<String> =
            plain.iter().filter_map(|(word, value)| value.as_ref().map(|value| format!("{word} {value}"))).collect();
        words.extend(self.member.as_ref().map(|_| "a member".to_owned()));
        words.extend(self.from.map(|at| format!("from {at}")));
        words.extend(self.before.map(|at| format!("before {at}")));
        if words.is_empty() { "anything".to_owned() } else { words.join(", ") }
    }

    fn span(&self) -> Span {
        Span::of(self.from.unwrap_or(Timestamp::MIN), self.before.unwrap_or(Timestamp::MAX))
    }

    /// What fewest entries have in common, of what is asked for.
    fn narrowest(&self) -> Option<(Word, &str)> {
        let terms = [
            (Word::HookInstance, &self.hook_instance),
            (Word::Member, &self.member),
            (Word::Policy, &self.policy),
            (Word::Client, &self.client),
        ];
        terms.into_iter().find_map(|(word, value)| value.as_deref().map(|value| (word, value)))
    }

    fn fits(&self, entry: &Entry) -> bool {
        let among = |wanted: &Option<String>, own: &[String]| {
            wanted.as_ref().is_none_or(|wanted| own.iter().any(|own| own.trim() == wanted.trim()))
        };
        let is = |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|wanted| own.trim() == wanted.trim());
        among(&self.assertion, &entry.assertions)
            && among(&self.member, &entry.members)
            && among(&self.policy, &entry.policies)
            && is(&self.hook_instance, &entry.hook_instance)
            && is(&self.client, &entry.client)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.before.is_none_or(|before| entry.at < before)
    }
}

impl Reads<'_> {
    /// The entries that fit, the newest first, at most so many, without their bodies: of many all together could be more than
    /// the memory holds.
    pub(super) fn search(&self, search: &Search, most: usize) -> Result<Vec<Entry>, LedgerError> {
        if let Some(assertion) = &search.assertion {
            let entry = self.entry(Word::Assertion, assertion)?;
            return Ok(entry.filter(|entry| search.fits(entry)).map(without_bodies).into_iter().take(most).collect());
        }
        let mut found = match search.narrowest() {
            Some((word, value)) => {
                let mut found = Vec::new();
                // Many entries have a policy, and many a client, of which few may have both.
                let also = search.client.as_deref().filter(|_| word != Word::Client);
                let also = also.map(|client| self.keyring.key(Word::Client, client));
                for key in self.keyring.lookups(word, value) {
                    let pages = |before: Option<Place>| {
                        let places = self.shelf.with_term(&key, also.as_ref(), search.span(), before, PAGE)?;
                        self.in_order(&places)
                    };
                    found.extend(self.matching(search, most, pages)?);
                }
                found
            }
            None => self.matching(search, most, |before| self.shelf.latest(search.span(), before, PAGE))?,
        };
        found.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        found.truncate(most);
        Ok(found)
    }

    /// Takes what fits out of pages of rows, each page after the last place of the one before it.
    fn matching(
        &self,
        search: &Search,
        most: usize,
        pages: impl Fn(Option<Place>) -> Result<Vec<Row>, LedgerError>,
    ) -> Result<Vec<Entry>, LedgerError> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let rows = pages(before)?;
            for row in &rows {
                if found.len() == most {
                    return Ok(found);
                }
                if row.sound()?.kind()? == Kind::Entry {
                    found.extend(Some(self.open(row)?).filter(|entry| search.fits(entry)).map(without_bodies));
                }
            }
            before = rows.last().map(Row::place);
            if rows.len() < PAGE as usize {
                return Ok(found);
            }
        }
    }

    /// The rows of places, in the places' order.
    fn in_order(&self, places: &[Place]) -> Result<Vec<Row>, LedgerError> {
        let mut rows = self.shelf.rows(places)?;
        if rows.len() < places.len() {
            return Err(LedgerError::Corrupt);
        }
        rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.node, row.seq)));
        Ok(rows)
    }
}

/// An entry as it is found: what it is known by. Whoever wants more asks for it by its id.
fn without_bodies(entry: Entry) -> Entry {
    Entry {
        request: Bytes::new(),
        response: Bytes::new(),
        determinations: String::new(),
        learned: String::new(),
        ..entry
    }
}
