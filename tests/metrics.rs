//! The guide's metrics: what is known of one invocation, and what many come to. Entries are made as the server makes them.

mod data;
pub mod entries;
mod personal;
mod tally;
mod written;
