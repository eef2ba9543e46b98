//! What is to be kept, before it is a row: every kind of record, and what it is found by.

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::feedback::FeedbackHead;
use super::key::{self, Key, Word};
use super::keyring::Keyring;
use super::look::LookHead;
use super::row::Row;
use super::{Entry, Feedback, LedgerError, Look, pack};

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An invocation, answered or refused.
    Entry,
    /// What was told of a card.
    Feedback,
    /// Somebody looked at entries.
    Look,
    /// Old records were removed but for their hashes.
    Pruning,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Entry, Self::Feedback, Self::Look, Self::Pruning];

    /// Its number, as it is stored.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Entry => 1,
            Self::Feedback => 2,
            Self::Look => 3,
            Self::Pruning => 4,
        }
    }

    /// The kind of a stored number.
    pub(super) fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Parts of an entry's payload.
const ENTRY_PARTS: usize = 6;

/// The card that feedback is of: it must be in an answer of this client, tenant and service.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) key: Key,
    client: String,
    tenant: String,
    service: String,
}

impl Card {
    /// Whether the stored row that has the card is an answer of the client, tenant and service.
    pub(super) fn is_in(&self, row: &Row) -> bool {
        let is_its =
            |head: EntryHead| head.client == self.client && head.tenant == self.tenant && head.service == self.service;
        head(row).is_ok_and(is_its)
    }
}

/// Something to keep, of any kind.
pub struct Draft {
    pub(super) kind: Kind,
    pub(super) at: Timestamp,
    pub(super) id: Uuid,
    /// Each is this record's alone: a second record with one of them is [`LedgerError::Duplicate`].
    pub(super) ids: Vec<Key>,
    pub(super) terms: Vec<(Word, String)>,
    /// JSON that a person may look at: nothing in it tells of a patient.
    pub(super) head: Vec<u8>,
    /// The payload.
    pub(super) parts: Vec<Bytes>,
    pub(super) card: Option<Card>,
}

/// Names the kind alone.
impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("kind", &self.kind).field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is stored in plain of an entry.
#[derive(Serialize, Deserialize)]
pub(super) struct EntryHead {
    today: jiff::civil::Date,
    seed: Uuid,
    pub(super) service: String,
    hook_instance: String,
    pub(super) client: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tenant: String,
    crd_version: String,
    pub(super) policy_set: String,
    status: u16,
    took_micros: u64,
}

/// What is packed of an entry beside the bodies.
#[derive(Serialize, Deserialize)]
struct EntryIds {
    assertions: Vec<String>,
    cards: Vec<String>,
    policies: Vec<String>,
    members: Vec<String>,
}

impl Draft {
    /// An entry.
    pub(super) fn entry(entry: Entry) -> Result<Self, LedgerError> {
        let mut ids = vec![key::key(Word::Record, &entry.id.to_string())];
        ids.extend(entry.assertions.iter().map(|id| key::key(Word::Assertion, id)));
        ids.extend(entry.cards.iter().map(|id| key::key(Word::Card, id)));
        let mut terms = vec![(Word::Client, entry.client.clone())];
        terms.extend(entry.policies.iter().map(|number| (Word::Policy, number.clone())));
        terms.extend(entry.members.iter().map(|number| (Word::Member, number.clone())));
        if !entry.hook_instance.is_empty() {
            terms.push((Word::HookInstance, entry.hook_instance.clone()));
        }
        let head = EntryHead {
            today: entry.today,
            seed: entry.seed,
            service: entry.service,
            hook_instance: entry.hook_instance,
            client: entry.client,
            tenant: entry.tenant,
            crd_version: entry.crd_version,
            policy_set: entry.policy_set,
            status: entry.status,
            took_micros: entry.took_micros,
        };
        let lists = EntryIds {
            assertions: entry.assertions,
            cards: entry.cards,
            policies: entry.policies,
            members: entry.members,
        };
        let parts = vec![
            json(&lists)?.into(),
            entry.determinations.into(),
            entry.learned.into(),
            entry.request,
            entry.response,
            entry.manner.into(),
        ];
        let (kind, card) = (Kind::Entry, None);
        Ok(Self { kind, at: entry.at, id: entry.id, ids, terms, head: json(&head)?, parts, card })
    }

