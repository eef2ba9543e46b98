//! The JSON Schemas of `cds-hooks/schemas`, compiled once; what they refuse is told by place, never by value.

mod element;

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::kinds::KINDS;

/// What is wrong with a value, in the terms of FHIR's issue types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issue {
    /// Something required is not there.
    Required,
    /// A value is not one of those it may be.
    Value,
    /// A rule between elements does not hold.
    Invariant,
    /// Not the shape it must have.
    Structure,
    /// Longer, or more, than what is read may be (B01).
    TooCostly,
}

/// How long what is read may be, in characters, and how many may be in a list: whatever is done with a value costs no more.
/// Each is many times what is usual, and nothing that FHIR tells systems to bear with.
const BOUNDS: [(&str, &str, u32); 7] = [
    // Codes of the terminologies of our policies have up to twenty characters.
    ("/$defs/code", "maxLength", 256),
    // As long as what browsers and proxies pass on.
    ("/$defs/uri", "maxLength", 2048),
    ("/$defs/Reference/properties/reference", "maxLength", 2048),
    ("/$defs/Identifier/properties/value", "maxLength", 2048),
    ("/properties/subscriberId", "maxLength", 2048),
    // A person or a coverage has a handful, and each is looked for in the directory and kept in the ledger's index.
    ("/$defs/Identifiers", "maxItems", 64),
    ("/properties/name", "maxItems", 64),
];

/// What a schema refuses: the first fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What.
    pub issue: Issue,
    /// Where: a path of names that the schema knows, and indexes.
    pub expression: String,
}

/// Faults that are looked at for the one that is told.
const MOST_FAULTS: usize = 100;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema(Option<Validator>);

/// The text of a schema file.
macro_rules! text {
    ($file:literal) => {
        include_str!(concat!("../../cds-hooks/schemas/", $file, ".schema.json"))
    };
}

