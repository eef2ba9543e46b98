//! Looks a person and a coverage up in the generation that serves. The two are looked for separately (CRD resp-44, resp-45).

use std::collections::BTreeSet;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::Imported;
use super::key::{self, Key};
use crate::decide::facts::{Authorization, InForce, Membership, Standing};
use crate::gather::learned::MemberQuery;
use crate::record::LedgerError;
use crate::record::pack;

/// Something that so many people share identifies nobody: a number that stands for "none", a household's identifier.
const MOST_ALIKE: usize = 16;

/// Identifiers, numbers and pairs of names that are looked for: a person has a handful.
const MOST_ASKED: usize = 64;

/// Coverages and authorisations of one person that are read, the first by age of the row.
const MOST_OWNED: usize = 256;

/// What serves: its number and what was counted when it was imported; none before the first import.
pub(super) fn serving(connection: &Connection) -> Result<Option<(i64, Imported)>, LedgerError> {
    let sql = "SELECT generation, imported, patients, coverages, authorizations, passed_over FROM member_generations
               WHERE state = 'serving'";
    let read = |row: &rusqlite::Row<'_>| {
        let count = |index| row.get::<_, i64>(index).map(|count| u64::try_from(count).unwrap_or_default());
        Ok((row.get(0)?, row.get::<_, String>(1)?, [count(2)?, count(3)?, count(4)?, count(5)?]))
    };
    let Some((generation, at, counts)) = connection.prepare_cached(sql)?.query_row([], read).optional()? else {
        return Ok(None);
    };
    let [patients, coverages, authorizations, passed_over] = counts;
    let at = at.parse().map_err(|_| LedgerError::Corrupt)?;
    Ok(Some((generation, Imported { at, patients, coverages, authorizations, passed_over })))
}

/// What the directory says; nothing if there is none.
pub(super) fn find(connection: &Connection, query: &MemberQuery) -> Result<Option<Standing>, LedgerError> {
    // One view of the file for all that is read: an import may switch generations meanwhile.
    let transaction = connection.unchecked_transaction()?;
    let Some((generation, _)) = serving(&transaction)? else { return Ok(None) };
    let looking = Looking { file: &transaction, generation };
    let Some(person) = looking.person(query)? else { return Ok(Some(Standing::PersonUnknown)) };
    if !looking.has_a_sent_member_number(person, query)? {
        return Ok(Some(Standing::PersonUnknown));
    }
    let Some(coverage) = looking.coverage(person, query)? else { return Ok(Some(Standing::CoverageUnknown)) };
    looking.membership(person, &coverage).map(Standing::Member).map(Some)
}

struct Looking<'c> {
    file: &'c Transaction<'c>,
    generation: i64,
}

/// A coverage, as far as it takes to know which one it is.
struct Held {
    id: i64,
    numbers: Vec<String>,
    in_force: InForce,
}

