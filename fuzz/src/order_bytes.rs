//! Orders as an EHR might write them.

#[path = "../../tests/order_bytes/written.rs"]
pub mod written;
