//! A body to every service in every version, as it is, and once more with what was prefetched to be asked for: an answer,
//! where there is one, is a response by its schema, returns orders as they were sent but for our extension, and keeps the
//! guide's invariants; made again from what was recorded it is the same.
#![no_main]

use covenant::answer::{Answer, Manner, at_once};
use covenant::gather::learned::{Learned, LookupFailed, MemberQuery, MemberReply, Nobody, Query, Reply, Source};
use covenant::request::hook::{SERVICES, Service};
use covenant::request::json::Json;
use covenant::request::version::Version;
use covenant::request::{self, schema};
use covenant_fuzz::decide_laws::guide::broken;
use covenant_fuzz::laws_support::{MANNER, SET, moment, returned};
use covenant_fuzz::{objects, only_ours_is_new};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// An EHR that holds resources, and finds by their type alone.
struct Ehr<'d>(Vec<(String, &'d str)>);

impl<'d> Ehr<'d> {
    /// One that holds whatever is in a text.
    fn of(text: &'d str) -> Self {
        let mut all = Vec::new();
        objects(text, &mut all);
        let kind = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            value["resourceType"].as_str().map(str::to_owned)
        };
        Self(all.into_iter().filter_map(|text| Some((kind(text)?, text))).collect())
    }
}

impl Source for Ehr<'_> {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        let reply = |query: &Query| {
            let mut found = self.0.iter().filter(|(kind, _)| kind == query.kind()).map(|(_, text)| *text);
            match query {
                Query::Read { .. } => found.next().map_or(Reply::Nothing, |text| Reply::Found(vec![text.to_owned()])),
                Query::Search { .. } | Query::Page { .. } => {
                    let entries: Vec<String> = found.map(|text| format!(r#"{{"resource":{text}}}"#)).collect();
                    Reply::Found(vec![format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(","))])
                }
            }
        };
        std::future::ready(queries.iter().map(reply).collect()).boxed()
    }

    fn can_ask(&self) -> bool {
        !self.0.is_empty()
    }

    fn member<'s>(&'s self, _query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        std::future::ready(Err(LookupFailed)).boxed()
    }

    fn has_members(&self) -> bool {
        false
    }
}

fn judge(answer: &Answer, sent: &[&str]) {
    let body = std::str::from_utf8(&answer.body).unwrap();
    let value: Value = serde_json::from_str(body).unwrap();
    assert_eq!(schema::RESPONSE.check(&value, ""), Ok(()), "{body}");
    for order in returned(body) {
        let new = sent.iter().find_map(|sent| only_ours_is_new(sent, order));
        let new = new.unwrap_or_else(|| panic!("this order was not sent: {order}"));
        for repetition in new {
            assert_eq!(broken(&repetition, answer.version), None, "{repetition:#}");
        }
    }
    if let Some(kept) = &answer.without_token {
        let kept: Value = serde_json::from_str(kept).unwrap();
        assert_eq!(kept["fhirAuthorization"]["access_token"], "removed");
    }
}

fn answers(body: &str, service: &Service, default_version: Version, holds: &str) {
    let manner = Manner { default_version, ..MANNER.clone() };
    let moment = moment("fuzz");
    let Ok(answer) = at_once(body.as_bytes(), service, &SET, &manner, &moment, Ehr::of(holds)) else { return };
    let mut sent = Vec::new();
    [body.trim(), holds].into_iter().for_each(|text| objects(text, &mut sent));
    judge(&answer, &sent);
    let learned: Learned = serde_json::from_str(&answer.learned).unwrap();
    let kept = answer.without_token.as_deref().unwrap_or(body);
    let again = at_once(kept.as_bytes(), service, &SET, &manner, &moment, learned).unwrap();
    assert!(again.body == answer.body, "it cannot be answered again");
}

fuzz_target!(|data: &[u8]| {
    let Ok(json) = Json::scan(data, &MANNER.limits) else {
        assert!(at_once(data, &SERVICES[0], &SET, &MANNER, &moment("fuzz"), Nobody).is_err());
        return;
    };
    let body = json.root().raw();
    let prefetch = json.root().get("prefetch").map(|it| (it.offset_in(json.root()), it.raw()));
    for service in &SERVICES {
        for version in [Version::V2_0, Version::V2_1, Version::V2_2] {
            if request::read(&json, service, version, &MANNER.limits).is_err() {
                continue;
            }
            answers(body, service, version, "");
            if let Some((start, holds)) = prefetch {
                let bare = [&body[..start], "{}", &body[start + holds.len()..]].concat();
                answers(&bare, service, version, holds);
            }
        }
    }
});
