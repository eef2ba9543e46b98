//! A trial: whether a ledger could keep a record of real size now, without keeping one.

/// Bytes that a trial writes: more than nearly all records have. A smaller one may still fit where no record does.
pub(super) const SIZE: usize = 256 * 1024;
