//! The hooks that are served: what each needs in its context and which orders it is about.

/// A hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Orders are about to be signed.
    OrderSign,
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

/// All services, in the order of discovery.
pub const SERVICES: [Service; 1] = [Service {
    id: "order-sign-crd",
    hook: Hook::OrderSign,
    discovery: include_str!("../../cds-hooks/services/order-sign-crd.json"),
}];

/// The service of a path.
#[must_use]
pub fn service(id: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.id == id)
}

impl Hook {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderSign => "order-sign",
        }
    }
}

/// The kinds of orders that coverage information is given for.
pub const ORDERS: [&str; 7] = [
    "ServiceRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "VisionPrescription",
    "CommunicationRequest",
    "Appointment",
];