impl Looking<'_> {
    /// The one person who is meant: by an identifier, else by a number and the date of birth, else by name and date of
    /// birth. Where one way leads to several people, the next may tell them apart.
    fn person(&self, query: &MemberQuery) -> Result<Option<u32>, LedgerError> {
        let identifiers = query.identifiers.iter().map(|(system, value)| key::identifier(system, value)).collect();
        let (mut numbers, mut names) = (Vec::new(), Vec::new());
        if let Some(born) = query.birth_date {
            numbers.extend(query.numbers.iter().map(|number| key::number(number, born)));
            let folded = |names: &[String]| names.iter().map(|name| key::folded(name)).collect::<Vec<_>>();
            let given = folded(&query.given);
            let pairs = folded(&query.family).into_iter().flat_map(|family| {
                let name = |given: &String| key::name(&family, given, born);
                given.iter().map(name).collect::<Vec<_>>()
            });
            names.extend(pairs.take(MOST_ASKED));
        }
        let mut meant: BTreeSet<i64> = BTreeSet::new();
        for way in [identifiers, numbers, names] {
            let found = self.people(&way)?;
            let both: BTreeSet<i64> = meant.intersection(&found).copied().collect();
            if meant.is_empty() {
                meant = found;
            } else if !both.is_empty() {
                meant = both;
            }
            if meant.len() == 1 {
                break;
            }
        }
        let one = meant.first().filter(|_| meant.len() == 1);
        Ok(one.and_then(|person| u32::try_from(*person).ok()))
    }

    /// Whether a person has one of the member numbers that were sent, if any were: of several, others may be another payer's.
    /// It is hers as an identifier, as her member number, or as a number of a coverage of hers.
    fn has_a_sent_member_number(&self, person: u32, query: &MemberQuery) -> Result<bool, LedgerError> {
        let sent: Vec<_> = query.member_numbers.iter().flatten().take(MOST_ASKED).collect();
        if sent.is_empty() {
            return Ok(true);
        }
        for (system, value) in &sent {
            let hers = |ids: Vec<i64>| ids.contains(&i64::from(person));
            let identifier = system.as_ref().map(|system| self.ids(&key::identifier(system, value), MOST_ALIKE));
            let identified = identifier.transpose()?.is_some_and(hers);
            if identified || !self.ids(&key::member_number(person, value), 1)?.is_empty() {
                return Ok(true);
            }
        }
        let held = self.held_by(person)?;
        let is = |number: &str| sent.iter().any(|(_, value)| value.trim() == number);
        Ok(held.iter().flat_map(|held| &held.numbers).any(|number| is(number)))
    }

    fn people(&self, keys: &[Key]) -> Result<BTreeSet<i64>, LedgerError> {
        let mut people = BTreeSet::new();
        for key in keys.iter().take(MOST_ASKED) {
            let alike = self.ids(key, MOST_ALIKE + 1)?;
            if alike.len() <= MOST_ALIKE {
                people.extend(alike);
            }
        }
        Ok(people)
    }

    fn ids(&self, key: &Key, most: usize) -> Result<Vec<i64>, LedgerError> {
        let sql = "SELECT id FROM member_keys WHERE generation = ?1 AND key = ?2 ORDER BY id LIMIT ?3";
        let mut statement = self.file.prepare_cached(sql)?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = statement.query_map((self.generation, key, most), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The one coverage of hers that is meant: by its numbers; where none of them is a coverage's own, her only one if
    /// one of them is her member number, or if there are none.
    fn coverage(&self, person: u32, query: &MemberQuery) -> Result<Option<Held>, LedgerError> {
        let held = self.held_by(person)?;
        let numbers: Vec<&str> = query.numbers.iter().take(MOST_ASKED).map(|number| number.trim()).collect();
        let (mut meant, others): (Vec<Held>, Vec<Held>) =
            held.into_iter().partition(|held| held.numbers.iter().any(|number| numbers.contains(&number.as_str())));
        if meant.is_empty() {
            let keys = numbers.iter().map(|number| self.ids(&key::member_number(person, number), 1));
            let by_member =
                numbers.is_empty() || keys.collect::<Result<Vec<_>, _>>()?.iter().any(|ids| !ids.is_empty());
            meant = if by_member { others } else { Vec::new() };
        }
        if let Some(day) = query.on.filter(|_| meant.len() > 1) {
            meant = of_the_day(meant, day);
        }
        let one = meant.pop();
        Ok(one.filter(|_| meant.is_empty()))
    }

    /// The coverages of a person.
    fn held_by(&self, person: u32) -> Result<Vec<Held>, LedgerError> {
        let ids = self.ids(&key::coverages_of(person), MOST_OWNED)?;
        ids.into_iter().map(|id| self.held(id)).collect()
    }

    fn held(&self, id: i64) -> Result<Held, LedgerError> {
        let sql = "SELECT numbers, active, first, last FROM member_coverages WHERE generation = ?1 AND id = ?2";
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, [row.get::<_, Option<String>>(2)?, row.get(3)?]))
        };
        let (numbers, active, days) = self.file.prepare_cached(sql)?.query_row((self.generation, id), read)?;
        let numbers = serde_json::from_str(&numbers).map_err(|_| LedgerError::Corrupt)?;
        let [start, end] = read_days(days)?;
        Ok(Held { id, numbers, in_force: InForce { active, start, end } })
    }

    fn membership(&self, person: u32, held: &Held) -> Result<Membership, LedgerError> {
        let sql = "SELECT coverage FROM member_coverages WHERE generation = ?1 AND id = ?2";
        let packed: Vec<u8> = self.file.prepare_cached(sql)?.query_row((self.generation, held.id), |row| row.get(0))?;
        let ids = self.ids(&key::authorizations_of(person), MOST_OWNED)?;
        let authorizations = ids.into_iter().map(|id| self.authorization(id)).collect::<Result<_, _>>()?;
        Ok(Membership { in_force: held.in_force, coverage: pack::text(pack::plain(&packed)?)?, authorizations })
    }

    fn authorization(&self, id: i64) -> Result<Authorization, LedgerError> {
        let sql = "SELECT number, codes, first, last FROM member_authorizations WHERE generation = ?1 AND id = ?2";
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, [row.get::<_, Option<String>>(2)?, row.get(3)?]))
        };
        let (number, codes, days) = self.file.prepare_cached(sql)?.query_row((self.generation, id), read)?;
        let codes = serde_json::from_str(&codes).map_err(|_| LedgerError::Corrupt)?;
        let [first, last] = read_days(days)?;
        Ok(Authorization { number, codes, first, last })
    }
}

/// Of a coverage and those that it took the place of under one number: what is in force on a day, else the one that ended
/// last.
fn of_the_day(held: Vec<Held>, day: Date) -> Vec<Held> {
    let (now, others): (Vec<Held>, Vec<Held>) = held.into_iter().partition(|held| held.in_force.on(day));
    if !now.is_empty() {
        return now;
    }
    let last = |held: &Held| (held.in_force.end.unwrap_or(Date::MAX), held.in_force.start);
    others.into_iter().max_by_key(last).into_iter().collect()
}

fn read_days([first, last]: [Option<String>; 2]) -> Result<[Option<Date>; 2], LedgerError> {
    let day = |day: Option<String>| day.map(|day| day.parse().map_err(|_| LedgerError::Corrupt)).transpose();
    Ok([day(first)?, day(last)?])
}
