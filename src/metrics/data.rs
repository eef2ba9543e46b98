//! The guide's logical model `CRDMetricData`: what is known of one invocation, as the payer sees it.
//!
//! What is not known is left out, also where the model would have it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::code::{Concept, Identifier, kind, npi};
use super::known::{Known, counts};
use super::order::detail;
use super::responses::{Answer, Response, engagements};
use crate::gather::learned::{Failure, Learned, Reply};
use crate::record::{Entry, Feedback};
use crate::render::explanation::Explanation;
use crate::request::hook;
use crate::request::order::{list, string};
use crate::request::reference::target;

/// One invocation.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricData {
    /// Who measured: `payer-src`.
    pub source: &'static str,
    /// By which the EHR's data of the same call is found. A refusal's is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hook_instance: String,
    /// `order-sign`
    pub hook_type: String,
    /// The NPI of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<Identifier>,
    /// The NPI of the organisation that the user works for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Identifier>,
    /// Who was asked.
    pub payer_id: Identifier,
    /// When the call was received.
    pub request_time: Timestamp,
    /// When the answer was there. A refusal's is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<Timestamp>,
    /// The HTTP status.
    pub http_response: u16,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issue: Vec<Issue>,
    /// Whether the EHR's token was used. What came before a refusal is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_use: Option<TokenUse>,
    /// What was looked at beside the orders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Accessed>,
    /// The orders, appointments or encounters that an answer was due for. A refusal's are not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<Requested>,
}

/// An issue of an OperationOutcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// FHIR issue type.
    pub code: String,
    /// The sentence that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Concept>,
}

/// What became of the EHR's access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenUse {
    /// Something was asked with it.
    Used,
    /// Nothing was asked with it.
    NotUsed,
    /// The EHR's FHIR server refused it.
    Rejected,
}

/// Resources of one type from one place.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Accessed {
    /// Their type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many there were.
    pub count: usize,
    /// Whether they came with the request; else they were asked for.
    pub prefetch: bool,
}

/// An order, appointment or encounter.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requested {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is ordered; nothing where it is said in words only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_detail: Option<Concept>,
    /// What was said of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response: Vec<Response>,
    /// The policies that decided it. The guide's model does not have them.
    #[serde(skip)]
    pub policies: BTreeSet<String>,
}

/// An entry that is not as entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part} of the entry {entry} cannot be read")]
pub struct Unreadable {
    /// The entry's id.
    pub entry: Uuid,
    /// What of it.
    pub part: &'static str,
}

impl MetricData {
    /// The data of an entry, with what was told of its cards.
    ///
    /// # Errors
    /// [`Unreadable`]
    pub fn of(entry: &Entry, feedback: &[Feedback], payer: &Identifier) -> Result<Self, Unreadable> {
        let unreadable = |part| move |_| Unreadable { entry: entry.id, part };
        let response: Value = serde_json::from_slice(&entry.response).map_err(unreadable("the response"))?;
        let service = hook::service(&entry.service);
        let hook = service.map_or(entry.service.trim_end_matches("-crd"), |service| service.hook.name());
        let took = i64::try_from(entry.took_micros).ok().filter(|micros| *micros > 0).map(SignedDuration::from_micros);
        let outline = Self {
            source: "payer-src",
            hook_instance: entry.hook_instance.clone(),
            hook_type: hook.to_owned(),
            provider_id: None,
            group_id: None,
            payer_id: payer.clone(),
            request_time: entry.at,
            response_time: took.and_then(|took| entry.at.checked_add(took).ok()),
            http_response: entry.status,
            issue: Vec::new(),
            token_use: None,
            resources: Vec::new(),
            request: Vec::new(),
        };
        if entry.status != 200 {
            let issue = list(&response, "issue").iter().filter_map(issue).collect();
            return Ok(Self { issue, ..outline });
        }
        let request: Value = serde_json::from_slice(&entry.request).map_err(unreadable("the request"))?;
        let learned: Learned = serde_json::from_str(&entry.learned).map_err(unreadable("what was learnt"))?;
        let orders: Vec<Explanation> =
            serde_json::from_str(&entry.determinations).map_err(unreadable("the determinations"))?;
        let replies = replies(&learned);
        let known = Known::of(&request, &replies);
        let focal: Vec<&str> = orders.iter().map(|order| order.order.as_str()).collect();
        let (provider_id, group_id) = user(&request, &known);
        let answer = Answer { body: &response, known: &known, engagements: engagements(feedback) };
        let requested = orders.iter().filter_map(|order| requested(order, &focal, &known, &answer));
        Ok(Self {
            provider_id,
            group_id,
            token_use: Some(token_use(&learned)),
            resources: resources(&known, &focal),
            request: requested.collect(),
            ..outline
        })
    }
}

fn issue(issue: &Value) -> Option<Issue> {
    let said = issue.pointer("/details/text").and_then(Value::as_str);
    Some(Issue { code: string(issue, "code")?.to_owned(), details: said.map(Concept::said) })
}

/// The bodies that the EHR's FHIR server gave. One that is no JSON was not looked at then either.
fn replies(learned: &Learned) -> Vec<Value> {
    let bodies = learned.asked.iter().flat_map(|(_, reply)| match reply {
        Reply::Found(bodies) => bodies.as_slice(),
        Reply::Nothing | Reply::Failed(_) => &[],
    });
    bodies.filter_map(|body| serde_json::from_str(body).ok()).collect()
}

/// A token that was refused once is one that was rejected, whatever else it opened. A server that fails rejects nothing,
/// and one that was not asked was shown no token.
fn token_use(learned: &Learned) -> TokenUse {
    let mut used = TokenUse::NotUsed;
    for (_, reply) in &learned.asked {
        match reply {
            Reply::Failed(Failure::Refused) => return TokenUse::Rejected,
            Reply::Failed(Failure::NotRegistered | Failure::Expired | Failure::Open) => {}
            Reply::Failed(_) | Reply::Found(_) | Reply::Nothing => used = TokenUse::Used,
        }
    }
    used
}

fn resources(known: &Known<'_>, focal: &[&str]) -> Vec<Accessed> {
    let counted = |resources: &[&Value], prefetch| {
        let counts = counts(resources, focal).into_iter();
        counts.map(move |(kind, count)| Accessed { kind, count, prefetch })
    };
    counted(&known.prefetched, true).chain(counted(&known.queried, false)).collect()
}

/// The NPI of the user, and of the organisation that the user's role is in. A user that is the patient has neither.
fn user(request: &Value, known: &Known<'_>) -> (Option<Identifier>, Option<Identifier>) {
    let name = request.pointer("/context/userId").and_then(Value::as_str).unwrap_or_default();
    let user = known.find(name);
    match target(name).map(|(kind, _)| kind) {
        Some("Practitioner") => (user.and_then(npi), None),
        Some("PractitionerRole") => {
            let behind = |member| known.resolve(user?, member).and_then(npi);
            (behind("practitioner"), behind("organization"))
        }
        _ => (None, None),
    }
}

fn requested(order: &Explanation, focal: &[&str], known: &Known<'_>, answer: &Answer<'_>) -> Option<Requested> {
    let rules = order.determinations.iter().flat_map(|decided| &decided.rules);
    Some(Requested {
        kind: kind(order.order.split_once('/')?.0)?.to_owned(),
        order_detail: known.find(&order.order).and_then(|resource| detail(resource, known)),
        response: answer.of(order, focal),
        policies: rules.map(|rule| rule.policy.clone()).collect(),
    })
}

untold!(MetricData, Accessed, Requested);
