//! What was asked: from a body to an [`Invocation`] in which everything that the standard demands of it holds.
//!
//! Orders keep their bytes: what is returned is what came, apart from our extension.

pub mod hook;
pub mod json;
pub mod options;
pub mod schema;
pub mod version;

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Limits;
use crate::telemetry::Fault;
use hook::{Hook, Service};
use json::{JsonError, Members};
use options::Options;
use schema::{Issue, Misfit};
use version::Version;

/// Why a request is refused. Each names a place and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not JSON that we read (FAULTS J01–J06).
    #[error("the body is not JSON that can be read")]
    Json(JsonError),
    /// Breaks the CDS Hooks specification (H01–H06).
    #[error("the request breaks the CDS Hooks specification at {}", .0.expression)]
    Envelope(Misfit),
    /// `hook` is not the hook of this service (H01).
    #[error("the request is for another hook than this service")]
    OtherHook,
    /// A CRD version that we do not declare (H14).
    #[error("the requested CRD version is not one that is served")]
    Version,
    /// A resource breaks FHIR R4 (the version decides on 400 or 422).
    #[error("a resource breaks FHIR R4 at {}", .0.expression)]
    Resource(Misfit, Version),
    /// More orders than one request may have (H12).
    #[error("there are more orders than one request may have")]
    TooManyOrders,
    /// An order without an id (H08, CRD found-36).
    #[error("an order has no id")]
    OrderWithoutId(String),
    /// Two orders with one id (H13).
    #[error("two orders have the same id")]
    DuplicateOrder(String),
}

impl RequestError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Client
    }
}

/// A resource as it came.
#[derive(Debug, Clone)]
pub struct Resource<'b> {
    /// Its type.
    pub kind: Cow<'b, str>,
    /// Its id; empty without one.
    pub id: Cow<'b, str>,
    /// Its bytes.
    pub raw: &'b RawValue,
}

/// An order that an answer is due for.
#[derive(Debug)]
pub struct Order<'b> {
    /// As it came.
    pub resource: Resource<'b>,
    /// As it is read.
    pub value: Value,
    /// Its place in the request.
    pub expression: String,
}

/// What stands under a prefetch key.
#[derive(Debug)]
pub enum Prefetched<'b> {
    /// `null`, or a Bundle of nothing: it was asked for and there is none.
    Nothing,
    /// An OperationOutcome: it could not be had.
    Failure,
    /// Resources, single or of a Bundle.
    Resources(Vec<Resource<'b>>),
}

/// What was asked, valid.
#[derive(Debug)]
pub struct Invocation<'b> {
    /// The hook.
    pub hook: Hook,
    /// `hookInstance`
    pub hook_instance: String,
    /// The version that is spoken.
    pub version: Version,
    /// What the client configured.
    pub options: Options,
    /// `context.patientId`
    pub patient_id: String,
    /// `context.encounterId`
    pub encounter_id: Option<String>,
    /// `fhirAuthorization.patient`
    pub token_patient: Option<String>,
    /// The orders an answer is due for, in their order.
    pub orders: Vec<Order<'b>>,
    /// Everything that was prefetched.
    pub prefetch: Vec<(Cow<'b, str>, Prefetched<'b>)>,
}

/// Reads and checks a body that was sent to a service.
///
/// # Errors
/// The first thing that is wrong, as [`RequestError`].
pub fn read<'b>(
    body: &'b [u8],
    service: &Service,
    default_version: Version,
    limits: &Limits,
) -> Result<Invocation<'b>, RequestError> {
    let text = json::scan(body, limits).map_err(RequestError::Json)?;
    let malformed = RequestError::Json(JsonError { fault: json::JsonFault::Syntax, line: 0, column: 0 });
    let raw: &RawValue = serde_json::from_str(text.trim()).map_err(|_| malformed)?;
    let members = Members::of(raw);
    let envelope = members.value(|name| !ENVELOPE.contains(&name));
    schema::REQUEST.check(&envelope, "").map_err(RequestError::Envelope)?;
    let string = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if string(&envelope, "hook").as_deref() != Some(service.hook.name()) {
        return Err(RequestError::OtherHook);
    }
    let extension = envelope.get("extension");
    let version = match extension.and_then(|extension| extension.get("davinci-crd.requestedVersion")) {
        None => default_version,
        Some(named) => named.as_str().and_then(Version::named).ok_or(RequestError::Version)?,
    };
    let context = members.get("context").map(Members::of).unwrap_or_default();
    let draft = context.get("draftOrders").map(Members::of).unwrap_or_default();
    let mut outline = context.value(|name| name == "draftOrders");
    if let (Some(slot), Some(raw)) = (outline.get_mut("draftOrders"), context.get("draftOrders")) {
        *slot = bundle_outline(raw, &draft);
    }
    schema::ORDER_SIGN.check(&outline, "context").map_err(RequestError::Envelope)?;
    let prefetch = members.get("prefetch").map(Members::of).unwrap_or_default();
    let authorization = envelope.get("fhirAuthorization");
    Ok(Invocation {
        hook: service.hook,
        hook_instance: string(&envelope, "hookInstance").unwrap_or_default(),
        version,
        options: Options::of(extension.and_then(|extension| extension.get("davinci-crd.configuration"))),
        patient_id: string(&outline, "patientId").unwrap_or_default(),
        encounter_id: string(&outline, "encounterId"),
        token_patient: authorization.and_then(|authorization| string(authorization, "patient")),
        orders: orders(&draft, version, limits)?,
        prefetch: prefetch.into_iter().map(|(key, raw)| (key, prefetched(raw))).collect(),
    })
}

