//! Requests: one that is answered, and ways to spoil it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ehr::RunningEhr;

/// The word that is in every personal value of a request, so that a leak is found by one search.
pub const CANARY: &str = "canary";

/// The order of a request.
pub const ORDER: &str = "/context/draftOrders/entry/0/resource";

/// A request to order-sign, in CRD 2.2.
#[derive(Clone)]
pub struct Request(Value);

/// A request to sign an order for a CPT code: outpatient, in the PPO product line, for hepatocellular carcinoma.
///
/// Whatever a person could be recognised by has the canary in it.
pub fn order(code: &str) -> Request {
    let example = include_str!("../../cds-hooks/examples/order-sign-47383.request.json");
    let planted = example.replace("example", CANARY).replace("EXAMPLE", "CANARY").replace("Example", "Canary");
    let planted = planted.replace("Alice", "Canary-Alice").replace("47383", code);
    Request(serde_json::from_str(&planted).unwrap()).with("/hookInstance", Uuid::new_v4().to_string())
}

/// The resources of the usual request's prefetch, as the EHR holds them.
pub fn held() -> Vec<Value> {
    let request = order("47383");
    let prefetch = request.at("/prefetch").as_object().unwrap();
    let values = prefetch.values().filter(|value| !value.is_null());
    let resources = values.flat_map(|value| match value["entry"].as_array() {
        Some(entries) => entries.iter().map(|entry| entry["resource"].clone()).collect(),
        None => vec![value.clone()],
    });
    resources.collect()
}

impl Request {
    /// A request as it is written.
    pub fn from_text(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// The request with a value at a JSON pointer, whether there was one or not; `/-` puts it at the end of a list.
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match self.0.pointer_mut(parent) {
            Some(Value::Object(members)) => _ = members.insert(name.to_owned(), value.into()),
            Some(Value::Array(items)) if name == "-" => items.push(value.into()),
            Some(Value::Array(items)) => items[name.parse::<usize>().unwrap()] = value.into(),
            other => panic!("there is nothing to put {name} into at {parent}: {other:?}"),
        }
        self
    }

    /// The request without what is at a JSON pointer.
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let removed = self.0.pointer_mut(parent).and_then(Value::as_object_mut).and_then(|it| it.shift_remove(name));
        assert!(removed.is_some(), "there is nothing at {pointer}");
        self
    }

    /// The request with a member of its order.
    pub fn ordering(self, member: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("{ORDER}/{member}"), value)
    }

    /// The request without a member of its order.
    pub fn not_ordering(self, member: &str) -> Self {
        self.without(&format!("{ORDER}/{member}"))
    }

    /// The request with a member of its Coverage.
    pub fn covered(self, member: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("/prefetch/coverage/entry/0/resource/{member}"), value)
    }

    /// The request with the order a number of times, each under an id of its own.
    pub fn times(self, count: usize) -> Self {
        let entry = self.0["context"]["draftOrders"]["entry"][0].clone();
        let entries = (0..count).map(|index| {
            let mut entry = entry.clone();
            entry["resource"]["id"] = json!(format!("{CANARY}-order-{index}"));
            entry
        });
        let entries: Vec<Value> = entries.collect();
        self.with("/context/draftOrders/entry", entries)
    }

    /// The request with what calls for data take: a token.
    pub fn authorized(self) -> Self {
        let token = format!("{CANARY}-access-token");
        let authorization = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "covenant"
        });
        self.with("/fhirAuthorization", authorization)
    }

    /// The request of an EHR whose FHIR server can be asked.
    pub fn of(self, ehr: &RunningEhr) -> Self {
        self.authorized().with("/fhirServer", ehr.base())
    }

    /// The request in another version of CRD.
    pub fn in_version(self, version: &str) -> Self {
        self.with("/extension/davinci-crd.requestedVersion", version)
    }

    /// The request with an option of this one call.
    pub fn configured(mut self, option: &str, value: impl Into<Value>) -> Self {
        self.0["extension"]["davinci-crd.configuration"][option] = value.into();
        self
    }

    /// What is at a JSON pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap()
    }

    /// The request as it is sent, for changes that JSON values cannot express.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    /// The bytes of its order.
    pub fn order_text(&self) -> String {
        self.at(ORDER).to_string()
    }
}

impl From<Request> for Vec<u8> {
    fn from(request: Request) -> Self {
        request.text().into_bytes()
    }
}

impl From<&Request> for Vec<u8> {
    fn from(request: &Request) -> Self {
        request.text().into_bytes()
    }
}
