//! A FHIR extension as it is written: a name with a value, or with parts.

use std::borrow::Cow;

use jiff::civil::Date;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

/// An extension.
pub(super) struct Extension<'a> {
    pub(super) url: &'static str,
    pub(super) value: Value<'a>,
}

/// What it holds.
pub(super) enum Value<'a> {
    Parts(Vec<Extension<'a>>),
    Boolean(bool),
    Canonical(&'a str),
    Code(&'static str),
    Coding(Coding<'a>),
    Concept(Concept<'a>),
    ContactDetail(ContactDetail<'a>),
    ContactPoint(ContactPoint<'a>),
    Date(Date),
    Period(Period<'a>),
    Quantity(Quantity<'a>),
    Reference(Reference<'a>),
    String(Cow<'a, str>),
    Url(&'a str),
}

#[derive(Debug, Serialize)]
pub(super) struct Coding<'a> {
    pub(super) system: &'a str,
    pub(super) code: &'a str,
}

#[derive(Serialize)]
pub(super) struct Concept<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) coding: Vec<Coding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ContactPoint<'a> {
    pub(super) system: &'a str,
    pub(super) value: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct ContactDetail<'a> {
    pub(super) telecom: Vec<ContactPoint<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Period<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<&'a str>,
}

/// The decimal is written as the policy's author wrote it.
#[derive(Serialize)]
pub(super) struct Quantity<'a> {
    pub(super) value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'a str>,
}

/// A literal reference, or one that says what it is to and no more.
#[derive(Default, Serialize)]
pub(super) struct Reference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<Cow<'a, str>>,
}

impl Extension<'_> {
    /// The code, of a `valueCode`.
    pub(super) fn code(&self) -> Option<&'static str> {
        match self.value {
            Value::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The parts, of an extension that has parts.
    pub(super) fn parts(&self) -> &[Self] {
        match &self.value {
            Value::Parts(parts) => parts,
            _ => &[],
        }
    }
}

impl Serialize for Extension<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("url", self.url)?;
        match &self.value {
            Value::Parts(parts) => map.serialize_entry("extension", parts),
            Value::Boolean(value) => map.serialize_entry("valueBoolean", value),
            Value::Canonical(value) => map.serialize_entry("valueCanonical", value),
            Value::Code(value) => map.serialize_entry("valueCode", value),
            Value::Coding(value) => map.serialize_entry("valueCoding", value),
            Value::Concept(value) => map.serialize_entry("valueCodeableConcept", value),
            Value::ContactDetail(value) => map.serialize_entry("valueContactDetail", value),
            Value::ContactPoint(value) => map.serialize_entry("valueContactPoint", value),
            Value::Date(value) => map.serialize_entry("valueDate", &value.to_string()),
            Value::Period(value) => map.serialize_entry("valuePeriod", value),
            Value::Quantity(value) => map.serialize_entry("valueQuantity", value),
            Value::Reference(value) => map.serialize_entry("valueReference", value),
            Value::String(value) => map.serialize_entry("valueString", value),
            Value::Url(value) => map.serialize_entry("valueUrl", value),
        }?;
        map.end()
    }
}

untold!(Extension<'_>, Value<'_>, Concept<'_>, Quantity<'_>, Reference<'_>);
