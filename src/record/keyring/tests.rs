#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const ONE: &str = "1:0101010101010101010101010101010101010101010101010101010101010101";
const TWO: &str = "2:0202020202020202020202020202020202020202020202020202020202020202";

fn masters(text: &str) -> MasterKeys {
    MasterKeys::read(text).unwrap()
}

#[test]
fn keys_are_read_from_lines_and_from_a_list() {
    assert_eq!(format!("{:?}", masters(&format!("# newest first\n{TWO}\n\n  {ONE}  \n"))), "[2, 1]");
    assert_eq!(format!("{:?}", masters(&format!("{TWO},{ONE}"))), "[2, 1]");
    assert!(masters("").is_empty());
}

#[test]
fn what_is_no_key_is_refused_by_its_line_and_not_quoted() {
    let short = "1:0101";
    for (text, expected) in [
        ("x", KeyError::Line(1)),
        (short, KeyError::Line(1)),
        (&format!("{ONE}\nsecret:{}", "f".repeat(64)), KeyError::Line(2)),
        (&format!("1:{}", "g".repeat(64)), KeyError::Line(1)),
        (&format!("1:{}", "+1".repeat(32)), KeyError::Line(1)),
        (&format!("{ONE}\n{ONE}"), KeyError::Twice(2)),
    ] {
        let error = MasterKeys::read(text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("0101"));
    }
}

#[test]
fn without_a_key_nothing_is_encrypted() {
    let (ring, new) = Keyring::to_write(&MasterKeys::default(), &[]).unwrap();
    assert_eq!((new.len(), ring.seal(b"id", b"plain".to_vec()).unwrap()), (0, (0, b"plain".to_vec())));
}

#[test]
fn a_payload_opens_where_it_was_sealed_and_nowhere_else() {
    let (ring, new) = Keyring::to_write(&masters(ONE), &[]).unwrap();
    let (key, sealed) = ring.seal(b"id", b"patient Doe".to_vec()).unwrap();
    assert!(key > HIDING && !sealed.windows(3).any(|bytes| bytes == b"Doe"));
    assert_eq!(ring.open(key, b"id", &sealed).unwrap(), b"patient Doe");
    assert_eq!(ring.open(key, b"another id", &sealed), Err(LedgerError::Corrupt));
    let mut changed = sealed.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(ring.open(key, b"id", &changed), Err(LedgerError::Corrupt));
    assert_ne!(ring.seal(b"id", b"patient Doe".to_vec()).unwrap().1, sealed, "a nonce was used twice");
    let reader = Keyring::to_read(&masters(ONE), &new).unwrap();
    assert_eq!(reader.open(key, b"id", &sealed).unwrap(), b"patient Doe");
}

#[test]
fn a_new_master_key_wraps_the_old_data_keys_anew_and_then_the_old_one_can_go() {
    let (first, mut stored) = Keyring::to_write(&masters(ONE), &[]).unwrap();
    let (key, sealed) = first.seal(b"id", b"plain".to_vec()).unwrap();
    let (second, new) = Keyring::to_write(&masters(&format!("{TWO}\n{ONE}")), &stored).unwrap();
    assert_eq!(second.open(key, b"id", &sealed).unwrap(), b"plain");
    for wrapped in new {
        assert_eq!(wrapped.master, 2);
        stored.retain(|old| old.number != wrapped.number);
        stored.push(wrapped);
    }
    let (third, _) = Keyring::to_write(&masters(TWO), &stored).unwrap();
    assert_eq!(third.open(key, b"id", &sealed).unwrap(), b"plain");
    assert_eq!(third.key(Word::Member, "M-1"), first.key(Word::Member, "M-1"));
}

#[test]
fn a_key_that_is_missing_or_another_is_told() {
    let (_, stored) = Keyring::to_write(&masters(ONE), &[]).unwrap();
    let another = "1:0303030303030303030303030303030303030303030303030303030303030303";
    for text in ["", TWO, another] {
        assert_eq!(Keyring::to_write(&masters(text), &stored).unwrap_err(), LedgerError::NoKey, "{text}");
    }
}

#[test]
fn a_member_is_found_by_a_hash_that_nobody_without_the_key_can_guess() {
    let (ring, _) = Keyring::to_write(&masters(ONE), &[]).unwrap();
    assert_ne!(ring.key(Word::Member, "M-1"), key(Word::Member, "M-1"));
    assert_eq!(ring.key(Word::Policy, "633"), key(Word::Policy, "633"));
    assert_eq!(ring.lookups(Word::Member, "M-1"), [ring.key(Word::Member, "M-1"), key(Word::Member, "M-1")]);
    assert_eq!(ring.lookups(Word::Policy, "633"), [key(Word::Policy, "633")]);
}
