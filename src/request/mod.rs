//! What was asked: from a body to an [`Invocation`] in which everything that the standard demands of it holds.
//!
//! Orders keep their bytes: what is returned is what came, apart from our extension.

pub mod feedback;
pub mod hook;
pub mod index;
pub mod json;
mod kinds;
pub mod options;
pub mod order;
mod prefetch;
pub mod reference;
pub mod schema;
pub mod version;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::config::Limits;
use crate::telemetry::Fault;
use hook::{Hook, Service};
use json::{Json, JsonError, View};
use options::Options;
use prefetch::Prefetch;
pub use prefetch::Unfinished;
use schema::Misfit;
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
    TooManyOrders(String),
    /// More than a call of feedback may have (H23), and where.
    #[error("there is more feedback than one call may have")]
    TooLong(String),
    /// An order without an id (H08, CRD found-36).
    #[error("an order has no id")]
    OrderWithoutId(String),
    /// Two orders with one id (H13).
    #[error("two orders have the same id")]
    DuplicateOrder(String),
    /// The address of the EHR's FHIR server is not one that data may go to (E10).
    #[error("fhirServer must be https")]
    OpenServer,
}

impl RequestError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Client
    }
}

/// A resource as it came.
#[derive(Clone)]
pub struct Resource<'b> {
    /// Its type.
    pub kind: Cow<'b, str>,
    /// Its id; empty without one.
    pub id: Cow<'b, str>,
    /// The `fullUrl` of its entry in a Bundle, where it has one.
    pub full_url: Option<Cow<'b, str>>,
    /// Its place in the body.
    pub view: View<'b>,
}

impl Resource<'_> {
    /// As it is read: all but the narrative, which nobody reads.
    #[must_use]
    pub fn value(&self) -> Value {
        self.view.value_but(|name| name != "text")
    }
}

/// An order that an answer is due for. To copy one costs no more than to point at it.
#[derive(Clone)]
pub struct Order<'b> {
    /// As it came.
    pub resource: Resource<'b>,
    /// As it is read.
    pub value: Arc<Value>,
    /// Its place in the request.
    pub expression: Arc<str>,
    /// The Appointments that are booked for it.
    pub appointments: Vec<Order<'b>>,
}

impl<'b> Order<'b> {
    /// A resource as an order.
    #[must_use]
    pub fn new(resource: Resource<'b>, value: Value, expression: &str) -> Self {
        Self { resource, value: Arc::new(value), expression: expression.into(), appointments: Vec::new() }
    }
}

/// What stands under a prefetch key.
pub enum Prefetched<'b> {
    /// `null`, or a Bundle of nothing: it was asked for and there is none.
    Nothing,
    /// An OperationOutcome: it could not be had.
    Failure,
    /// Resources, single or of a Bundle.
    Resources(Vec<Resource<'b>>),
}

/// An order that the context names and does not hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Referred {
    /// `ServiceRequest/1`, or its whole URL.
    pub reference: String,
    /// Where it is named.
    pub expression: String,
}

/// The access that the EHR gives to its FHIR server. Its token shows nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// `fhirAuthorization.access_token`
    pub token: String,
    /// `fhirAuthorization.expires_in`, seconds.
    pub expires_in: u64,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// What was asked, valid.
pub struct Invocation<'b> {
    /// The hook.
    pub hook: Hook,
    /// `hookInstance`
    pub hook_instance: String,
    /// The version that is spoken.
    pub version: Version,
    /// What the client configured.
    pub options: Options,
    /// `context.userId`: `Practitioner/1`
    pub user_id: String,
    /// `context.patientId`
    pub patient_id: String,
    /// `context.encounterId`
    pub encounter_id: Option<String>,
    /// `fhirAuthorization.patient`
    pub token_patient: Option<String>,
    /// `fhirServer`
    pub fhir_server: Option<String>,
    /// What opens it.
    pub access: Option<Access>,
    /// The orders of the context that an answer is due for, in their order.
    pub orders: Vec<Order<'b>>,
    /// The orders of the context that are not selected: no answer is due, and they are looked at beside the others.
    pub unselected: Vec<Order<'b>>,
    /// What stands beside the orders in their Bundle.
    pub beside: Vec<Resource<'b>>,
    /// The orders that the context names only.
    pub referred: Vec<Referred>,
    /// Who will perform the dispatched orders.
    pub performer: Option<String>,
    /// Everything that was prefetched.
    pub prefetch: Vec<(Cow<'b, str>, Prefetched<'b>)>,
    /// The prefetched Bundles that are not whole: what they hold of a type is not all there is.
    pub unfinished: Vec<Unfinished>,
}

