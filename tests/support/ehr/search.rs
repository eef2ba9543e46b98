//! Finds what was asked for, as a FHIR server does.

use serde_json::{Value, json};
use url::Url;

use super::behaviour::{Behaviour, whole};
use super::{Asked, FakeEhr};

/// Where the next page begins.
const OFFSET: &str = "_offset";

pub(super) fn respond(ehr: &FakeEhr, base: &str, behaviour: &Behaviour, asked: &Asked) -> String {
    match asked.path.split_once('/') {
        Some((kind, id)) => read(ehr, kind, id),
        None => whole(200, "", &search(ehr, base, behaviour, asked).to_string()),
    }
}

fn read(ehr: &FakeEhr, kind: &str, id: &str) -> String {
    match of_kind(ehr, kind).find(|resource| resource["id"] == id) {
        Some(resource) => whole(200, "", &resource.to_string()),
        None => whole(404, "", &json!({"resourceType": "OperationOutcome"}).to_string()),
    }
}

fn of_kind<'e>(ehr: &'e FakeEhr, kind: &'e str) -> impl Iterator<Item = &'e Value> {
    ehr.resources.iter().filter(move |resource| resource["resourceType"] == kind)
}

fn search(ehr: &FakeEhr, base: &str, behaviour: &Behaviour, asked: &Asked) -> Value {
    let is_looked_at = |(name, value): &&(String, String)| match behaviour {
        Behaviour::Ignores(ignored) | Behaviour::IgnoresSilently(ignored) => name != ignored,
        Behaviour::IgnoresListsOf(ignored) => name != ignored || !value.contains(','),
        _ => true,
    };
    let known = |(name, _): &&(String, String)| ["patient", "_id", "status", "code"].contains(&name.as_str());
    let looked_at: Vec<&(String, String)> = asked.query.iter().filter(known).filter(is_looked_at).collect();
    let fits = |resource: &&Value| looked_at.iter().all(|(name, value)| matches(resource, name, value));
    let found: Vec<&Value> = of_kind(ehr, &asked.path).filter(fits).collect();

    let offset = asked.query.iter().find(|(name, _)| name == OFFSET);
    let offset: usize = offset.map_or(0, |(_, offset)| offset.parse().unwrap());
    let page = ehr.page.unwrap_or(usize::MAX);
    let entries = found.iter().skip(offset).take(page);
    let entries: Vec<Value> = entries.map(|it| json!({"resource": it, "search": {"mode": "match"}})).collect();

    let url = |offset: Option<usize>| {
        let mut url = Url::parse(&format!("{base}/{}", asked.path)).unwrap();
        url.query_pairs_mut().extend_pairs(&looked_at.iter().map(|(name, value)| (name, value)).collect::<Vec<_>>());
        if let Some(offset) = offset {
            url.query_pairs_mut().append_pair(OFFSET, &offset.to_string());
        }
        url.to_string()
    };
    let mut links = Vec::new();
    if !matches!(behaviour, Behaviour::DoesNotSayWhatItSearched | Behaviour::IgnoresSilently(_)) {
        links.push(json!({"relation": "self", "url": url(None)}));
    }
    match behaviour {
        Behaviour::HasMoreAt(place) => links.push(json!({"relation": "next", "url": place})),
        _ if found.len() - offset > page => {
            links.push(json!({"relation": "next", "url": url(Some(offset + page))}));
        }
        _ => {}
    }
    json!({"resourceType": "Bundle", "type": "searchset", "total": found.len(), "link": links, "entry": entries})
}

fn matches(resource: &Value, name: &str, list: &str) -> bool {
    list.split(',').any(|value| match name {
        "_id" => resource["id"] == value,
        "status" => resource["status"] == value,
        "patient" => {
            let reference = format!("Patient/{}", value.trim_start_matches("Patient/"));
            ["subject", "patient", "beneficiary"].iter().any(|whose| resource[whose]["reference"] == reference.as_str())
        }
        "code" => {
            let (system, code) = value.split_once('|').map_or((None, value), |(system, code)| (Some(system), code));
            let codings = resource["code"]["coding"].as_array().into_iter().flatten();
            let mut codings = codings.filter(|coding| system.is_none_or(|system| coding["system"] == system));
            codings.any(|coding| coding["code"] == code)
        }
        _ => true,
    })
}
