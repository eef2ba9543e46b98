//! Request Form Completion: a task to fill in a form that DTR is not for (CRD resp-59 to resp-65).

use serde_json::{Value, json};

use super::{About, Action, Conditional, Shape};
use crate::policy::model::Form;

/// The codes by which a Task says that it is about a form.
const SDC: &str = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp";

/// Writes the task; and before it the form, unless the EHR is known to have it (CRD dev-19, dev-20).
pub(super) fn fill_in(form: &Form, about: &About<'_>) -> Option<Vec<Action>> {
    let task = Action::create("Add a task to fill in the form", &task(form, about))?;
    if about.forms.contains(&form.canonical()) {
        return Some(vec![task]);
    }
    let mut questionnaire: Value = serde_json::from_str(&form.questionnaire.json).ok()?;
    questionnaire.as_object_mut()?.shift_insert(1, "id".to_owned(), (*form.id).into());
    let mut create = Action::create("Add the form", &questionnaire)?;
    let if_none_exist = format!("url={}&version={}", form.url, form.version);
    create.extension = Some(Conditional { if_none_exist });
    Some(vec![create, task])
}

fn task(form: &Form, about: &About<'_>) -> Value {
    let resource = &about.order.resource;
    let payer = &about.set.payer;
    let mut requester = json!({ "type": "Organization", "display": payer.name });
    if let Some((system, value)) = payer.identifiers.first() {
        requester = json!({
            "type": "Organization", "identifier": { "system": system, "value": value }, "display": payer.name
        });
    }
    let mut input = vec![json!({
        "type": { "coding": [{ "system": SDC, "code": "questionnaire" }], "text": "questionnaire" },
        "valueCanonical": form.canonical()
    })];
    if about.shape == Shape::First {
        // CRD 2.0 wants to know what becomes of the form; 2.2 no longer has it.
        let code = "after-completion-action";
        input.push(json!({
            "type": {
                "coding": [{ "system": "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp", "code": code }], "text": code
            },
            "valueCodeableConcept": { "text": form.after }
        }));
    }
    let mut task = json!({
        "resourceType": "Task",
        "basedOn": [{ "reference": format!("{}/{}", resource.kind, resource.id) }],
        "status": "ready",
        "intent": "order",
        "code": { "coding": [{ "system": SDC, "code": "complete-questionnaire" }] },
        "for": { "reference": format!("Patient/{}", about.patient) },
        "authoredOn": about.today.to_string(),
        "requester": requester,
        "reasonCode": { "text": form.reason },
        "input": input,
    });
    let encounter = about.encounter.map(|id| json!({ "reference": format!("Encounter/{id}") }));
    let encounter = about.order.value.get("encounter").cloned().or(encounter);
    if let (Some(encounter), Some(members)) = (encounter, task.as_object_mut()) {
        members.insert("encounter".to_owned(), encounter);
    }
    task
}
