//! What the ledger promises, whichever engine it lies in.

mod away;
mod canary;
mod disk;
mod engines;
pub mod load;
mod lost;
mod mount;
mod nodes;
mod starts;
mod tampered;
mod unkept;
mod writer;
