//! c
/// k
pub const MOST_KINDS: usize = 10;
