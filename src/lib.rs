//! Covenant.
pub mod answer;
pub mod auth;
pub mod config;
pub mod decide;
pub mod gather;
pub mod http;
pub mod policy;
pub mod record;
pub mod render;
pub mod request;
pub mod telemetry;
