//! What a directory is looked up by, as hashes: the file holds no names or identifiers of its own beside the Coverages.
//!
//! A key is 128 bits of a SHA-256, so that no two things that are looked for will ever share one.

use icu_normalizer::DecomposingNormalizerBorrowed;
use jiff::civil::Date;

use crate::record::chain;

/// A key of `member_keys`.
pub(super) type Key = [u8; 16];

/// See the name of the entries' hash in `chain.rs`.
const DOMAIN: &[u8] = b"covenant member key, version 1";

fn key(kind: &str, parts: &[&[u8]]) -> Key {
    let mut columns = vec![kind.as_bytes()];
    columns.extend(parts);
    chain::digest(DOMAIN, &columns).first_chunk().copied().unwrap_or_default()
}

/// Leads to a person by an identifier.
pub(super) fn identifier(system: &str, value: &str) -> Key {
    key("identifier", &[system.as_bytes(), value.as_bytes()])
}

/// Leads to a person by a number of her coverage, or her member number, and her date of birth.
pub(super) fn number(number: &str, born: Date) -> Key {
    key("number", &[number.trim().as_bytes(), born.to_string().as_bytes()])
}

/// Leads to a person by a name and her date of birth. Names are [`folded`].
pub(super) fn name(family: &str, given: &str, born: Date) -> Key {
    key("name", &[family.as_bytes(), given.as_bytes(), born.to_string().as_bytes()])
}

/// Is there if this is the member number of this person.
pub(super) fn member_number(person: u32, number: &str) -> Key {
    key("member number", &[&person.to_be_bytes(), number.trim().as_bytes()])
}

/// Leads to the coverages of a person.
pub(super) fn coverages_of(person: u32) -> Key {
    key("coverages", &[&person.to_be_bytes()])
}

/// Leads to the authorisations of a person.
pub(super) fn authorizations_of(person: u32) -> Key {
    key("authorizations", &[&person.to_be_bytes()])
}

/// Stands for a reference while files are read.
pub(super) fn reference(reference: &str) -> u64 {
    let key = key("reference", &[reference.as_bytes()]);
    key.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

/// A name without case, accents and repeated spaces: `Núñez`, `NUNEZ` and `nunez` are one. Empty if nothing remains.
pub(super) fn folded(name: &str) -> String {
    let apart = DecomposingNormalizerBorrowed::new_nfkd().normalize(name);
    let mut folded = String::with_capacity(apart.len());
    for letter in apart.chars().flat_map(char::to_lowercase) {
        match letter {
            // Accents, now that they stand by themselves.
            '\u{300}'..='\u{36f}' => {}
            // Letters that have an accent in them and do not come apart.
            'ł' => folded.push('l'),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            _ if letter.is_whitespace() => {
                if !folded.is_empty() && !folded.ends_with(' ') {
                    folded.push(' ');
                }
            }
            _ => folded.push(letter),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn names_are_one_whatever_their_case_and_accents() {
        for (one, other) in [
            ("Núñez", "NUNEZ"),
            ("Nu\u{301}n\u{303}ez", "nunez"),
            (" van  der\tBerg ", "Van der Berg"),
            ("STRAUẞ", "strauss"),
            ("Łukasz", "lukasz"),
            ("İpek", "ipek"),
            ("Ǻse", "ase"),
        ] {
            assert_eq!(folded(one), folded(other));
        }
        assert_eq!(folded(" \u{301} "), "");
        assert_ne!(folded("Anne"), folded("Ann"));
    }
}