/// Reads and checks what was sent to a service.
///
/// # Errors
/// The first thing that is wrong, as [`RequestError`].
pub fn read<'j>(
    body: &'j Json<'_>,
    service: &Service,
    default_version: Version,
    limits: &Limits,
) -> Result<Invocation<'j>, RequestError> {
    let root = body.root();
    let envelope = shallow(root, |name| ENVELOPE.contains(&name));
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
    let sent = root.get("context").unwrap_or(root);
    let bundle_name = service.hook.bundle().unwrap_or_default();
    let mut context = sent.value_but(|name| name != bundle_name);
    let drafts = sent.get(bundle_name);
    if let (Some(members), Some(drafts)) = (context.as_object_mut(), drafts) {
        members.insert(bundle_name.to_owned(), bundle(drafts));
    }
    service.hook.context().check(&context, "context").map_err(RequestError::Envelope)?;
    let bundled = drafts.map(|drafts| orders(drafts, bundle_name, version, limits)).transpose()?;
    let (all, beside) = bundled.unwrap_or_default();
    let referred = referred(service.hook, &context, limits.orders);
    if referred.len() > limits.orders {
        return Err(RequestError::TooManyOrders("context.dispatchedOrders".to_owned()));
    }
    let (orders, unselected) = selected(service.hook, &context, all);
    let authorization = envelope.get("fhirAuthorization");
    let prefetch = Prefetch::read(root.get("prefetch").into_iter().flat_map(View::members), version)?;
    Ok(Invocation {
        hook: service.hook,
        hook_instance: string(&envelope, "hookInstance").unwrap_or_default(),
        version,
        options: Options::of(extension.and_then(|extension| extension.get("davinci-crd.configuration"))),
        user_id: string(&context, "userId").unwrap_or_default(),
        patient_id: string(&context, "patientId").unwrap_or_default(),
        encounter_id: string(&context, "encounterId"),
        token_patient: authorization.and_then(|authorization| string(authorization, "patient")),
        fhir_server: string(&envelope, "fhirServer"),
        access: authorization.and_then(|authorization| {
            let expires_in = authorization.get("expires_in").and_then(Value::as_u64)?;
            // A client that needs no token to read its server sends an empty one: it opens nothing.
            let token = string(authorization, "access_token").filter(|token| !token.is_empty())?;
            Some(Access { token, expires_in })
        }),
        orders,
        unselected,
        beside,
        referred,
        performer: string(&context, "performer"),
        prefetch: prefetch.values,
        unfinished: prefetch.unfinished,
    })
}

/// The orders that order-select is about, and the others; every other hook is about all of them (CRD hook-34).
fn selected<'j>(hook: Hook, context: &Value, all: Vec<Order<'j>>) -> (Vec<Order<'j>>, Vec<Order<'j>>) {
    if hook != Hook::OrderSelect {
        return (all, Vec::new());
    }
    let selections = context.get("selections").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // A selection may be written as a whole URL, and may name a version. There is one version of an order that is written.
    let name = |selection: &Value| {
        let selection = selection.as_str()?;
        let current = selection.split_once("/_history/").map_or(selection, |(current, _)| current);
        let (rest, id) = current.rsplit_once('/')?;
        Some((rest.rsplit_once('/').map_or(rest, |(_, kind)| kind).to_owned(), id.to_owned()))
    };
    let selected: HashSet<(String, String)> = selections.iter().filter_map(name).collect();
    all.into_iter().partition(|order| {
        selected.contains(&(order.resource.kind.clone().into_owned(), order.resource.id.clone().into_owned()))
    })
}

/// The orders that a context only names: dispatched ones, in the words of CRD 2.0 or 2.2, and the encounter.
fn referred(hook: Hook, context: &Value, most: usize) -> Vec<Referred> {
    let text = |name: &str| context.get(name).and_then(Value::as_str);
    let one = |reference: String, expression: &str| Referred { reference, expression: expression.to_owned() };
    match hook {
        Hook::OrderSign | Hook::OrderSelect | Hook::AppointmentBook => Vec::new(),
        Hook::EncounterStart | Hook::EncounterDischarge => {
            let id = text("encounterId").into_iter();
            id.map(|id| one(format!("Encounter/{id}"), "context.encounterId")).collect()
        }
        Hook::OrderDispatch => {
            let listed = context.get("dispatchedOrders").and_then(Value::as_array).into_iter().flatten();
            let listed = listed.filter_map(Value::as_str).enumerate();
            let listed = listed.map(|(index, it)| one(it.to_owned(), &format!("context.dispatchedOrders[{index}]")));
            let single = text("order").into_iter().map(|it| one(it.to_owned(), "context.order"));
            let mut seen = HashSet::new();
            let all = listed.chain(single).filter(|referred| seen.insert(referred.reference.clone()));
            // One too many is enough to refuse them all.
            all.take(most.saturating_add(1)).collect()
        }
    }
}

/// The body as it may be kept: with its access token, if it has one, taken out. `None` if there is nothing to take out.
#[must_use]
pub fn without_token(body: &Json<'_>) -> Option<String> {
    let root = body.root();
    let token = root.get("fhirAuthorization")?.get("access_token")?;
    let (text, start) = (root.raw(), token.offset_in(root));
    let after = text.get(start + token.raw().len()..)?;
    Some([text.get(..start)?, "\"removed\"", after].concat())
}

