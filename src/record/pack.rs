//! A record's payload as it is stored: its parts in one, compressed, and sealed where a key is set.

use std::cell::RefCell;
use std::io::Read;

use zstd::bulk::Compressor;
use zstd::dict::DecoderDictionary;

use super::LedgerError;
use super::dictionary;

/// No stored payload may unpack to more, in bytes: a damaged or planted frame cannot exhaust the memory.
const UNPACKED_MAX: u64 = 64 * 1024 * 1024;

/// How hard what stands by itself is compressed: little, since an import has a million of it.
pub(super) const LEVEL: i32 = -1;

thread_local! {
    /// A compressor is some 100 KB that are costly to make: one for each thread that packs.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Puts parts into one, each preceded by its length, and compresses them under the newest dictionary.
pub(super) fn pack(parts: &[&[u8]]) -> Result<Vec<u8>, LedgerError> {
    let length: usize = parts.iter().map(|part| part.len() + 4).sum();
    if length as u64 > UNPACKED_MAX {
        return Err(LedgerError::Unstorable);
    }
    let mut whole = Vec::with_capacity(length);
    for part in parts {
        let length = u32::try_from(part.len()).map_err(|_| LedgerError::Unstorable)?;
        whole.extend(length.to_be_bytes());
        whole.extend_from_slice(part);
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            none => none.insert(dictionary::compressor().map_err(|_| LedgerError::Unstorable)?),
        };
        let mut packed = compressor.compress(&whole).map_err(|_| LedgerError::Unstorable)?;
        // It waits for the disk, among many, and has taken memory for all that it might have become.
        packed.shrink_to_fit();
        Ok(packed)
    })
}

/// The parts that were packed under this dictionary. What this room did not write is [`LedgerError::Corrupt`].
pub(super) fn unpack(dictionary: i64, packed: &[u8]) -> Result<Vec<Vec<u8>>, LedgerError> {
    let whole = match dictionary {
        0 => plain(packed)?,
        number => {
            let dictionary = dictionary::decoder(number).ok_or(LedgerError::Foreign)?;
            under(dictionary, packed)?
        }
    };
    let mut rest = whole.as_slice();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or(LedgerError::Corrupt)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| LedgerError::Corrupt)?;
        let (part, after) = after.split_at_checked(length).ok_or(LedgerError::Corrupt)?;
        parts.push(part.to_vec());
        rest = after;
    }
    Ok(parts)
}

/// Compresses bytes that stand by themselves, without a dictionary.
pub(super) fn squeeze(bytes: &[u8], level: i32) -> Result<Vec<u8>, LedgerError> {
    if bytes.len() as u64 > UNPACKED_MAX {
        return Err(LedgerError::Unstorable);
    }
    zstd::bulk::compress(bytes, level).map_err(|_| LedgerError::Unstorable)
}

/// What [`squeeze`] was given.
pub(super) fn plain(packed: &[u8]) -> Result<Vec<u8>, LedgerError> {
    bounded(zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| LedgerError::Corrupt)?)
}

/// What [`squeeze`] was given, where that was text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, LedgerError> {
    String::from_utf8(bytes).map_err(|_| LedgerError::Corrupt)
}

fn under(dictionary: &DecoderDictionary<'static>, packed: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let decoder = zstd::stream::read::Decoder::with_prepared_dictionary(packed, dictionary);
    bounded(decoder.map_err(|_| LedgerError::Corrupt)?)
}

fn bounded(decoder: impl Read) -> Result<Vec<u8>, LedgerError> {
    let mut bytes = Vec::new();
    decoder.take(UNPACKED_MAX + 1).read_to_end(&mut bytes).map_err(|_| LedgerError::Corrupt)?;
    if bytes.len() as u64 > UNPACKED_MAX { Err(LedgerError::Corrupt) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PARTS: [&[u8]; 3] = [b"{}", b"", br#"{"hook":"order-sign","context":{}}"#];

    #[test]
    fn what_is_packed_is_unpacked() {
        assert_eq!(unpack(dictionary::number(), &pack(&PARTS).unwrap()).unwrap(), PARTS);
        assert_eq!(unpack(dictionary::number(), &pack(&[]).unwrap()).unwrap(), [b""; 0]);
    }

    #[test]
    fn what_was_packed_without_a_dictionary_is_unpacked() {
        let mut whole = Vec::new();
        for part in PARTS {
            whole.extend((part.len() as u32).to_be_bytes());
            whole.extend_from_slice(part);
        }
        assert_eq!(unpack(0, &squeeze(&whole, 1).unwrap()).unwrap(), PARTS);
    }

    #[test]
    fn a_dictionary_that_is_not_here_is_told() {
        let packed = pack(&PARTS).unwrap();
        assert_eq!(unpack(dictionary::number() + 1, &packed), Err(LedgerError::Foreign));
        assert_eq!(unpack(-1, &packed), Err(LedgerError::Foreign));
        assert_eq!(unpack(0, &packed), Err(LedgerError::Corrupt));
    }
}
