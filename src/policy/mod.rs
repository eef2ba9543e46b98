//! Medical policies: loaded whole or not at all, proved before they serve, then an immutable snapshot.
//!
//! It decides nothing: that is `decide`.

pub mod check;
pub mod load;
pub mod model;
pub mod template;
