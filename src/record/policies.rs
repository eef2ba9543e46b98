//! A policy set's files as one blob: each name and content preceded by its length, all of it in one zstd frame.

use super::{LedgerError, PolicyFiles, pack as packing};

/// Sets are kept once in a while and read with care: smaller is better than sooner.
const LEVEL: i32 = 12;

/// Packs the files, in their order.
pub(super) fn pack(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, LedgerError> {
    let mut plain = Vec::new();
    for part in files.iter().flat_map(|(name, content)| [name.as_bytes(), content]) {
        plain.extend((part.len() as u64).to_be_bytes());
        plain.extend(part);
    }
    packing::squeeze(&plain, LEVEL)
}

/// Unpacks what [`pack`] made; anything else is [`LedgerError::Corrupt`].
pub(super) fn unpack_files(packed: &[u8]) -> Result<PolicyFiles, LedgerError> {
    let plain = packing::plain(packed)?;
    let mut rest = plain.as_slice();
    let mut files = Vec::new();
    while !rest.is_empty() {
        let name = String::from_utf8(take(&mut rest)?).map_err(|_| LedgerError::Corrupt)?;
        files.push((name, take(&mut rest)?));
    }
    Ok(files)
}

fn take(rest: &mut &[u8]) -> Result<Vec<u8>, LedgerError> {
    let (length, after) = rest.split_first_chunk().ok_or(LedgerError::Corrupt)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| LedgerError::Corrupt)?;
    let (part, after) = after.split_at_checked(length).ok_or(LedgerError::Corrupt)?;
    *rest = after;
    Ok(part.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_come_back_as_they_were() {
        let files =
            vec![("b.json".to_owned(), b"{}".to_vec()), (String::new(), vec![]), ("a".to_owned(), vec![0, 255])];
        assert_eq!(unpack_files(&pack(&files).unwrap()).unwrap(), files);
        assert_eq!(unpack_files(&pack(&[]).unwrap()).unwrap(), vec![]);
    }

    #[test]
    fn a_length_beyond_the_end_is_corrupt() {
        for plain in [&[0, 0, 1][..], &[255; 8], &[0, 0, 0, 0, 0, 0, 0, 9, b'x']] {
            let packed = zstd::bulk::compress(plain, 1).unwrap();
            assert_eq!(unpack_files(&packed), Err(LedgerError::Corrupt));
        }
        assert_eq!(unpack_files(b"not zstd"), Err(LedgerError::Corrupt));
    }
}
