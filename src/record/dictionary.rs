//! The dictionaries that payloads are compressed under: what CRD requests and answers have in common.
//!
//! A dictionary is never changed: what was written under it could not be read any more. A better one gets the next number.
//! They are made by `benches/dictionary.rs`.

use std::io;
use std::sync::LazyLock;

use zstd::bulk::Compressor;
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// The dictionaries, the first of which has the number 1.
const DICTIONARIES: [&[u8]; 1] = [include_bytes!("dictionary/1.zdict")];

/// Of the payloads of requests that a dictionary was not made from, this level keeps a sixth fewer bytes than -1 and takes
/// no longer; 3 keeps a tenth fewer again and takes up to a third longer. See `benches/dictionary.rs`.
const LEVEL: i32 = 1;

/// Made ready once: a thread's own compressor then costs it little.
static ENCODER: LazyLock<Option<EncoderDictionary<'static>>> =
    LazyLock::new(|| DICTIONARIES.last().map(|bytes| EncoderDictionary::copy(bytes, LEVEL)));

static DECODERS: LazyLock<Vec<DecoderDictionary<'static>>> =
    LazyLock::new(|| DICTIONARIES.iter().map(|bytes| DecoderDictionary::copy(bytes)).collect());

/// The number of the dictionary that is written under; 0 for none.
pub(super) fn number() -> i64 {
    i64::try_from(DICTIONARIES.len()).unwrap_or_default()
}

/// A compressor that writes under the newest dictionary.
pub(super) fn compressor() -> io::Result<Compressor<'static>> {
    match &*ENCODER {
        Some(encoder) => Compressor::with_prepared_dictionary(encoder),
        None => Compressor::new(LEVEL),
    }
}

/// The dictionary of a number, to read with.
pub(super) fn decoder(number: i64) -> Option<&'static DecoderDictionary<'static>> {
    DECODERS.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn no_dictionary_is_changed() {
        let hashes = DICTIONARIES
            .map(|bytes| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(
            hashes,
            ["c8202f3a4bf0f11cb09af38b8146e37b2abb42c34c2d9406684d25a0307d42eb"],
            "what was written under it could not be read any more"
        );
    }

    #[test]
    fn no_dictionary_holds_an_id() {
        for bytes in DICTIONARIES {
            let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
            let words = text.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-');
            assert_eq!(words.filter(|word| uuid::Uuid::parse_str(word).is_ok()).collect::<Vec<_>>(), [""; 0]);
        }
    }
}