macro_rules! schemas {
    (
        messages { $($(#[$doc:meta])* $message:ident = $file:literal;)* }
        resources { $($(#[$about:meta])* $resource:ident = $kind:literal;)* }
    ) => {
        $($(#[$doc])* pub static $message: LazyLock<Schema> = LazyLock::new(|| Schema::compile(text!($file)));)*

        $($(#[$about])* pub static $resource: LazyLock<Schema> =
            LazyLock::new(|| Schema::compile_resource(text!($kind)));)*

        /// The schema of a resource type that is read.
        #[must_use]
        pub fn resource(kind: &str) -> Option<&'static Schema> {
            Some(match kind {
                $($kind => &$resource,)*
                _ => return None,
            })
        }

        /// Compiles every schema, so that a broken one is found at start and the first request does not pay.
        ///
        /// # Errors
        /// The file of a schema that does not compile.
        pub fn compile_all() -> Result<(), &'static str> {
            $(if $message.0.is_none() { return Err($file); })*
            $(if $resource.0.is_none() { return Err($kind); })*
            Ok(())
        }
    };
}

schemas! {
    messages {
        /// The envelope.
        REQUEST = "request";
        /// The context of order-sign.
        ORDER_SIGN = "order-sign.context";
        /// The context of order-select.
        ORDER_SELECT = "order-select.context";
        /// The context of order-dispatch.
        ORDER_DISPATCH = "order-dispatch.context";
        /// The context of appointment-book.
        APPOINTMENT_BOOK = "appointment-book.context";
        /// The context of encounter-start.
        ENCOUNTER_START = "encounter-start.context";
        /// The context of encounter-discharge.
        ENCOUNTER_DISCHARGE = "encounter-discharge.context";
        /// What we answer.
        RESPONSE = "response";
        /// What a client tells of cards.
        FEEDBACK = "feedback";
        /// What we declare.
        DISCOVERY = "discovery";
    }
    resources {
        /// A booked or proposed visit.
        APPOINTMENT = "Appointment";
        /// A request to communicate.
        COMMUNICATION_REQUEST = "CommunicationRequest";
        /// A diagnosis.
        CONDITION = "Condition";
        /// A coverage.
        COVERAGE = "Coverage";
        /// A device.
        DEVICE = "Device";
        /// An order for a device.
        DEVICE_REQUEST = "DeviceRequest";
        /// An encounter.
        ENCOUNTER = "Encounter";
        /// A place.
        LOCATION = "Location";
        /// A medication.
        MEDICATION = "Medication";
        /// An order for a medication.
        MEDICATION_REQUEST = "MedicationRequest";
        /// An order for a diet.
        NUTRITION_ORDER = "NutritionOrder";
        /// An organisation.
        ORGANIZATION = "Organization";
        /// The patient.
        PATIENT = "Patient";
        /// Who performs.
        PRACTITIONER = "Practitioner";
        /// Who performs, and for whom.
        PRACTITIONER_ROLE = "PractitionerRole";
        /// An order for a service.
        SERVICE_REQUEST = "ServiceRequest";
        /// What is to be done with a dispatched order.
        TASK = "Task";
        /// An order for glasses or lenses.
        VISION_PRESCRIPTION = "VisionPrescription";
    }
}

impl Schema {
    fn compile(text: &str) -> Self {
        Self::build(serde_json::from_str(text).ok())
    }

    /// Compiles the schema of a resource type, with FHIR's own rules on primitives and types.
    fn compile_resource(text: &str) -> Self {
        let mut schema = serde_json::from_str(text).ok().map(bounded);
        if let Some(schema) = &mut schema {
            element::rewrite(schema, &KINDS);
        }
        Self::build(schema)
    }

    fn build(schema: Option<Value>) -> Self {
        // The engine whose time is linear in the text, whatever the pattern (FAULTS P05).
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
        let options = options.with_keyword(element::PRESENT, element::keyword);
        Self(schema.and_then(|schema| options.build(&schema).ok()))
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first [`Misfit`], its place under `root`.
    pub fn check(&self, value: &Value, root: &str) -> Result<(), Misfit> {
        let Some(validator) = &self.0 else {
            return Err(Misfit { issue: Issue::Structure, expression: root.to_owned() });
        };
        if validator.is_valid(value) {
            return Ok(());
        }
        let errors: Vec<ValidationError<'_>> = validator.iter_errors(value).take(MOST_FAULTS).collect();
        // Our own keyword is looked at last. What is missing of an object is told before what is wrong in it.
        let first = errors.first().map(|error| error.instance_path().to_string()).unwrap_or_default();
        let is_missing = |error: &ValidationError<'_>| {
            let custom = matches!(error.kind(), ValidationErrorKind::Custom { .. });
            let inside = first.strip_prefix(&error.instance_path().to_string());
            custom && inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let told = errors.iter().position(is_missing).unwrap_or_default();
        Err(match errors.get(told) {
            Some(error) => misfit(error, root),
            None => Misfit { issue: Issue::Structure, expression: root.to_owned() },
        })
    }
}

/// A schema with the bounds of what it speaks of.
fn bounded(mut schema: Value) -> Value {
    for (place, keyword, most) in BOUNDS {
        if let Some(members) = schema.pointer_mut(place).and_then(Value::as_object_mut) {
            members.entry(keyword).or_insert_with(|| most.into());
        }
    }
    schema
}

fn misfit(error: &ValidationError<'_>, root: &str) -> Misfit {
    let mut expression = root.to_owned();
    for part in error.instance_path().to_string().split('/').filter(|part| !part.is_empty()) {
        step(&mut expression, part);
    }
    let dependent = error.schema_path().to_string().contains("dependentRequired");
    let bundle = ["context.draftOrders", "context.appointments"].iter().any(|bundle| expression.starts_with(bundle));
    let issue = match error.kind() {
        _ if error.instance().is_null() => Issue::Required,
        // A member that another one needs: jsonschema calls it required too.
        ValidationErrorKind::Required { .. } if dependent => Issue::Invariant,
        ValidationErrorKind::Required { property } => {
            step(&mut expression, property.as_str().unwrap_or_default());
            Issue::Required
        }
        ValidationErrorKind::MinItems { .. } => Issue::Required,
        // The only keyword of ours: its message is the place of what is missing.
        ValidationErrorKind::Custom { message, .. } => {
            step(&mut expression, message);
            Issue::Required
        }
        ValidationErrorKind::MaxItems { .. } | ValidationErrorKind::MaxLength { .. } => Issue::TooCostly,
        ValidationErrorKind::Type { .. } | ValidationErrorKind::Constant { .. } if bundle => Issue::Structure,
        _ => Issue::Value,
    };
    Misfit { issue, expression }
}

/// Adds a name or an index to a path.
fn step(expression: &mut String, part: &str) {
    let index = part.bytes().all(|byte| byte.is_ascii_digit());
    if index {
        expression.push_str(&format!("[{part}]"));
    } else {
        if !expression.is_empty() {
            expression.push('.');
        }
        expression.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;

    #[test]
    fn e13_a_schema_that_lies_elsewhere_is_not_fetched_and_does_not_compile() {
        assert!(Schema::compile(r#"{"$ref": "https://example.org/schema.json"}"#).0.is_none());
        assert!(Schema::compile(r#"{"$ref": "file:///etc/hostname"}"#).0.is_none());
        assert!(Schema::compile(r##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}"##).0.is_some());
    }
}
