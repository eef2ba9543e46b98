//! Codes and identifiers as metric data has them: what is not shaped like one does not get in, whatever a client sent.

use serde::Serialize;
use serde_json::Value;

use crate::request::order::{list, string};

/// The system of National Provider Identifiers.
const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// An identifier.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Identifier {
    /// Whose it is, a URI.
    pub system: String,
    /// The identifier itself.
    pub value: String,
}

/// A code of a system, without the words that a client may have put beside it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Coding {
    /// The code system's URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The code.
    pub code: String,
}

/// A concept in codes, or in words of ours.
#[derive(Clone, PartialEq, Eq, Serialize, Default)]
pub struct Concept {
    /// The codes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coding: Vec<Coding>,
    /// The words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Concept {
    /// Words of ours, or a code as the ledger writes one: its system and itself.
    pub(super) fn said(text: &str) -> Self {
        let parts = text.split_once(' ').filter(|(system, _)| is_uri(system));
        match parts.and_then(|(system, code)| coding(Some(system), code)) {
            Some(coding) => Self { coding: vec![coding], text: None },
            None => Self { coding: Vec::new(), text: Some(text.to_owned()) },
        }
    }

    /// Codes, if there are any.
    pub(super) fn of(coding: Vec<Coding>) -> Option<Self> {
        (!coding.is_empty()).then_some(Self { coding, text: None })
    }
}

/// The codes of a FHIR CodeableConcept.
pub(super) fn codings(concept: &Value) -> impl Iterator<Item = Coding> {
    list(concept, "coding").iter().filter_map(|coding| {
        let system = string(coding, "system").filter(|system| is_uri(system))?;
        self::coding(Some(system), string(coding, "code")?)
    })
}

/// A code, unless it is words.
pub(super) fn coding(system: Option<&str>, code: &str) -> Option<Coding> {
    let fits = !code.is_empty() && code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Coding { system: system.map(str::to_owned), code: code.to_owned() })
}

fn is_uri(text: &str) -> bool {
    let scheme = ["http://", "https://", "urn:"].iter().any(|scheme| text.starts_with(scheme));
    scheme && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A type of resource, unless it is something else: types are one word of letters.
pub(super) fn kind(text: &str) -> Option<&str> {
    let fits = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    (fits && text.starts_with(|first: char| first.is_ascii_uppercase())).then_some(text)
}

/// The National Provider Identifier of a person or an organisation: ten digits.
pub(super) fn npi(resource: &Value) -> Option<Identifier> {
    let identifiers = list(resource, "identifier").iter();
    let mut numbers = identifiers.filter(|it| string(it, "system") == Some(NPI)).filter_map(|it| string(it, "value"));
    let number = numbers.find(|number| number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(Identifier { system: NPI.to_owned(), value: number.to_owned() })
}

untold!(Identifier, Coding, Concept);
