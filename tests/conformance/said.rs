//! The examples with their answers, as JSON that a test looks into.

use std::sync::LazyLock;

use serde_json::Value;

use crate::golden::examples;
use crate::laws_support::COVERAGE_INFORMATION;

/// An example, and what is answered.
pub struct Pair {
    pub name: String,
    pub request: Value,
    pub answer: Value,
}

/// All of them.
pub static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let json = |text: &str| serde_json::from_str(text).unwrap();
    let pairs = examples().into_iter().map(|example| Pair {
        request: json(&example.request),
        answer: json(&example.answer),
        name: example.name,
    });
    pairs.collect()
});

impl Pair {
    pub fn hook(&self) -> &str {
        self.request["hook"].as_str().unwrap()
    }

    /// The version that is spoken: 2.0 where the request names none.
    pub fn version(&self) -> &str {
        self.request["extension"]["davinci-crd.requestedVersion"].as_str().unwrap_or("2.0")
    }

    pub fn cards(&self) -> &[Value] {
        self.answer["cards"].as_array().unwrap()
    }

    /// The orders that are returned.
    pub fn updated(&self) -> Vec<&Value> {
        let actions = self.answer["systemActions"].as_array().into_iter().flatten();
        actions.map(|action| &action["resource"]).collect()
    }

    /// Whether coverage information is due: it is wanted, and the order does not carry it already.
    pub fn is_due(&self) -> bool {
        let unwanted = self.request["extension"]["davinci-crd.configuration"]["coverage-info"] == false;
        !unwanted && !self.name.contains("already-answered")
    }

    /// The names of the orders that the hook is about: `ServiceRequest/1`.
    pub fn in_scope(&self) -> Vec<String> {
        let context = &self.request["context"];
        let strings = |value: &Value| {
            let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect::<Vec<String>>()
        };
        match self.hook() {
            "order-sign" => resources(&context["draftOrders"]).into_iter().map(name).collect(),
            "order-select" => strings(&context["selections"]),
            "appointment-book" => {
                let appointments = resources(&context["appointments"]);
                let mut names: Vec<String> = appointments.into_iter().flat_map(booked).collect();
                names.dedup();
                names
            }
            "order-dispatch" => match context["order"].as_str() {
                Some(order) => vec![order.to_owned()],
                None => strings(&context["dispatchedOrders"]),
            },
            _ => vec![format!("Encounter/{}", context["encounterId"].as_str().unwrap())],
        }
    }
}

/// What an appointment is booked for: its orders, else itself.
fn booked(appointment: &Value) -> Vec<String> {
    let orders = appointment["basedOn"].as_array().into_iter().flatten();
    let orders: Vec<String> = orders.map(|it| it["reference"].as_str().unwrap().to_owned()).collect();
    if orders.is_empty() { vec![name(appointment)] } else { orders }
}

/// The resources of a Bundle.
pub fn resources(bundle: &Value) -> Vec<&Value> {
    bundle["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]).collect()
}

/// `ServiceRequest/1`
pub fn name(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

/// The parts of each repetition of coverage information on an order.
pub fn repetitions(order: &Value) -> Vec<&Vec<Value>> {
    let extensions = order["extension"].as_array().into_iter().flatten();
    let ours = extensions.filter(|extension| extension["url"] == COVERAGE_INFORMATION);
    ours.map(|extension| extension["extension"].as_array().unwrap()).collect()
}

/// The parts of a name.
pub fn parts<'p>(repetition: &'p [Value], name: &str) -> Vec<&'p Value> {
    repetition.iter().filter(|part| part["url"] == name).collect()
}
