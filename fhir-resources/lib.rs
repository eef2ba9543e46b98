//! The embedded policy set, and the one place that reads FHIR resources with fhirbolt.
//!
//! It turns files into typed R4 resources and says which file and which element is wrong. It knows nothing of what the
//! resources mean: that is `covenant::policy`. It never reads what a client sent.

use std::borrow::Cow;

use fhirbolt::serde::{DeserializationConfig, DeserializationMode};
use rust_embed::Embed;
use serde_json::Value;

pub use fhirbolt::model::r4;
use fhirbolt::model::r4::resources::{
    CodeSystem, CommunicationRequest, ConceptMap, DeviceRequest, InsurancePlan, Library, MedicationRequest,
    NamingSystem, NutritionOrder, Organization, PlanDefinition, Questionnaire, ServiceRequest, ValueSet,
    VisionPrescription,
};

#[derive(Embed)]
#[folder = "."]
#[include = "payer/*.json"]
#[include = "policies/**/*.json"]
#[include = "terminology/*.json"]
struct Embedded;

/// One file of a policy set: its path inside the set and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path inside the set, with `/` between folders: `policies/633/PlanDefinition-633.json`.
    pub path: String,
    /// The bytes as they lie on disk.
    pub bytes: Vec<u8>,
}

/// The files of the default policy set, sorted by path.
#[must_use]
pub fn embedded() -> Vec<File> {
    let mut files: Vec<File> = Embedded::iter()
        .filter_map(|path| {
            let file = Embedded::get(&path)?;
            Some(File { path: path.into_owned(), bytes: file.data.into_owned() })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// A resource of a kind that a policy set is made of.
#[derive(Debug, Clone)]
pub enum Resource {
    /// A code system that a policy set defines for itself.
    CodeSystem(Box<CodeSystem>),
    /// How codes of others become ours.
    ConceptMap(Box<ConceptMap>),
    /// A product line.
    InsurancePlan(Box<InsurancePlan>),
    /// The facts of a policy.
    Library(Box<Library>),
    /// A code system of others: its short name and every URI and OID it goes by.
    NamingSystem(Box<NamingSystem>),
    /// The payer.
    Organization(Box<Organization>),
    /// The rules of a policy version.
    PlanDefinition(Box<PlanDefinition>),
    /// A set of codes.
    ValueSet(Box<ValueSet>),
}

/// Why a file could not be read as a FHIR R4 resource.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(serde_json::Error),
    /// JSON that FHIR forbids anywhere: an empty array, object or string, or a null outside an array of primitives.
    #[error("{0} is empty, which FHIR does not allow")]
    Empty(String),
    /// A resource type that has no place in a policy set, or none at all.
    #[error("resourceType is not one of {}", KINDS.join(", "))]
    Kind,
    /// A resource type that has no place in another resource.
    #[error("contains a resource that is not one of {}", CONTAINED.join(", "))]
    Contained,
    /// Not a valid resource of its type.
    #[error("not a valid {kind}: {message}")]
    Invalid {
        /// The resource type that the file says it is.
        kind: &'static str,
        /// What the reader found, with the element's path.
        message: String,
    },
}

const KINDS: [&str; 8] = [
    "CodeSystem",
    "ConceptMap",
    "InsurancePlan",
    "Library",
    "NamingSystem",
    "Organization",
    "PlanDefinition",
    "ValueSet",
];

/// What a PlanDefinition may contain: drafts of orders, and forms.
const CONTAINED: [&str; 7] = [
    "CommunicationRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "Questionnaire",
    "ServiceRequest",
    "VisionPrescription",
];

/// Reads one resource strictly: an element that R4 does not know is an error.
///
/// What it contains is read on its own: fhirbolt loses its place after a contained resource.
///
/// # Errors
/// [`ReadError`], which names the element where the reader knows it.
pub fn read(bytes: &[u8]) -> Result<Resource, ReadError> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(ReadError::Json)?;
    // fhirbolt panics on empty arrays, so they are found before it sees them.
    if let Some(path) = first_empty(&value, "") {
        return Err(ReadError::Empty(path));
    }
    let contained = value.as_object_mut().and_then(|members| members.shift_remove("contained"));
    for resource in contained.iter().filter_map(Value::as_array).flatten() {
        read_contained(resource.clone())?;
    }
    let bytes = if decimals_as_text(&mut value) || contained.is_some() { text(&value)? } else { Cow::Borrowed(bytes) };
    let bytes = &*bytes;
    let kind = value.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "CodeSystem" => typed(bytes, "CodeSystem").map(Resource::CodeSystem),
        "ConceptMap" => typed(bytes, "ConceptMap").map(Resource::ConceptMap),
        "InsurancePlan" => typed(bytes, "InsurancePlan").map(Resource::InsurancePlan),
        "Library" => typed(bytes, "Library").map(Resource::Library),
        "NamingSystem" => typed(bytes, "NamingSystem").map(Resource::NamingSystem),
        "Organization" => typed(bytes, "Organization").map(Resource::Organization),
        "PlanDefinition" => typed(bytes, "PlanDefinition").map(Resource::PlanDefinition),
        "ValueSet" => typed(bytes, "ValueSet").map(Resource::ValueSet),
        _ => Err(ReadError::Kind),
    }
}

