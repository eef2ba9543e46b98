//! The dictionaries that payloads are compressed under: what CRD requests and answers have in common.
//!
//! A dictionary is never changed: what was written under it could not be read any more. A better one gets the next number.

use std::sync::LazyLock;

use zstd::dict::DecoderDictionary;

/// The dictionaries, the first of which has the number 1.
const DICTIONARIES: [&[u8]; 0] = [];

static DECODERS: LazyLock<Vec<DecoderDictionary<'static>>> =
    LazyLock::new(|| DICTIONARIES.iter().map(|bytes| DecoderDictionary::copy(bytes)).collect());

/// The number of the dictionary that is written under; 0 for none.
pub(super) fn number() -> i64 {
    i64::try_from(DICTIONARIES.len()).unwrap_or_default()
}

/// The dictionary that is written under.
pub(super) fn newest() -> Option<&'static [u8]> {
    DICTIONARIES.last().copied()
}

/// The dictionary of a number, to read with.
pub(super) fn decoder(number: i64) -> Option<&'static DecoderDictionary<'static>> {
    DECODERS.get(usize::try_from(number).ok()?.checked_sub(1)?)
}
