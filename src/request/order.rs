//! Where each type of order keeps what is read of it: the one place that knows.

use serde_json::Value;

/// The statuses in which an order is not for doing something any more, over all types of orders.
const OVER: [&str; 8] =
    ["completed", "stopped", "revoked", "cancelled", "ended", "entered-in-error", "fulfilled", "noshow"];

/// The items of an array member; none if there is none.
#[must_use]
pub fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A string member.
#[must_use]
pub fn string<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// The concepts that say what is ordered, in the order itself.
pub fn concepts(order: &Value) -> impl Iterator<Item = &Value> {
    let single = ["code", "codeCodeableConcept", "medicationCodeableConcept", "serviceType"];
    let single = single.into_iter().filter_map(|name| order.get(name)).filter(|concept| concept.is_object());
    let types = if string(order, "resourceType") == Some("Encounter") { list(order, "type") } else { &[] };
    let lenses = list(order, "lensSpecification").iter().filter_map(|lens| lens.get("product"));
    single.chain(list(order, "serviceType")).chain(lenses).chain(diet(order)).chain(requested(order)).chain(types)
}

/// The references to resources that say what is ordered: a Medication, a Device.
pub fn concept_references(order: &Value) -> impl Iterator<Item = &Value> {
    ["medicationReference", "codeReference"].into_iter().filter_map(|name| order.get(name))
}

/// The concepts of a diet, a supplement or a formula.
fn diet(order: &Value) -> impl Iterator<Item = &Value> {
    let oral = order.get("oralDiet").map(|diet| list(diet, "type")).unwrap_or_default();
    let supplements = list(order, "supplement").iter().filter_map(|supplement| supplement.get("type"));
    let formula = order.get("enteralFormula");
    let formulas = ["baseFormulaType", "additiveType"].into_iter().filter_map(move |name| formula?.get(name));
    oral.iter().chain(supplements).chain(formulas)
}

/// What a CommunicationRequest asks for. R4 has it in an extension, which CRD takes over from R5.
fn requested(order: &Value) -> impl Iterator<Item = &Value> {
    let payloads = list(order, "payload").iter().flat_map(|payload| list(payload, "extension"));
    payloads.filter_map(|extension| extension.get("valueCodeableConcept"))
}

/// Whether an order is for doing something that is still to be done.
#[must_use]
pub fn is_to_be_performed(order: &Value) -> bool {
    let over = match (string(order, "resourceType"), string(order, "status")) {
        // What has been, or is over, is what an Encounter's hooks are about.
        (Some("Encounter"), status) => matches!(status, Some("cancelled" | "entered-in-error")),
        (_, status) => status.is_some_and(|status| OVER.contains(&status)),
    };
    !over && order.get("doNotPerform") != Some(&Value::Bool(true))
}

/// The member of an order that says whose it is.
#[must_use]
pub fn patient_member(kind: &str) -> &'static str {
    match kind {
        "VisionPrescription" | "NutritionOrder" => "patient",
        "Appointment" => "participant",
        _ => "subject",
    }
}