/// The members of the envelope that are read here; context, prefetch and what is unknown are looked at by themselves.
const ENVELOPE: [&str; 5] = ["hook", "hookInstance", "fhirServer", "fhirAuthorization", "extension"];

/// An object as a value, of some members only the outline.
fn shallow(view: View<'_>, whole: impl Fn(&str) -> bool) -> Value {
    let member = |(name, view): (Cow<'_, str>, View<'_>)| {
        let value = if whole(&name) { view.value() } else { view.outline() };
        (name.into_owned(), value)
    };
    if view.is_object() { Value::Object(view.members().map(member).collect()) } else { view.outline() }
}

/// A Bundle as far as the context's schema looks: its own members, and of its entries whether they hold resources.
fn bundle(view: View<'_>) -> Value {
    let mut outline = shallow(view, |name| matches!(name, "resourceType" | "type"));
    let entries = view.get("entry").filter(|entries| entries.is_array());
    if let (Some(slot), Some(entries)) = (outline.get_mut("entry"), entries) {
        *slot = entries.items().map(|entry| shallow(entry, |name| name == "fullUrl")).collect();
    }
    outline
}

/// The orders of a Bundle, and what stands beside them.
fn orders<'j>(
    bundle: View<'j>,
    name: &str,
    version: Version,
    limits: &Limits,
) -> Result<(Vec<Order<'j>>, Vec<Resource<'j>>), RequestError> {
    let (mut orders, mut beside): (Vec<Order<'j>>, Vec<Resource<'j>>) = (Vec::new(), Vec::new());
    for (index, entry) in bundle.get("entry").into_iter().flat_map(View::items).enumerate() {
        let Some(resource) = entry_resource(entry) else { continue };
        let expression = format!("context.{name}.entry[{index}].resource");
        prefetch::of_r4(&resource, &expression).map_err(|misfit| RequestError::Resource(misfit, version))?;
        if !hook::ORDERS.contains(&&*resource.kind) {
            beside.push(resource);
            continue;
        }
        if orders.len() == limits.orders {
            return Err(RequestError::TooManyOrders(format!("context.{name}.entry")));
        }
        let value = resource.value();
        if let Some(schema) = schema::resource(&resource.kind) {
            schema.check(&value, &expression).map_err(|misfit| RequestError::Resource(misfit, version))?;
        }
        if resource.id.is_empty() {
            return Err(RequestError::OrderWithoutId(format!("{expression}.id")));
        }
        if orders.iter().any(|order| (&order.resource.kind, &order.resource.id) == (&resource.kind, &resource.id)) {
            return Err(RequestError::DuplicateOrder(format!("{expression}.id")));
        }
        orders.push(Order::new(resource, value, &expression));
    }
    Ok((orders, beside))
}

/// A resource with as much read as its type and id; empty where there are none, or none that are strings.
#[must_use]
pub fn resource(view: View<'_>) -> Resource<'_> {
    let string = |name| view.get(name).and_then(View::str).unwrap_or_default();
    Resource { kind: string("resourceType"), id: string("id"), full_url: None, view }
}

/// The resource of a Bundle's entry.
fn entry_resource(entry: View<'_>) -> Option<Resource<'_>> {
    let full_url = entry.get("fullUrl").and_then(View::str).filter(|url| !url.is_empty());
    Some(Resource { full_url, ..resource(entry.get("resource")?) })
}

/// What a value under a prefetch key is, or a body that the EHR gave.
#[must_use]
pub fn prefetched(view: View<'_>) -> Prefetched<'_> {
    let one = resource(view);
    match &*one.kind {
        _ if view.is_null() => Prefetched::Nothing,
        "OperationOutcome" => Prefetched::Failure,
        "Bundle" => {
            let entries = view.get("entry").into_iter().flat_map(View::items);
            let resources = entries.filter_map(entry_resource);
            let resources: Vec<_> = resources.filter(|resource| resource.kind != "OperationOutcome").collect();
            if resources.is_empty() { Prefetched::Nothing } else { Prefetched::Resources(resources) }
        }
        _ => Prefetched::Resources(vec![one]),
    }
}

untold!(Resource<'_>, Prefetched<'_>, Order<'_>, Referred, Invocation<'_>);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::json::Json;
    use super::without_token;
    use crate::config::Limits;

    #[test]
    fn an_access_token_is_taken_out_and_nothing_else() {
        let limits = Limits::of_text(9, 99);
        let kept = |body: &str| without_token(&Json::scan(body.as_bytes(), &limits).unwrap());
        let body = r#"{"a":1.10, "fhirAuth\u006frization" : {"scope":"s","access_token" : "se\"cret"},"z":[]}"#;
        assert_eq!(kept(body).unwrap(), body.replace(r#""se\"cret""#, r#""removed""#));
        assert_eq!(kept(r#"{"fhirAuthorization":{}}"#), None);
        assert_eq!(kept("{}"), None);
    }
}