fn read_contained(mut resource: Value) -> Result<(), ReadError> {
    decimals_as_text(&mut resource);
    let bytes = &*text(&resource)?;
    match resource.get("resourceType").and_then(Value::as_str).unwrap_or_default() {
        "CommunicationRequest" => typed::<CommunicationRequest>(bytes, "CommunicationRequest").map(drop),
        "DeviceRequest" => typed::<DeviceRequest>(bytes, "DeviceRequest").map(drop),
        "MedicationRequest" => typed::<MedicationRequest>(bytes, "MedicationRequest").map(drop),
        "NutritionOrder" => typed::<NutritionOrder>(bytes, "NutritionOrder").map(drop),
        "Questionnaire" => typed::<Questionnaire>(bytes, "Questionnaire").map(drop),
        "ServiceRequest" => typed::<ServiceRequest>(bytes, "ServiceRequest").map(drop),
        "VisionPrescription" => typed::<VisionPrescription>(bytes, "VisionPrescription").map(drop),
        _ => Err(ReadError::Contained),
    }
}

/// The elements of type decimal in what a policy set is made of.
const DECIMALS: [&str; 14] = [
    "value",
    "valueDecimal",
    "answerDecimal",
    "duration",
    "durationMax",
    "period",
    "periodMax",
    "sphere",
    "cylinder",
    "amount",
    "add",
    "power",
    "backCurve",
    "diameter",
];

/// Writes decimals as strings of the same digits, for fhirbolt reads them only so; whether there were any.
fn decimals_as_text(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |found, item| decimals_as_text(item) || found),
        Value::Object(members) => members.iter_mut().fold(false, |found, (name, member)| match member {
            Value::Number(number) if DECIMALS.contains(&&**name) => {
                *member = Value::String(number.to_string());
                true
            }
            _ => decimals_as_text(member) || found,
        }),
        _ => false,
    }
}

/// Written over lines as people write it, so that the line of an error is near the one in the file.
fn text(value: &Value) -> Result<Cow<'static, [u8]>, ReadError> {
    serde_json::to_vec_pretty(value).map(Cow::Owned).map_err(ReadError::Json)
}

