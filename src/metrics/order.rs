//! What is ordered, in codes (`CRDMetricData.request.orderDetail`).

use serde_json::Value;

use super::code::{Coding, Concept, coding, codings};
use super::known::Known;
use crate::gather::fhir::{list, string};

/// The codes of an order, from wherever its type keeps them; none where it has only words.
pub(super) fn detail<'v>(order: &'v Value, known: &Known<'v>) -> Option<Concept> {
    let single = ["code", "codeCodeableConcept", "medicationCodeableConcept"];
    let mut concepts: Vec<&Value> = single.iter().filter_map(|name| order.get(*name)).collect();
    concepts.extend(list(order, "serviceType"));
    concepts.extend(order.get("serviceType").filter(|concept| concept.is_object()));
    // R4 has in an extension what a CommunicationRequest asks for; the guide takes it over from R5.
    let payloads = list(order, "payload").iter().flat_map(|payload| list(payload, "extension"));
    concepts.extend(payloads.filter_map(|extension| extension.get("valueCodeableConcept")));
    concepts.extend(list(order, "lensSpecification").iter().filter_map(|lens| lens.get("product")));
    concepts.extend(diet(order));
    if string(order, "resourceType") == Some("Encounter") {
        concepts.extend(list(order, "type"));
    }
    let medication = known.resolve(order, "medicationReference");
    concepts.extend(medication.and_then(|medication| medication.get("code")));
    let mut found: Vec<Coding> = concepts.into_iter().flat_map(codings).collect();
    found.extend(known.resolve(order, "codeReference").into_iter().flat_map(device));
    Concept::of(found)
}

/// The concepts of a diet, a supplement or a formula.
fn diet(order: &Value) -> impl Iterator<Item = &Value> {
    let oral = order.get("oralDiet").map(|diet| list(diet, "type")).unwrap_or_default();
    let supplements = list(order, "supplement").iter().filter_map(|supplement| supplement.get("type"));
    let formula = order.get("enteralFormula");
    let formulas = ["baseFormulaType", "additiveType"].into_iter().filter_map(move |name| formula?.get(name));
    oral.iter().chain(supplements).chain(formulas)
}

/// The model that a device is of, never which device it is: that may be in somebody.
fn device(device: &Value) -> Vec<Coding> {
    let carriers = list(device, "udiCarrier").iter();
    let models = carriers.filter_map(|carrier| coding(string(carrier, "issuer"), string(carrier, "deviceIdentifier")?));
    let kind = device.get("type").into_iter().flat_map(codings);
    models.chain(kind).collect()
}
