//! An answered or refused invocation, whole.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// An answered invocation, whole: from it the same answer can be made again.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The invocation's id. Keeping an entry a second time under one id keeps it once.
    pub id: Uuid,
    /// When it was asked.
    pub at: jiff::Timestamp,
    /// That day in the payer's time zone: the date that policies were applied as of.
    pub today: jiff::civil::Date,
    /// What the answer's fresh ids were made from.
    pub seed: Uuid,
    /// The service that was called, such as `order-sign-crd`.
    pub service: String,
    /// The request's `hookInstance`.
    pub hook_instance: String,
    /// The verified client that asked.
    pub client: String,
    /// The tenant that it said it called for, as its token has it; empty for none.
    pub tenant: String,
    /// The CRD version that was spoken: `2.0`, `2.1` or `2.2`.
    pub crd_version: String,
    /// SHA-256 of the policy set that decided, in hex; the key of [`Ledger::policy_set`](super::Ledger::policy_set).
    pub policy_set: String,
    /// The numbers of the policies that decided; an entry is found by each.
    pub policies: Vec<String>,
    /// The numbers by which the payer knows the patient; an entry is found by each.
    pub members: Vec<String>,
    /// The coverage-assertion-ids that the answer promised; may be empty. Each is unique in the ledger.
    pub assertions: Vec<String>,
    /// The uuids of the cards in the answer, by which feedback names them; may be empty. Each is unique in the ledger.
    pub cards: Vec<String>,
    /// The determinations with their traces, as JSON text.
    pub determinations: String,
    /// What was learnt beside the request, as JSON text of [`gather::learned::Learned`](crate::gather::learned::Learned);
    /// `{}` when nothing was.
    pub learned: String,
    /// The settings that the answer rests on, as JSON text; `{}` in a refusal, and in what earlier versions kept.
    pub manner: String,
    /// How long the answer took to make, in microseconds.
    pub took_micros: u64,
    /// The status it was given with: 200, or that of a refusal.
    pub status: u16,
    /// The request's body, byte for byte, but for its access token. Of a refusal only its hash: `sha256:…`.
    pub request: Bytes,
    /// The response's body, byte for byte.
    pub response: Bytes,
}

impl Entry {
    /// An invocation of which nothing is known yet but that it was made.
    #[must_use]
    pub fn asked(
        id: Uuid,
        at: jiff::Timestamp,
        today: jiff::civil::Date,
        seed: Uuid,
        service: &str,
        client: &str,
        policy_set: &str,
    ) -> Self {
        Self {
            id,
            at,
            today,
            seed,
            service: service.to_owned(),
            hook_instance: String::new(),
            client: client.to_owned(),
            tenant: String::new(),
            crd_version: String::new(),
            policy_set: policy_set.to_owned(),
            policies: Vec::new(),
            members: Vec::new(),
            assertions: Vec::new(),
            cards: Vec::new(),
            determinations: "[]".to_owned(),
            learned: "{}".to_owned(),
            manner: "{}".to_owned(),
            took_micros: 0,
            status: 200,
            request: Bytes::new(),
            response: Bytes::new(),
        }
    }
}

/// Names the entry and tells sizes: what was asked and answered stays out of logs.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id)
            .field("service", &self.service)
            .field("request_bytes", &self.request.len())
            .field("response_bytes", &self.response.len())
            .finish_non_exhaustive()
    }
}

/// What is kept of a body that was refused: enough to tell whether it is one that somebody shows, and nothing of it.
#[must_use]
pub fn body_hash(body: &[u8]) -> Bytes {
    let digest = Sha256::digest(body);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").into()
}