    /// An item of feedback.
    pub(super) fn feedback(item: Feedback) -> Result<Self, LedgerError> {
        let id = Uuid::new_v4();
        let head = FeedbackHead {
            service: item.service.clone(),
            client: item.client.clone(),
            tenant: item.tenant.clone(),
            card: item.card.clone(),
            outcome: item.outcome,
        };
        let key = key::key(Word::Card, &item.card);
        let card = Card { key, client: item.client, tenant: item.tenant, service: item.service };
        Ok(Self {
            kind: Kind::Feedback,
            at: item.at,
            id,
            ids: vec![key::key(Word::Record, &id.to_string())],
            terms: vec![(Word::Told, item.card)],
            head: json(&head)?,
            parts: vec![item.item.into()],
            card: Some(card),
        })
    }

    /// A look.
    pub(super) fn look(look: Look) -> Result<Self, LedgerError> {
        let terms = look.entries.iter().map(|id| (Word::Looked, id.to_string())).collect();
        let head = LookHead { who: look.who, how: look.how, asked: look.asked, entries: look.entries };
        Self::event(Kind::Look, look.at, terms, &head)
    }

    /// Something that happened to the ledger itself.
    pub(super) fn event(
        kind: Kind,
        at: Timestamp,
        terms: Vec<(Word, String)>,
        head: &impl Serialize,
    ) -> Result<Self, LedgerError> {
        let id = Uuid::new_v4();
        let ids = vec![key::key(Word::Record, &id.to_string())];
        Ok(Self { kind, at, id, ids, terms, head: json(head)?, parts: Vec::new(), card: None })
    }
}

/// The entry of a row that is sound.
pub(super) fn entry(row: &Row, keyring: &Keyring) -> Result<Entry, LedgerError> {
    let head: EntryHead = head(row)?;
    let mut parts = row.parts(keyring)?;
    // Earlier versions kept no settings.
    if parts.len() == ENTRY_PARTS - 1 {
        parts.push(b"{}".to_vec());
    }
    let parts: [Vec<u8>; ENTRY_PARTS] = parts.try_into().map_err(|_| LedgerError::Corrupt)?;
    let [lists, determinations, learned, request, response, manner] = parts;
    let lists: EntryIds = serde_json::from_slice(&lists).map_err(|_| LedgerError::Corrupt)?;
    Ok(Entry {
        id: row.uuid()?,
        at: at(row)?,
        today: head.today,
        seed: head.seed,
        service: head.service,
        hook_instance: head.hook_instance,
        client: head.client,
        tenant: head.tenant,
        crd_version: head.crd_version,
        policy_set: head.policy_set,
        policies: lists.policies,
        members: lists.members,
        assertions: lists.assertions,
        cards: lists.cards,
        determinations: pack::text(determinations)?,
        learned: pack::text(learned)?,
        manner: pack::text(manner)?,
        took_micros: head.took_micros,
        status: head.status,
        request: request.into(),
        response: response.into(),
    })
}

/// The item of feedback of a row that is sound.
pub(super) fn feedback(row: &Row, keyring: &Keyring) -> Result<Feedback, LedgerError> {
    let FeedbackHead { service, client, tenant, card, outcome } = head(row)?;
    let [item]: [Vec<u8>; 1] = row.parts(keyring)?.try_into().map_err(|_| LedgerError::Corrupt)?;
    Ok(Feedback { at: at(row)?, service, client, tenant, card, outcome, item: pack::text(item)? })
}

/// The look of a row that is sound.
pub(super) fn look(row: &Row) -> Result<Look, LedgerError> {
    let LookHead { who, how, asked, entries } = head(row)?;
    Ok(Look { at: at(row)?, who, how, entries, asked })
}

/// What is stored in plain of a row.
pub(super) fn head<T: DeserializeOwned>(row: &Row) -> Result<T, LedgerError> {
    serde_json::from_slice(&row.head).map_err(|_| LedgerError::Corrupt)
}

fn at(row: &Row) -> Result<Timestamp, LedgerError> {
    Timestamp::from_nanosecond(i128::from(row.at)).map_err(|_| LedgerError::Corrupt)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    serde_json::to_vec(value).map_err(|_| LedgerError::Unstorable)
}

untold!(Card);
