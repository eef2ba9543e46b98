//! Covenant answers a clinician's EHR: is this order covered, and what must be done first?
//!
//! ```text
//!  bytes ─► http ─► auth ─► request ─► gather ─► decide ─► render ─► record ─► http ─► bytes
//!          (edge)  (who)   (what asked) (facts)  (PURE)    (PURE)   (durable)  (edge)
//!                                         ▲         ▲          ▲
//!                          policy (compiled snapshot, immutable, one for a request)
//! ```
//!
//! `http::invoke` tells the story of a request, [`answer`] the part of it that needs no server. What is decided, and every
//! word a clinician reads, lies in `fhir-resources/`; what goes over the wire is described in `cds-hooks/`. What was recorded
//! is looked back at in [`review`] and summed up in [`metrics`]. What people see in a browser is written in [`pages`].
//!
//! Each room says whose fault its errors are; only [`http::problem`] knows status codes. Two proofs are types: no handler
//! runs without an [`auth::VerifiedClient`], and no 200 is said to a hook without a [`record::Recorded`] response.

#[macro_use]
mod untold;

pub mod answer;
pub mod auth;
pub mod config;
pub mod date;
pub mod decide;
pub mod effort;
pub mod gather;
pub mod http;
pub mod metrics;
pub mod outbound;
pub mod pages;
pub mod policy;
pub mod record;
pub mod render;
pub mod request;
pub mod review;
pub mod telemetry;
