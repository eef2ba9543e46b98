//! Covenant.
pub mod answer;
pub mod config;
pub mod decide;
pub mod gather;
pub mod policy;
pub mod render;
pub mod request;
pub mod telemetry;
