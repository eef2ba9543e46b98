//! Requests that are answered under the invented policy set, and what the EHR and the member directory say beside them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use covenant::answer::at_once;
use covenant::decide::facts::{Authorization, InForce, Membership, Standing};
use covenant::gather::learned::{MemberQuery, MemberReply, Query, Reply, Source};
use covenant::policy;
use covenant::policy::model::PolicySet;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::laws_support::{COVERAGE_INFORMATION, MANNER, moment, repository, service_of};

pub const FOLDER: &str = "tests/policies";
pub const VERSIONS: [&str; 2] = ["2.0", "2.2"];
pub const CPT: &str = "http://www.ama-assn.org/go/cpt";
pub const HCPCS: &str = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets";

/// The invented set, proved.
pub static SET: LazyLock<PolicySet> = LazyLock::new(|| policy::open(Some(&repository(FOLDER))).unwrap().set);

/// What the EHR says when it is asked for resources of a type, and what the member directory says. Without either there
/// is nobody to ask.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Says {
    pub member: Option<MemberReply>,
    pub replies: BTreeMap<String, Vec<Value>>,
}

impl Says {
    /// The directory knows the patient and the coverage, and this is its record of it.
    pub fn member(record: Value, authorizations: Vec<Authorization>) -> Self {
        let in_force = InForce { active: true, start: None, end: None };
        let membership = Membership { in_force, coverage: record.to_string(), authorizations };
        Self { member: Some(Ok(Standing::Member(membership))), ..Self::default() }
    }

    /// The EHR has these resources of one type.
    pub fn ehr(kind: &str, resources: &[Value]) -> Self {
        let entries: Vec<Value> = resources.iter().map(|resource| json!({ "resource": resource })).collect();
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset"});
        if !entries.is_empty() {
            bundle["entry"] = json!(entries);
        }
        Self { replies: BTreeMap::from([(kind.to_owned(), vec![bundle])]), ..Self::default() }
    }
}

impl Source for Says {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        let reply = |query: &Query| match self.replies.get(query.kind()) {
            Some(bodies) => Reply::Found(bodies.iter().map(Value::to_string).collect()),
            None => Reply::Nothing,
        };
        std::future::ready(queries.iter().map(reply).collect()).boxed()
    }

    fn can_ask(&self) -> bool {
        !self.replies.is_empty()
    }

    fn member<'s>(&'s self, _query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        std::future::ready(self.member.clone().unwrap()).boxed()
    }

    fn has_members(&self) -> bool {
        self.member.is_some()
    }
}

/// A request, and what is said beside it.
pub struct Ask {
    request: Value,
    says: Says,
}

/// A request to sign orders, in CRD 2.2.
pub fn sign(orders: &[Value]) -> Ask {
    let entries: Vec<Value> = orders.iter().map(|order| json!({ "resource": order })).collect();
    let request = json!({
        "hook": "order-sign",
        "hookInstance": "5d9b7ba3-0f3e-4c55-8ad2-111111111111",
        "fhirServer": "https://ehr.example.org/fhir",
        "context": {
            "userId": "Practitioner/1", "patientId": "1",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": entries}
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "1", "birthDate": "1980-03-14"},
            "coverage": coverage(),
            "payer": {
                "resourceType": "Organization", "id": "1", "identifier":
                    [{"system": "https://example-health-plan.example/payer-number", "value": "INVENTED-1"}]
            }
        },
        "extension": {"davinci-crd.requestedVersion": "2.2"}
    });
    Ask { request, says: Says::default() }
}

pub fn coverage() -> Value {
    json!({
        "resourceType": "Coverage", "id": "1", "status": "active", "subscriberId": "EXAMPLE-1",
        "beneficiary": {"reference": "Patient/1"}, "payor": [{"reference": "Organization/1"}],
        "class": [{
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-class", "code": "plan"}]},
            "value": "example-ppo"
        }]
    })
}

/// An order for a service.
pub fn service(system: &str, code: &str) -> Value {
    json!({
        "resourceType": "ServiceRequest", "id": format!("order-{code}"), "status": "draft", "intent": "order",
        "code": {"coding": [{"system": system, "code": code}], "text": "Invented service"},
        "subject": {"reference": "Patient/1"}, "authoredOn": "2026-11-20", "requester": {"reference": "Practitioner/1"}
    })
}

