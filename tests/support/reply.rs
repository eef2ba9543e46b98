//! What came back, and what must be so of every answer and of every refusal.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::CANARY;

const COVERAGE_INFORMATION: &str = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information";

/// A response of the server.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Response<'b> {
    #[serde(borrow, rename = "systemActions", default)]
    system_actions: Vec<SystemAction<'b>>,
}

#[derive(Deserialize)]
struct SystemAction<'b> {
    #[serde(borrow)]
    resource: &'b RawValue,
}

impl Reply {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// Must be an answer, as every answer is.
    pub fn answered(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self.must_be_json();
        self.request_id();
        let answer = self.json();
        assert!(answer["cards"].is_array() && answer["systemActions"].is_array(), "{}", self.text());
        self
    }

    /// Must be an answer with coverage information.
    pub fn decided(self) -> Self {
        let answered = self.answered();
        assert!(!answered.assertions().is_empty(), "{}", answered.text());
        answered
    }

    /// Must be a refusal, as every refusal is: an OperationOutcome of this issue, in words that are in our own table,
    /// under the id it is logged by, with nothing of what was sent.
    #[track_caller]
    pub fn refused(self, status: u16, issue: &str) -> Refusal {
        assert_eq!(self.status, status, "{}", self.text());
        self.must_be_json();
        let id = self.request_id();
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let issues = outcome["issue"].as_array().unwrap();
        let [said] = issues.as_slice() else { panic!("not one issue: {outcome}") };
        assert_eq!(said["code"], issue, "{outcome}");
        let text = format!("\"{}\"", said["details"]["text"].as_str().unwrap());
        let sources = [include_str!("../../src/http/problem.rs"), include_str!("../../src/http/problem/refusals.rs")];
        assert!(sources.iter().any(|source| source.contains(&text)), "{text} is no fixed sentence");
        assert!(said["diagnostics"].as_str().unwrap().ends_with(&format!("request {id}")), "{outcome}");
        let headers: Vec<&str> = self.headers.iter().map(|(_, value)| value.as_str()).collect();
        let everything = format!("{} {}", self.text(), headers.join(" "));
        // An id is random, and may have anything in it.
        assert_no_leak(&everything.replace(&id.to_string(), ""), "a refusal");
        Refusal(self)
    }

    fn must_be_json(&self) {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }

    /// The id that the request is logged under.
    pub fn request_id(&self) -> Uuid {
        self.header("x-request-id").and_then(|id| id.parse().ok()).expect("a request id")
    }

    /// The orders that the system actions return, as they stand in the response.
    pub fn orders(&self) -> Vec<String> {
        let response: Response<'_> = serde_json::from_slice(&self.body).unwrap();
        response.system_actions.iter().map(|action| action.resource.get().to_owned()).collect()
    }

    /// Must return one order byte for byte as it was sent, apart from extensions added at its end.
    pub fn returns(&self, order: &str) {
        let orders = self.orders();
        let [returned] = orders.as_slice() else { panic!("not one order: {orders:?}") };
        let sent = order.strip_suffix('}').unwrap();
        let added = returned.strip_prefix(sent).unwrap_or_else(|| panic!("{returned}\nis not\n{order}"));
        assert!(added.starts_with(",\"extension\":[{\"url\":\"http://hl7.org"), "{added}");
        assert!(added.ends_with("}]}"), "{added}");
    }

    /// The repetitions of coverage information, of all orders.
    pub fn coverage_information(&self) -> Vec<Value> {
        let orders = self.orders();
        let orders = orders.iter().map(|order| serde_json::from_str::<Value>(order).unwrap());
        let extensions = orders.flat_map(|order| order["extension"].as_array().unwrap().clone());
        extensions.filter(|extension| extension["url"] == COVERAGE_INFORMATION).collect()
    }

    /// What coverage information says under a name, in all its repetitions: codes as codes, concepts in words.
    pub fn says(&self, name: &str) -> Vec<String> {
        let repetitions = self.coverage_information();
        let parts = repetitions.iter().flat_map(|repetition| repetition["extension"].as_array().unwrap());
        parts.filter(|part| part["url"] == name).map(value).collect()
    }

    /// The assertion ids, each once.
    pub fn assertions(&self) -> Vec<String> {
        let mut ids = self.says("coverage-assertion-id");
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Every text that the cards show: summaries and details.
    pub fn card_texts(&self) -> Vec<String> {
        let response = self.json();
        let cards = response["cards"].as_array().unwrap().iter();
        let texts = cards.flat_map(|card| [&card["summary"], &card["detail"]]);
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Where the links of the cards go.
    pub fn links(&self) -> Vec<String> {
        let response = self.json();
        let cards = response["cards"].as_array().unwrap().iter();
        let links = cards.flat_map(|card| card["links"].as_array().into_iter().flatten());
        links.map(|link| link["url"].as_str().unwrap().to_owned()).collect()
    }

    /// The ids of the cards.
    pub fn cards(&self) -> Vec<String> {
        let response = self.json();
        let cards = response["cards"].as_array().unwrap().iter();
        cards.map(|card| card["uuid"].as_str().unwrap().to_owned()).collect()
    }

    /// The summaries of the cards.
    pub fn summaries(&self) -> Vec<String> {
        let response = self.json();
        let cards = response["cards"].as_array().unwrap().iter();
        cards.map(|card| card["summary"].as_str().unwrap().to_owned()).collect()
    }
}

/// The value of an extension, whatever its type.
fn value(part: &Value) -> String {
    let members = part.as_object().unwrap();
    // What has parts of its own is given whole.
    let Some((_, value)) = members.iter().find(|(name, _)| name.starts_with("value")) else { return part.to_string() };
    let words = value.get("text").or_else(|| value.pointer("/coding/0/code")).or_else(|| value.get("code"));
    let words = words.or_else(|| value.get("reference")).unwrap_or(value);
    words.as_str().map_or_else(|| words.to_string(), str::to_owned)
}

/// A refusal that has what every refusal has.
pub struct Refusal(Reply);

impl Refusal {
    /// It must name this place in the request.
    #[track_caller]
    pub fn at(self, expression: &str) -> Self {
        assert_eq!(self.0.json()["issue"][0]["expression"], serde_json::json!([expression]));
        self
    }

    /// It must name no place.
    #[track_caller]
    pub fn nowhere(self) -> Self {
        assert_eq!(self.0.json()["issue"][0].get("expression"), None);
        self
    }

    /// It must have this header.
    #[track_caller]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        assert_eq!(self.0.header(name), Some(value), "{name}");
        self
    }

    /// What it says, without what is different each time.
    pub fn words(&self) -> Value {
        let mut outcome = self.0.json();
        outcome["issue"][0]["diagnostics"] = Value::Null;
        outcome
    }
}

/// Fails if a text has anything in it that a person could be recognised by.
#[track_caller]
pub fn assert_no_leak(text: &str, what: &str) {
    let lower = text.to_lowercase();
    for secret in [CANARY, "1957-03-14", "47383", "c22.0"] {
        assert!(!lower.contains(secret), "{what} has {secret}: {text}");
    }
}
