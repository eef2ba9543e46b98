//! FHIR's rule on primitives, which JSON Schema cannot say: one may have only an extension, which stands beside it under
//! `_name`, and null then fills its place in a list.
//!
//! The schemas list what is required as JSON Schema does. Here they are rewritten as they are compiled, all in the same way.

use std::collections::BTreeSet;

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value, json};

/// The keyword that takes the place of `required`.
pub(super) const PRESENT: &str = "present";

/// Rewrites the schema of a resource type: `required` becomes [`PRESENT`], in which an extension stands for a primitive's
/// value, lists of primitives may have null, and a contained resource is of one of these types.
pub(super) fn rewrite(schema: &mut Value, kinds: &[&str]) {
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    if let Some(kind) = schema.pointer_mut("/$defs/Resource/properties/resourceType") {
        *kind = json!({ "enum": kinds });
    }
    object(schema, &Elements::default(), &definitions);
}

/// Adds the keyword to the options of a validator.
pub(super) fn keyword<'a>(
    _parent: &'a Map<String, Value>,
    value: &'a Value,
    _path: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(Present::of(value)))
}

/// The elements of an object that are primitives, and those that are lists of them.
#[derive(Default)]
struct Elements {
    primitives: BTreeSet<String>,
    lists: BTreeSet<String>,
}

impl Elements {
    fn of(properties: &Map<String, Value>, definitions: &Value) -> Self {
        let mut elements = Self::default();
        for (name, schema) in properties {
            let schema = resolved(schema, definitions);
            if is_primitive(schema) {
                elements.primitives.insert(name.clone());
            } else if schema.get("items").is_some_and(|items| is_primitive(resolved(items, definitions))) {
                elements.lists.insert(name.clone());
            }
        }
        elements
    }
}

/// What a `$ref` to a definition of the same file leads to; the schema itself without one.
fn resolved<'s>(schema: &'s Value, definitions: &'s Value) -> &'s Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let name = reference.and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

fn is_primitive(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    schema.get("enum").is_some() || matches!(kind, Some("string" | "boolean" | "number" | "integer"))
}

fn object(schema: &mut Value, outer: &Elements, definitions: &Value) {
    let Some(members) = schema.as_object_mut() else { return };
    let properties = members.get("properties").and_then(Value::as_object);
    let own = properties.map(|properties| Elements::of(properties, definitions));
    let elements = own.as_ref().unwrap_or(outer);
    for (keyword, value) in members.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    if elements.lists.contains(name) {
                        *property = with_gaps(resolved(property, definitions).clone());
                    }
                    object(property, &Elements::default(), definitions);
                }
            }
            ("$defs", Value::Object(definitions_here)) => {
                // The `url` of an Extension is an attribute, which has no extension.
                for (_, definition) in definitions_here.iter_mut().filter(|(name, _)| *name != "Extension") {
                    object(definition, &Elements::default(), definitions);
                }
            }
            ("items", items) => object(items, &Elements::default(), definitions),
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                parts.iter_mut().for_each(|part| object(part, elements, definitions));
            }
            _ => {}
        }
    }
    let lists: Vec<&String> = own.iter().flat_map(|own| &own.lists).collect();
    let required = members.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_primitive = |name: &&Value| name.as_str().is_some_and(|name| elements.primitives.contains(name));
    let primitives: Vec<&Value> = required.iter().filter(is_primitive).collect();
    if primitives.is_empty() && lists.is_empty() {
        return;
    }
    let present = json!({ "required": required, "primitives": primitives, "lists": lists });
    // It stands where `required` stood: what is missing is told before what is wrong.
    let at = members.keys().position(|keyword| keyword == "required").unwrap_or_default();
    members.shift_remove("required");
    members.shift_insert(at, PRESENT.to_owned(), present);
}

/// A list that may have null where a value should be. [`Present`] looks whether an extension says why.
fn with_gaps(mut list: Value) -> Value {
    if let Some(items) = list.get_mut("items") {
        *items = json!({ "if": { "type": "null" }, "else": items.take() });
    }
    list
}

/// What an object must have.
struct Present {
    required: Vec<Name>,
    lists: Vec<Name>,
}

/// An element.
struct Name {
    /// Its own name.
    value: String,
    /// The name that its extensions stand under, if it is a primitive or a list of them.
    extensions: Option<String>,
}

impl Present {
    fn of(value: &Value) -> Self {
        let names =
            |list: &str| value.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let beside = |name: &str| Some(format!("_{name}"));
        let required = names("required").map(|name| {
            let is_primitive = names("primitives").any(|primitive| primitive == name);
            Name { value: name.to_owned(), extensions: beside(name).filter(|_| is_primitive) }
        });
        let lists = names("lists").map(|name| Name { value: name.to_owned(), extensions: beside(name) });
        Self { required: required.collect(), lists: lists.collect() }
    }

    /// The first place that is empty and of which nothing is said.
    fn missing(&self, object: &Value) -> Option<String> {
        let object = object.as_object()?;
        let beside = |name: &Name| name.extensions.as_ref().and_then(|extensions| object.get(extensions));
        let absent = |name: &&Name| !object.contains_key(&name.value) && !beside(name).is_some_and(says);
        if let Some(name) = self.required.iter().find(absent) {
            return Some(name.value.clone());
        }
        self.lists.iter().find_map(|name| {
            let items = object.get(&name.value)?.as_array()?;
            let said = |index: usize| beside(name).and_then(|beside| beside.get(index)).is_some_and(says);
            let gap = items.iter().enumerate().position(|(index, item)| item.is_null() && !said(index))?;
            Some(format!("{}[{gap}]", name.value))
        })
    }
}

/// Whether an extension says something where a value could stand.
fn says(element: &Value) -> bool {
    let extensions = element.get("extension").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_named = |extension: &Value| extension.get("url").and_then(Value::as_str).is_some_and(|url| !url.is_empty());
    !extensions.is_empty() && extensions.iter().all(is_named)
}

impl<'i> Keyword<'i> for Present {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        self.missing(instance).map_or(Ok(()), |place| Err(ValidationError::custom(place)))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.missing(instance).is_none()
    }
}