/// The members of the envelope that are read here; context, prefetch and what is unknown are looked at by themselves.
const ENVELOPE: [&str; 5] = ["hook", "hookInstance", "fhirServer", "fhirAuthorization", "extension"];

/// A Bundle as far as the context's schema looks: its own members, and of its entries whether they hold resources.
fn bundle_outline(raw: &RawValue, bundle: &Members<'_>) -> Value {
    if !raw.get().starts_with('{') {
        return json::outline(raw);
    }
    let mut outline = bundle.value(|name| !matches!(name, "resourceType" | "type"));
    let entries = bundle.get("entry").filter(|entries| entries.get().starts_with('['));
    if let (Some(slot), Some(entries)) = (outline.get_mut("entry"), entries) {
        let entry = |raw: &RawValue| match json::outline(raw) {
            Value::Object(_) => Members::of(raw).value(|name| name != "fullUrl"),
            other => other,
        };
        *slot = json::items(entries).into_iter().map(entry).collect();
    }
    outline
}

fn orders<'b>(bundle: &Members<'b>, version: Version, limits: &Limits) -> Result<Vec<Order<'b>>, RequestError> {
    let mut orders: Vec<Order<'b>> = Vec::new();
    for (index, entry) in bundle.get("entry").map(json::items).unwrap_or_default().into_iter().enumerate() {
        let Some(raw) = Members::of(entry).get("resource") else { continue };
        let resource = resource(raw);
        let expression = format!("context.draftOrders.entry[{index}].resource");
        if resource.kind.is_empty() {
            let misfit = Misfit { issue: Issue::Required, expression: format!("{expression}.resourceType") };
            return Err(RequestError::Resource(misfit, version));
        }
        if !hook::ORDERS.contains(&&*resource.kind) {
            continue;
        }
        if orders.len() == limits.orders {
            return Err(RequestError::TooManyOrders);
        }
        let value = json::value(raw);
        if let Some(schema) = schema::resource(&resource.kind) {
            schema.check(&value, &expression).map_err(|misfit| RequestError::Resource(misfit, version))?;
        }
        if resource.id.is_empty() {
            return Err(RequestError::OrderWithoutId(format!("{expression}.id")));
        }
        if orders.iter().any(|order| (&order.resource.kind, &order.resource.id) == (&resource.kind, &resource.id)) {
            return Err(RequestError::DuplicateOrder(format!("{expression}.id")));
        }
        orders.push(Order { resource, value, expression });
    }
    Ok(orders)
}

/// A resource with as much read as its type and id.
#[must_use]
pub fn resource(raw: &RawValue) -> Resource<'_> {
    let head: json::Head<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    Resource { kind: head.kind, id: head.id, raw }
}

fn prefetched(raw: &RawValue) -> Prefetched<'_> {
    let one = resource(raw);
    match &*one.kind {
        _ if raw.get() == "null" => Prefetched::Nothing,
        "OperationOutcome" => Prefetched::Failure,
        "Bundle" => {
            let entries = Members::of(raw).get("entry").map(json::items).unwrap_or_default();
            let resources = entries.into_iter().filter_map(|entry| Members::of(entry).get("resource"));
            let resources: Vec<_> = resources.map(resource).filter(|it| it.kind != "OperationOutcome").collect();
            if resources.is_empty() { Prefetched::Nothing } else { Prefetched::Resources(resources) }
        }
        _ => Prefetched::Resources(vec![one]),
    }
}
