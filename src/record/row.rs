//! An entry as it is stored: text where a person may look, zstd where the bulk is.

use std::io::{self, Read};

use rusqlite::types::ToSql;

use super::chain::{self, Hash};
use super::{Entry, LedgerError};

/// Measured over whole appends of CRD requests of 15 and 24 KB: level 1 costs some 12 µs more for a sixth fewer bytes;
/// -5 saves next to nothing, since what is compressed sooner is written for longer.
const LEVEL: i32 = -1;

/// No stored column may unpack to more, in bytes: a damaged or planted frame cannot exhaust the memory.
const UNPACKED_MAX: u64 = 64 * 1024 * 1024;

/// One row of `entries`, column by column.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) at: String,
    pub(super) today: String,
    pub(super) seed: String,
    pub(super) service: String,
    pub(super) hook_instance: String,
    pub(super) client: String,
    pub(super) crd_version: String,
    pub(super) policy_set: String,
    /// JSON array. The `assertions` table is only an index of it.
    pub(super) assertions: String,
    /// JSON array; the `cards` table is only an index of it too.
    pub(super) cards: String,
    pub(super) took_micros: i64,
    pub(super) status: i64,
    pub(super) determinations: Vec<u8>,
    pub(super) learned: Vec<u8>,
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) previous: Hash,
    pub(super) hash: Hash,
}

/// The columns, in the order that [`Row::values`] and [`Row::read`] use.
pub(super) const COLUMNS: &str = "seq, id, at, today, seed, service, hook_instance, client, crd_version, policy_set, \
     assertions, cards, took_micros, status, determinations, learned, request, response, previous, hash";

impl Row {
    /// The values to insert.
    pub(super) fn values(&self) -> [&dyn ToSql; 20] {
        [
            &self.seq,
            &self.id,
            &self.at,
            &self.today,
            &self.seed,
            &self.service,
            &self.hook_instance,
            &self.client,
            &self.crd_version,
            &self.policy_set,
            &self.assertions,
            &self.cards,
            &self.took_micros,
            &self.status,
            &self.determinations,
            &self.learned,
            &self.request,
            &self.response,
            &self.previous,
            &self.hash,
        ]
    }

    /// Reads a row that was selected with [`COLUMNS`].
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            at: row.get(2)?,
            today: row.get(3)?,
            seed: row.get(4)?,
            service: row.get(5)?,
            hook_instance: row.get(6)?,
            client: row.get(7)?,
            crd_version: row.get(8)?,
            policy_set: row.get(9)?,
            assertions: row.get(10)?,
            cards: row.get(11)?,
            took_micros: row.get(12)?,
            status: row.get(13)?,
            determinations: row.get(14)?,
            learned: row.get(15)?,
            request: row.get(16)?,
            response: row.get(17)?,
            previous: row.get(18)?,
            hash: row.get(19)?,
        })
    }

    /// The entry that was stored. A row that this room did not write is [`LedgerError::Corrupt`].
    pub(super) fn entry(self) -> Result<Entry, LedgerError> {
        fn parse<T: std::str::FromStr>(text: &str) -> Result<T, LedgerError> {
            text.parse().map_err(|_| LedgerError::Corrupt)
        }
        Ok(Entry {
            id: parse(&self.id)?,
            at: parse(&self.at)?,
            today: parse(&self.today)?,
            seed: parse(&self.seed)?,
            assertions: self.promised()?,
            cards: self.shown()?,
            determinations: unpack_text(&self.determinations)?,
            learned: unpack_text(&self.learned)?,
            request: unpack(&self.request)?.into(),
            response: unpack(&self.response)?.into(),
            took_micros: u64::try_from(self.took_micros).map_err(|_| LedgerError::Corrupt)?,
            status: u16::try_from(self.status).map_err(|_| LedgerError::Corrupt)?,
            service: self.service,
            hook_instance: self.hook_instance,
            client: self.client,
            crd_version: self.crd_version,
            policy_set: self.policy_set,
        })
    }

    /// The assertion ids that the entry promised.
    pub(super) fn promised(&self) -> Result<Vec<String>, LedgerError> {
        serde_json::from_str(&self.assertions).map_err(|_| LedgerError::Corrupt)
    }

    /// The cards that the entry showed.
    pub(super) fn shown(&self) -> Result<Vec<String>, LedgerError> {
        serde_json::from_str(&self.cards).map_err(|_| LedgerError::Corrupt)
    }
}

/// Makes rows of entries. Keeps its compression context, which is dearer to make than to use.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    /// A packer with its own context.
    pub(super) fn new() -> io::Result<Self> {
        zstd::bulk::Compressor::new(LEVEL).map(Self)
    }

    /// The entry as a row that follows the row `previous` as number `seq`, sealed.
    pub(super) fn row(&mut self, entry: &Entry, seq: i64, previous: Hash) -> Result<Row, LedgerError> {
        let mut row = Row {
            seq,
            id: entry.id.to_string(),
            at: entry.at.to_string(),
            today: entry.today.to_string(),
            seed: entry.seed.to_string(),
            service: entry.service.clone(),
            hook_instance: entry.hook_instance.clone(),
            client: entry.client.clone(),
            crd_version: entry.crd_version.clone(),
            policy_set: entry.policy_set.clone(),
            assertions: serde_json::to_string(&entry.assertions).map_err(|_| LedgerError::Unstorable)?,
            cards: serde_json::to_string(&entry.cards).map_err(|_| LedgerError::Unstorable)?,
            status: i64::from(entry.status),
            took_micros: i64::try_from(entry.took_micros).map_err(|_| LedgerError::Unstorable)?,
            determinations: self.pack(entry.determinations.as_bytes())?,
            learned: self.pack(entry.learned.as_bytes())?,
            request: self.pack(&entry.request)?,
            response: self.pack(&entry.response)?,
            previous,
            hash: chain::NOTHING_BEFORE,
        };
        row.hash = chain::seal(&row);
        Ok(row)
    }

    /// Packs one column.
    pub(super) fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>, LedgerError> {
        if bytes.len() as u64 > UNPACKED_MAX {
            return Err(LedgerError::Unstorable);
        }
        self.0.compress(bytes).map_err(|_| LedgerError::Unstorable)
    }
}

/// Unpacks one zstd frame of text.
pub(super) fn unpack_text(packed: &[u8]) -> Result<String, LedgerError> {
    String::from_utf8(unpack(packed)?).map_err(|_| LedgerError::Corrupt)
}

/// Unpacks one zstd frame of bounded size.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let mut bytes = Vec::new();
    zstd::stream::read::Decoder::with_buffer(packed)
        .and_then(|decoder| decoder.take(UNPACKED_MAX + 1).read_to_end(&mut bytes))
        .map_err(|_| LedgerError::Corrupt)?;
    if bytes.len() as u64 > UNPACKED_MAX { Err(LedgerError::Corrupt) } else { Ok(bytes) }
}
