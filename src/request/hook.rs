//! The hooks that are served: what each needs in its context and which orders it is about.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::schema::{self, Schema};

/// A hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Orders are about to be signed.
    OrderSign,
    /// Orders are being written.
    OrderSelect,
    /// Orders that were signed are handed to who will perform them.
    OrderDispatch,
    /// Appointments are about to be booked.
    AppointmentBook,
    /// An encounter begins.
    EncounterStart,
    /// An encounter ends.
    EncounterDischarge,
}

/// A service that answers a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The last part of its path.
    pub id: &'static str,
    /// The hook it answers.
    pub hook: Hook,
    /// Its discovery entry.
    pub discovery: &'static str,
}

macro_rules! services {
    ($($hook:ident = $id:literal),* $(,)?) => {
        [$(Service {
            id: $id,
            hook: Hook::$hook,
            discovery: include_str!(concat!("../../cds-hooks/services/", $id, ".json")),
        }),*]
    };
}

/// All services, in the order of discovery.
pub const SERVICES: [Service; 6] = services![
    OrderSign = "order-sign-crd",
    OrderSelect = "order-select-crd",
    OrderDispatch = "order-dispatch-crd",
    AppointmentBook = "appointment-book-crd",
    EncounterStart = "encounter-start-crd",
    EncounterDischarge = "encounter-discharge-crd",
];

/// The service of a path.
#[must_use]
pub fn service(id: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.id == id)
}

/// The type of resource that a prefetch key of ours is for; none of another key.
#[must_use]
pub fn prefetched_kind(key: &str) -> Option<&'static str> {
    static KINDS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
        #[derive(serde::Deserialize)]
        struct Entry {
            prefetch: BTreeMap<String, String>,
        }
        let entries = SERVICES.iter().filter_map(|service| serde_json::from_str::<Entry>(service.discovery).ok());
        let kind = |template: String| template.split(['?', '/']).next().map(str::to_owned).unwrap_or_default();
        entries.flat_map(|entry| entry.prefetch).map(|(key, template)| (key, kind(template))).collect()
    });
    KINDS.get(key).map(String::as_str)
}

/// The service of the hook that a body says it is of.
#[must_use]
pub fn of_request(body: &[u8]) -> Option<&'static Service> {
    #[derive(serde::Deserialize)]
    struct Said {
        hook: String,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    SERVICES.iter().find(|service| service.hook.name() == said.hook)
}

impl Hook {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderSign => "order-sign",
            Self::OrderSelect => "order-select",
            Self::OrderDispatch => "order-dispatch",
            Self::AppointmentBook => "appointment-book",
            Self::EncounterStart => "encounter-start",
            Self::EncounterDischarge => "encounter-discharge",
        }
    }

    /// Whether it only supports the others. Documentation is never asked for then (CRD hook-19).
    #[must_use]
    pub fn is_supporting(self) -> bool {
        matches!(self, Self::OrderSelect | Self::EncounterStart | Self::EncounterDischarge)
    }

    /// Whether it is more likely to meet staff than a clinician: a coverage record is put right there (CRD resp-70).
    #[must_use]
    pub fn is_administrative(self) -> bool {
        matches!(self, Self::AppointmentBook | Self::EncounterStart | Self::EncounterDischarge)
    }

    /// The member of its context that is a Bundle of orders, if there is one.
    #[must_use]
    pub fn bundle(self) -> Option<&'static str> {
        match self {
            Self::OrderSign | Self::OrderSelect => Some("draftOrders"),
            Self::AppointmentBook => Some("appointments"),
            Self::OrderDispatch | Self::EncounterStart | Self::EncounterDischarge => None,
        }
    }

    /// The schema of its context.
    #[must_use]
    pub fn context(self) -> &'static Schema {
        match self {
            Self::OrderSign => &schema::ORDER_SIGN,
            Self::OrderSelect => &schema::ORDER_SELECT,
            Self::OrderDispatch => &schema::ORDER_DISPATCH,
            Self::AppointmentBook => &schema::APPOINTMENT_BOOK,
            Self::EncounterStart => &schema::ENCOUNTER_START,
            Self::EncounterDischarge => &schema::ENCOUNTER_DISCHARGE,
        }
    }
}

/// The kinds of orders that coverage information is given for. An Encounter is one where it is what the hook is about.
pub const ORDERS: [&str; 7] = [
    "ServiceRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "VisionPrescription",
    "CommunicationRequest",
    "Appointment",
];
