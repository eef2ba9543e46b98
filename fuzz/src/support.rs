//! Clients that sign.

#[path = "../../tests/support/tokens.rs"]
pub mod tokens;
