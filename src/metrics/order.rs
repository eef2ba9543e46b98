//! What is ordered, in codes (`CRDMetricData.request.orderDetail`).

use serde_json::Value;

use super::code::{Coding, Concept, coding, codings};
use super::known::Known;
use crate::request::order::{self, list, string};

/// The codes of an order, from wherever its type keeps them; none where it has only words.
pub(super) fn detail<'v>(order: &'v Value, known: &Known<'v>) -> Option<Concept> {
    let medication = known.resolve(order, "medicationReference");
    let medication = medication.and_then(|medication| medication.get("code"));
    let mut found: Vec<Coding> = order::concepts(order).chain(medication).flat_map(codings).collect();
    found.extend(known.resolve(order, "codeReference").into_iter().flat_map(device));
    Concept::of(found)
}

/// The model that a device is of, never which device it is: that may be in somebody.
fn device(device: &Value) -> Vec<Coding> {
    let carriers = list(device, "udiCarrier").iter();
    let models = carriers.filter_map(|carrier| coding(string(carrier, "issuer"), string(carrier, "deviceIdentifier")?));
    let kind = device.get("type").into_iter().flat_map(codings);
    models.chain(kind).collect()
}
