//! Reads literal references.

/// The type and id that a literal reference names: it may be relative, absolute or versioned.
#[must_use]
pub fn target(reference: &str) -> Option<(&str, &str)> {
    let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
    let (rest, id) = current.rsplit_once('/')?;
    let kind = rest.rsplit_once('/').map_or(rest, |(_, kind)| kind);
    (!id.is_empty() && kind.starts_with(|first: char| first.is_ascii_uppercase())).then_some((kind, id))
}

/// The base that an absolute reference begins with, without a slash at its end; none of a relative one or a URN.
#[must_use]
pub fn base(reference: &str) -> Option<&str> {
    let (kind, _) = target(reference).filter(|_| reference.contains("://"))?;
    let at = reference.rfind(&format!("/{kind}/"))?;
    reference.get(..at)
}

#[cfg(test)]
mod tests {
    use super::{base, target};

    #[test]
    fn a_reference_names_its_target_however_it_is_written() {
        for reference in ["Patient/1", "https://ehr.example.org/fhir/Patient/1", "Patient/1/_history/2"] {
            assert_eq!(target(reference), Some(("Patient", "1")), "{reference}");
        }
        for reference in ["#patient", "urn:uuid:0", "Patient/", "1", ""] {
            assert_eq!(target(reference), None, "{reference}");
        }
    }

    #[test]
    fn an_absolute_reference_has_a_base_and_a_relative_one_has_none() {
        assert_eq!(base("https://ehr.example.org/fhir/Patient/1/_history/2"), Some("https://ehr.example.org/fhir"));
        for reference in ["Patient/1", "urn:uuid:0", "#patient", "https://ehr.example.org/"] {
            assert_eq!(base(reference), None, "{reference}");
        }
    }
}
