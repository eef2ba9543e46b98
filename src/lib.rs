//! Covenant.
pub mod decide;
pub mod policy;
