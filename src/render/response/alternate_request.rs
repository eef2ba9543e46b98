//! Propose Alternate Request: another order in place of this one, or this one changed (CRD resp-53 to resp-56).

use serde_json::value::RawValue;

use super::{About, Action, drafted, is_of_order};
use crate::policy::model::Draft;
use crate::render::splice;

/// Removes the order and writes another: what else was said of the order is then no longer about anything.
pub(super) fn replace(draft: &Draft, about: &About<'_>, label: &str) -> Option<Vec<Action>> {
    let resource = &about.order.resource;
    let delete = Action {
        r#type: "delete",
        description: "Remove the order that it replaces".to_owned(),
        resource: None,
        resource_id: Some(format!("{}/{}", resource.kind, resource.id)),
        extension: None,
    };
    Some(vec![delete, Action::create(label, &drafted(draft, about)?)?])
}

/// Changes members of the order and leaves all others as they were sent, byte for byte. An order of another type than the
/// draft's has other members, so it is left alone.
pub(super) fn change(draft: &Draft, about: &About<'_>, label: &str) -> Option<Vec<Action>> {
    if *draft.kind != *about.order.resource.kind {
        return None;
    }
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&draft.json).ok()?;
    let members = members.into_iter().filter(|(name, _)| !is_of_order(&draft.kind, name));
    let members: Vec<(String, String)> = members.map(|(name, value)| (name, value.to_string())).collect();
    let changed = splice::with_members(about.order.resource.view, &members);
    Some(vec![Action {
        r#type: "update",
        description: label.to_owned(),
        resource: Some(RawValue::from_string(changed).ok()?),
        resource_id: None,
        extension: None,
    }])
}
