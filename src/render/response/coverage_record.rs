//! Update Coverage Record: what the payer's own record of a coverage says otherwise than the one that was sent
//! (CRD resp-66 to resp-71).

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Action, Suggestion};
use crate::render::ids::Ids;
use crate::render::splice;
use crate::request::json::View;

/// The members in which the payer's record is right.
const MEMBERS: [&str; 6] = ["status", "type", "subscriberId", "period", "class", "network"];

/// The one suggestion to put the record right, if there is something to put right.
pub(in crate::render) fn put_right(sent: View<'_>, own: &str, ids: &mut Ids) -> Option<Suggestion> {
    let (before, own): (Value, Value) = (sent.value(), serde_json::from_str(own).ok()?);
    let differing = MEMBERS.iter().filter_map(|name| {
        let right = own.get(*name)?;
        (before.get(*name) != Some(right)).then(|| ((*name).to_owned(), right.to_string()))
    });
    let differing: Vec<(String, String)> = differing.collect();
    if differing.is_empty() {
        return None;
    }
    let resource = RawValue::from_string(splice::with_members(sent, &differing)).ok()?;
    let label = "Update the coverage record".to_owned();
    let action = Action {
        r#type: "update",
        description: label.clone(),
        resource: Some(resource),
        resource_id: None,
        extension: None,
    };
    Some(Suggestion { label, uuid: ids.next_id().to_string(), actions: vec![action] })
}
