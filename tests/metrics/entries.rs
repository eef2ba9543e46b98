//! Entries of the ledger, each made by answering a request.

use covenant::answer::at_once;
use covenant::gather::learned::{Nobody, Source};
use covenant::metrics::{Identifier, MetricData};
use covenant::policy::model::PolicySet;
use covenant::record::{Entry, Feedback, Outcome, body_hash};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::golden;
use crate::laws_support::{MANNER, SET, moment, service_of};
use crate::policies::ask;
use crate::policies::examples;

pub fn payer() -> Identifier {
    Identifier { system: "urn:oid:2.16.840.1.113883.6.300".to_owned(), value: "53228".to_owned() }
}

/// The data of an entry, with the feedback that was given.
pub fn data_with(entry: &Entry, feedback: &[Feedback]) -> MetricData {
    MetricData::of(entry, feedback, &payer()).unwrap()
}

pub fn data(entry: &Entry) -> MetricData {
    data_with(entry, &[])
}

/// The data of an entry as it is written.
pub fn json_of(entry: &Entry) -> Value {
    serde_json::to_value(data(entry)).unwrap()
}

/// The entry of an answer that took three milliseconds.
pub fn entry_of(name: &str, request: &str, set: &PolicySet, source: impl Source) -> Entry {
    let (service, moment) = (service_of(request), moment(name));
    let answer = at_once(request.as_bytes(), service, set, &MANNER, &moment, source);
    let answer = answer.unwrap_or_else(|refusal| panic!("{name} is refused: {refusal:?}"));
    Entry {
        hook_instance: answer.hook_instance,
        crd_version: answer.version.name().to_owned(),
        assertions: answer.assertions,
        cards: answer.cards,
        learned: answer.learned,
        determinations: answer.explanations,
        took_micros: 3000,
        request: answer.without_token.map_or_else(|| request.as_bytes().to_vec(), String::into_bytes).into(),
        response: answer.body.into(),
        ..Entry::asked(moment.seed, moment.at, moment.today, moment.seed, service.id, "ehr", &set.hash)
    }
}

/// The entry of a request of our own, which asks nobody.
pub fn entry(request: &str) -> Entry {
    entry_of("asked", request, &SET, Nobody)
}

/// The entry of a refusal, as the server keeps it.
pub fn refused(status: u16, issue: &str, text: &str) -> Entry {
    let (id, moment) = (Uuid::new_v4(), moment("refused"));
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "error", "code": issue, "details": {"text": text}, "diagnostics": format!("request {id}"),
            "expression": ["hook"]
        }]
    });
    Entry {
        status,
        request: body_hash(b"canary"),
        response: outcome.to_string().into_bytes().into(),
        ..Entry::asked(id, moment.at, moment.today, moment.seed, "order-sign-crd", "ehr", &SET.hash)
    }
}

/// What a client tells of the first card of an answer.
pub fn told(entry: &Entry, outcome: Outcome) -> Feedback {
    let item = json!({"card": entry.cards[0], "overrideReason": {"userComment": "canary"}}).to_string();
    let (service, client, tenant) = (entry.service.clone(), entry.client.clone(), entry.tenant.clone());
    Feedback { at: entry.at, service, client, tenant, card: entry.cards[0].clone(), outcome, item }
}

/// The entry of every example of ours and of the invented set, with the example's name.
pub fn every() -> Vec<(String, Entry)> {
    let ours = golden::examples().into_iter().map(|it| {
        let entry = entry_of(&it.name, &it.request, &SET, Nobody);
        (it.name, entry)
    });
    let invented = examples::examples().into_iter().map(|it| {
        let entry = entry_of(&it.name, &it.request, &ask::SET, it.says);
        (it.name, entry)
    });
    ours.chain(invented).collect()
}
