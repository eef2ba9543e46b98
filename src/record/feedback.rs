//! What clients told of cards, kept beside the entries that showed them and in a chain of its own.
//!
//! The text of an item may hold a patient's data: it is stored as it came, and printed nowhere.

use std::fmt;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension};

use super::LedgerError;
use super::chain::{self, Hash, Link, NOTHING_BEFORE};
use super::reads::{self, Stored};
use super::row::{Packer, unpack_text};

/// See the name of the entries' hash in `chain.rs`.
const DOMAIN: &[u8] = b"covenant ledger feedback, version 1";

/// One item of a feedback call (CDS Hooks 2.0, Feedback).
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// When it came.
    pub at: jiff::Timestamp,
    /// The service that it was sent to, which must be the one whose answer had the card.
    pub service: String,
    /// The verified client that sent it, which must be the one that was answered.
    pub client: String,
    /// The card's uuid, in lower case.
    pub card: String,
    /// What became of the card.
    pub outcome: Outcome,
    /// The item as it was sent, JSON text of one object.
    pub item: String,
}

/// Names the card: what the user wrote stays out of logs.
impl fmt::Debug for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feedback")
            .field("card", &self.card)
            .field("outcome", &self.outcome)
            .field("item_bytes", &self.item.len())
            .finish_non_exhaustive()
    }
}

/// What a user did with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A suggestion of it was taken.
    Accepted,
    /// It was set aside.
    Overridden,
}

impl Outcome {
    fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Overridden => "overridden",
        }
    }
}

/// One row of `feedback`, column by column.
#[derive(Debug)]
pub(super) struct Row {
    seq: i64,
    at: String,
    card: String,
    entry: i64,
    client: String,
    outcome: String,
    body: Vec<u8>,
    previous: Hash,
    hash: Hash,
}

impl Link for Row {
    fn seq(&self) -> i64 {
        self.seq
    }

    fn previous(&self) -> Hash {
        self.previous
    }

    fn hash(&self) -> Hash {
        self.hash
    }

    fn seal(&self) -> Hash {
        let columns: [&[u8]; 8] = [
            &self.previous,
            &self.seq.to_be_bytes(),
            self.at.as_bytes(),
            self.card.as_bytes(),
            &self.entry.to_be_bytes(),
            self.client.as_bytes(),
            self.outcome.as_bytes(),
            &self.body,
        ];
        chain::digest(DOMAIN, &columns)
    }
}

impl Stored for Row {
    const TABLE: &'static str = "feedback";
    const COLUMNS: &'static str = "seq, at, card_id, entry, client, outcome, body, previous, hash";

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            card: row.get(2)?,
            entry: row.get(3)?,
            client: row.get(4)?,
            outcome: row.get(5)?,
            body: row.get(6)?,
            previous: row.get(7)?,
            hash: row.get(8)?,
        })
    }

    /// It is found by its card, so the card must lead to the entry that it was told of.
    fn is_found(&self, connection: &Connection) -> Result<bool, LedgerError> {
        Ok(reads::card(connection, &self.card)? == Some(self.entry))
    }
}

impl Row {
    fn values(&self) -> [&dyn ToSql; 9] {
        [
            &self.seq,
            &self.at,
            &self.card,
            &self.entry,
            &self.client,
            &self.outcome,
            &self.body,
            &self.previous,
            &self.hash,
        ]
    }

    fn feedback(self, service: String) -> Result<Feedback, LedgerError> {
        let outcome = match self.outcome.as_str() {
            "accepted" => Outcome::Accepted,
            "overridden" => Outcome::Overridden,
            _ => return Err(LedgerError::Corrupt),
        };
        let at = self.at.parse().map_err(|_| LedgerError::Corrupt)?;
        let item = unpack_text(&self.body)?;
        Ok(Feedback { at, service, client: self.client, card: self.card, outcome, item })
    }
}

/// Inserts an item after the row of the given place and hash; the place and hash of its own row, and its stored bytes.
///
/// A card that is not there, or of another client's or service's answer, is [`LedgerError::NoSuchCard`].
pub(super) fn insert(
    connection: &Connection,
    packer: &mut Packer,
    item: &Feedback,
    (seq, previous): (i64, Hash),
) -> Result<(i64, Hash, usize), LedgerError> {
    let sql = "SELECT entries.seq FROM cards JOIN entries ON entries.seq = cards.seq
               WHERE card_id = ?1 AND client = ?2 AND service = ?3";
    let entry = connection
        .prepare_cached(sql)?
        .query_row([&item.card, &item.client, &item.service], |row| row.get(0))
        .optional()?
        .ok_or(LedgerError::NoSuchCard)?;
    let mut row = Row {
        seq: seq.saturating_add(1),
        at: item.at.to_string(),
        card: item.card.clone(),
        entry,
        client: item.client.clone(),
        outcome: item.outcome.code().to_owned(),
        body: packer.pack(item.item.as_bytes())?,
        previous,
        hash: NOTHING_BEFORE,
    };
    row.hash = row.seal();
    let sql = format!("INSERT INTO feedback ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", Row::COLUMNS);
    connection.prepare_cached(&sql)?.execute(row.values().as_slice())?;
    Ok((row.seq, row.hash, row.body.len()))
}

/// What was told of a card, in the order in which it came. What is not what was sealed is [`LedgerError::Corrupt`].
pub(super) fn of_card(connection: &Connection, card: &str) -> Result<Vec<Feedback>, LedgerError> {
    let sql = format!("SELECT {} FROM feedback WHERE card_id = ?1 ORDER BY seq", Row::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows: Vec<Row> = statement.query_map([card], Row::read)?.collect::<Result<_, _>>()?;
    let mut service = connection.prepare_cached("SELECT service FROM entries WHERE seq = ?1")?;
    rows.into_iter()
        .map(|row| {
            if row.hash != row.seal() || !row.is_found(connection)? {
                return Err(LedgerError::Corrupt);
            }
            let service = service.query_row([row.entry], |row| row.get(0)).optional()?;
            row.feedback(service.ok_or(LedgerError::Corrupt)?)
        })
        .collect()
}
