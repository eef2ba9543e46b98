//! All integration tests, in one binary. A test's name is the promise or the fault it covers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::enum_variant_names,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice
)]

mod support;

mod browser;
mod clients;
mod commands;
mod conformance;
mod crash;
mod decide_laws;
mod desk;
mod ehr;
mod faults;
mod field;
mod golden;
mod hooks;
mod laws_support;
mod layering;
mod ledger;
mod metrics;
mod ops;
mod order_bytes;
mod policies;
mod policy_pages;
mod review;
mod rule_change;
mod security;
