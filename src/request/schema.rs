//! The JSON Schemas of `cds-hooks/schemas`, compiled once; what they refuse is told by place, never by value.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

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
}

/// What a schema refuses: the first fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What.
    pub issue: Issue,
    /// Where: a path of names that the schema knows, and indexes.
    pub expression: String,
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema(Option<Validator>);

macro_rules! schemas {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $($(#[$doc])* pub static $name: LazyLock<Schema> =
            LazyLock::new(|| Schema::compile(include_str!(concat!("../../cds-hooks/schemas/", $file, ".schema.json"))));)*

        /// Compiles every schema, so that a broken one is found at start and the first request does not pay.
        ///
        /// # Errors
        /// The file of a schema that does not compile.
        pub fn compile_all() -> Result<(), &'static str> {
            $(if $name.0.is_none() { return Err($file); })*
            Ok(())
        }
    };
}

schemas! {
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
    /// One resource type each.
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

/// The schema of a resource type that is read.
#[must_use]
pub fn resource(kind: &str) -> Option<&'static Schema> {
    Some(match kind {
        "Appointment" => &APPOINTMENT,
        "CommunicationRequest" => &COMMUNICATION_REQUEST,
        "Condition" => &CONDITION,
        "Coverage" => &COVERAGE,
        "Device" => &DEVICE,
        "DeviceRequest" => &DEVICE_REQUEST,
        "Encounter" => &ENCOUNTER,
        "Location" => &LOCATION,
        "Medication" => &MEDICATION,
        "MedicationRequest" => &MEDICATION_REQUEST,
        "NutritionOrder" => &NUTRITION_ORDER,
        "Organization" => &ORGANIZATION,
        "Patient" => &PATIENT,
        "Practitioner" => &PRACTITIONER,
        "PractitionerRole" => &PRACTITIONER_ROLE,
        "ServiceRequest" => &SERVICE_REQUEST,
        "Task" => &TASK,
        "VisionPrescription" => &VISION_PRESCRIPTION,
        _ => return None,
    })
}

impl Schema {
    fn compile(text: &str) -> Self {
        // The engine whose time is linear in the text, whatever the pattern (FAULTS P05).
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
        let schema = serde_json::from_str(text).ok();
        Self(schema.and_then(|schema: Value| options.build(&schema).ok()))
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
        Err(validator.iter_errors(value).next().map_or_else(
            || Misfit { issue: Issue::Structure, expression: root.to_owned() },
            |error| misfit(&error, root),
        ))
    }
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
