//! What the ledger promises, whichever engine it lies in.

mod engines;
