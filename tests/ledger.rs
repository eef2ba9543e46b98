//! What the ledger promises, whichever engine it lies in.

mod away;
mod canary;
mod copies;
mod disk;
mod engines;
mod gone;
pub mod load;
mod lost;
mod mount;
mod moved;
mod nodes;
mod schemas;
mod starts;
mod tampered;
mod unkept;
mod whole;
mod writer;