fn typed<T>(bytes: &[u8], kind: &'static str) -> Result<Box<T>, ReadError>
where
    T: fhirbolt::serde::DeserializeResourceOwned,
{
    let config = DeserializationConfig { mode: DeserializationMode::Strict };
    fhirbolt::json::from_slice::<T>(bytes, Some(config))
        .map(Box::new)
        .map_err(|error| ReadError::Invalid { kind, message: error.to_string() })
}

/// The resources that a file's resource contains: each one's id, its type, and itself as JSON text without the id.
///
/// They were read before the resource that contains them, so they are valid R4.
#[must_use]
pub fn contained(bytes: &[u8]) -> Vec<(String, String, String)> {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let contained = value.get("contained").and_then(Value::as_array).into_iter().flatten();
    let one = |resource: &Value| {
        let mut members = resource.as_object()?.clone();
        let id = members.shift_remove("id")?.as_str()?.to_owned();
        let kind = members.get("resourceType")?.as_str()?.to_owned();
        Some((id, kind, Value::Object(members).to_string()))
    };
    contained.filter_map(one).collect()
}

/// The path of the first empty array, object, string or null.
fn first_empty(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Null => Some(path.to_owned()),
        Value::String(text) if text.is_empty() => Some(path.to_owned()),
        Value::Array(items) if items.is_empty() => Some(path.to_owned()),
        Value::Object(members) if members.is_empty() => Some(path.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| first_empty(item, &format!("{path}[{index}]")))
        }
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let dot = if path.is_empty() { "" } else { "." };
            first_empty(member, &format!("{path}{dot}{name}"))
        }),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{embedded, read};
    use serde_json::Value;

    #[test]
    fn every_resource_of_the_default_set_reads() {
        let files: Vec<_> = embedded().into_iter().filter(|file| !file.path.contains("/cases/")).collect();
        assert!(files.len() > 30, "only {} files are embedded", files.len());
        let faults: Vec<String> = files
            .iter()
            .filter_map(|file| read(&file.bytes).err().map(|error| format!("{}: {error}", file.path)))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn numbers_and_contained_resources_are_read_and_what_is_wrong_in_them_is_found() {
        let plan = |contained: &str, range: &str| {
            let text = format!(
                r#"{{"resourceType": "PlanDefinition", "contained": [{contained}], "status": "active", "action": [
                    {{"input": [{{"type": "Patient", "codeFilter": [{{"extension": [
                        {{"url": "https://covenant.example/range", "valueRange": {range}}}
                    ], "path": "age"}}]}}]}}
                ]}}"#
            );
            read(text.as_bytes()).map(drop).map_err(|error| error.to_string())
        };
        let order = r#"{"resourceType": "ServiceRequest", "id": "a", "status": "draft", "intent": "order",
            "quantityQuantity": {"value": 2.50}, "subject": {"display": "The patient"}}"#;
        let form = r#"{"resourceType": "Questionnaire", "id": "b", "status": "active"}"#;
        let range = r#"{"low": {"value": 1}, "high": {"value": 2.5}}"#;
        assert_eq!(plan(&format!("{order}, {form}"), range), Ok(()));
        let wrong = |contained: &str, range: &str| plan(contained, range).err().unwrap_or_default();
        assert!(wrong(&order.replace("quantityQuantity", "quantity"), range).contains("ServiceRequest"));
        assert!(
            wrong(r#"{"resourceType": "Basic", "id": "a", "code": {"text": "b"}}"#, range).contains("Questionnaire")
        );
        assert!(wrong(form, r#"{"low": {"value": true}}"#).contains("PlanDefinition"));
    }

    #[test]
    fn every_file_is_named_after_its_type_and_id() {
        for file in embedded().iter().filter(|file| !file.path.contains("/cases/")) {
            let resource: Value = serde_json::from_slice(&file.bytes).unwrap_or_default();
            let text = |member| resource.get(member).and_then(Value::as_str).unwrap_or_default();
            let name = format!("{}-{}.json", text("resourceType"), text("id"));
            assert_eq!(file.path.rsplit('/').next(), Some(name.as_str()));
        }
    }

    #[test]
    fn every_case_file_is_a_table_of_cases() {
        let cases: Vec<_> = embedded().into_iter().filter(|file| file.path.contains("/cases/")).collect();
        assert!(!cases.is_empty());
        for file in cases {
            let table: Value = serde_json::from_slice(&file.bytes).unwrap_or_default();
            let rows = table.get("cases").and_then(Value::as_array).map_or(0, Vec::len);
            assert!(rows > 0, "{} has no cases", file.path);
        }
    }
}