/// An order for a device.
pub fn device(system: &str, code: &str) -> Value {
    let mut order = service(system, code);
    order["resourceType"] = json!("DeviceRequest");
    let code = order.as_object_mut().unwrap().shift_remove("code").unwrap();
    order["codeCodeableConcept"] = code;
    order
}

/// A prescription.
pub fn medication(code: &str) -> Value {
    let mut order = service("http://www.nlm.nih.gov/research/umls/rxnorm", code);
    order["resourceType"] = json!("MedicationRequest");
    let code = order.as_object_mut().unwrap().shift_remove("code").unwrap();
    order["medicationCodeableConcept"] = code;
    order
}

impl Ask {
    pub fn in_version(mut self, version: &str) -> Self {
        self.request["extension"]["davinci-crd.requestedVersion"] = json!(version);
        self
    }

    /// The same orders while they are being written.
    pub fn selecting(mut self) -> Self {
        let entries = self.request["context"]["draftOrders"]["entry"].as_array().unwrap();
        let reference = |entry: &Value| {
            let text = |name: &str| entry["resource"][name].as_str().unwrap().to_owned();
            format!("{}/{}", text("resourceType"), text("id"))
        };
        let selections: Vec<String> = entries.iter().map(reference).collect();
        self.request["context"]["selections"] = json!(selections);
        self.request["hook"] = json!("order-select");
        self
    }

    /// At the booking of an appointment instead.
    pub fn booking(mut self, appointment: &Value) -> Self {
        let context = self.request["context"].as_object_mut().unwrap();
        context.shift_remove("draftOrders");
        context
            .insert("appointments".to_owned(), json!({"resourceType": "Bundle", "entry": [{"resource": appointment}]}));
        self.request["hook"] = json!("appointment-book");
        self
    }

    /// With somebody else at work.
    pub fn by(mut self, user: &str) -> Self {
        self.request["context"]["userId"] = json!(user);
        self
    }

    /// With something more in the prefetch.
    pub fn sending(mut self, key: &str, resource: Value) -> Self {
        self.request["prefetch"][key] = resource;
        self
    }

    pub fn configured(mut self, option: &str, value: impl Into<Value>) -> Self {
        self.request["extension"]["davinci-crd.configuration"][option] = value.into();
        self
    }

    /// With what the EHR and the directory say.
    pub fn told(mut self, says: Says) -> Self {
        self.says = says;
        self
    }

    pub fn answer(&self) -> Said {
        Said::to("asked", &self.request.to_string(), self.says.clone())
    }
}

/// An answer.
pub struct Said {
    /// As it is written.
    pub text: String,
    pub body: Value,
}

impl Said {
    /// The answer to the text of a request.
    pub fn to(name: &str, request: &str, says: Says) -> Self {
        let answered = at_once(request.as_bytes(), service_of(request), &SET, &MANNER, &moment(name), says);
        let answer = answered.unwrap_or_else(|refusal| panic!("{name} is refused: {refusal:?}"));
        let text = String::from_utf8(answer.body).unwrap();
        Self { body: serde_json::from_str(&text).unwrap(), text }
    }

    /// The parts of each repetition of coverage information, in the order of the orders.
    pub fn repetitions(&self) -> Vec<Vec<Value>> {
        let actions = self.body["systemActions"].as_array().cloned().unwrap_or_default();
        let extensions = actions.iter().flat_map(|action| action["resource"]["extension"].as_array().cloned().unwrap());
        let ours = extensions.filter(|extension| extension["url"] == COVERAGE_INFORMATION);
        ours.map(|extension| extension["extension"].as_array().cloned().unwrap()).collect()
    }

    /// All parts of a name.
    pub fn parts(&self, name: &str) -> Vec<Value> {
        self.repetitions().into_iter().flatten().filter(|part| part["url"] == name).collect()
    }

    /// The codes of all parts of a name.
    pub fn codes(&self, name: &str) -> Vec<String> {
        self.parts(name).iter().map(|part| part["valueCode"].as_str().unwrap().to_owned()).collect()
    }

    pub fn cards(&self) -> Vec<Value> {
        self.body["cards"].as_array().cloned().unwrap()
    }

    /// The one card.
    pub fn card(&self) -> Value {
        let mut cards = self.cards();
        assert_eq!(cards.len(), 1, "{}", self.text);
        cards.remove(0)
    }

    /// The actions of a suggestion of the one card.
    pub fn actions(&self, suggestion: usize) -> Vec<Value> {
        self.card()["suggestions"][suggestion]["actions"].as_array().cloned().unwrap()
    }
}
