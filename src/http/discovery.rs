//! `GET /cds-services`: which hooks are served, with what they want to know and what a client can choose.

use std::collections::BTreeMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{App, JSON, admit};
use crate::policy::model::{Card, PolicySet};
use crate::request::hook::SERVICES;

/// The discovery document for a policy set, without insignificant whitespace.
#[must_use]
pub fn document(set: &PolicySet) -> String {
    let entries = SERVICES.iter().filter_map(|service| serde_json::from_str::<Value>(service.discovery).ok());
    let topics = topics(set);
    let entries = entries.map(|mut entry| {
        let options = entry.pointer_mut("/extension/davinci-crd.configuration-options").and_then(Value::as_array_mut);
        if let Some(options) = options {
            add(options, &topics);
        }
        entry
    });
    json!({ "services": entries.collect::<Vec<_>>() }).to_string()
}

/// The topics of all cards that the policies can show, each code with what it is called.
fn topics(set: &PolicySet) -> BTreeMap<&str, &str> {
    let policies = set.policies.values().flatten();
    let actions = policies.flat_map(|policy| policy.cases.iter().map(|case| &case.action).chain([&policy.scope]));
    let cards = actions.filter_map(|action| action.card.as_ref());
    cards.map(|Card { topic, .. }| (&*topic.code, &*topic.display)).collect()
}

/// Adds an option for each kind of card that has none: every kind can be turned off (CRD dev-5). They stand before the
/// last option, which counts cards.
fn add(options: &mut Vec<Value>, topics: &BTreeMap<&str, &str>) {
    for (code, display) in topics {
        if options.iter().all(|option| option.get("code").and_then(Value::as_str) != Some(code)) {
            let option = json!({
                "code": code,
                "type": "boolean",
                "name": display,
                "description": format!("Cards that the payer's policies show under this heading: {display}."),
                "default": true,
            });
            options.insert(options.len().saturating_sub(1), option);
        }
    }
}

/// Says it, for the policies that serve now.
pub(super) async fn discovery(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let open = app.doorman.as_ref().is_none_or(|doorman| doorman.discovery_open);
    if !open {
        let call = Uuid::new_v4().to_string();
        let entered = async { admit::enter(admit::admit(&app, &request, &call).await?, &call).await };
        if let Err(problem) = entered.await {
            return problem.response(&call);
        }
    }
    // Who was not asked who he is cannot keep a connection: there is no timer for the head of a second request.
    HttpResponse::Ok().content_type(JSON).force_close().body(document(&app.policies.now()))
}
