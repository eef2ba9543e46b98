//! Whether a server searched as it was asked to: its `self` link says what it searched for (CRD's query notes).

use std::collections::BTreeSet;

use url::Url;

use super::reading::{says, text};
use crate::gather::learned::Query;
use crate::request::json::View;

/// Values of one list that are asked for one by one.
const MOST_VALUES: usize = 8;

type Parameters = [(String, String)];

/// Which parameters of a search for a type a `self` link does not show. They are compared by what they mean, however they are
/// written. What it shows beyond them, such as `_count`, is the server's.
pub(super) fn ignored(kind: &str, parameters: &Parameters, own: &Url) -> Vec<usize> {
    let shown: Vec<(String, String)> = own.query_pairs().into_owned().collect();
    let is_shown = |(name, value): &(String, String)| {
        let asked = values(value, |value| meant(name, value));
        let mut same = shown.iter().filter_map(|(shown, value)| as_named(kind, name, shown, value)).peekable();
        // A parameter that is repeated narrows the search.
        same.peek().is_some() && same.all(|values| values == asked)
    };
    // What is included narrows nothing. What was not included is asked for, or stays open.
    let narrows = |(name, _): &(String, String)| name != "_include";
    let hidden = parameters.iter().enumerate().filter(|(_, parameter)| narrows(parameter) && !is_shown(parameter));
    hidden.map(|(index, _)| index).collect()
}

/// The values of a shown parameter, if it is the asked one or another name of it.
fn as_named(kind: &str, asked: &str, shown: &str, value: &str) -> Option<BTreeSet<String>> {
    let (name, modifier) = shown.split_once(':').map_or((shown, None), |(name, modifier)| (name, Some(modifier)));
    let is_patient = |value: &String| value.rsplit_once('/').is_some_and(|(before, _)| names_type(before, "Patient"));
    let is_same = match (asked, name, modifier) {
        (_, _, None) if asked == name => true,
        ("patient", "patient", Some("Patient")) => true,
        // A beneficiary is a patient. A subject may be something else, if nothing is said.
        ("patient", "beneficiary", None | Some("Patient")) => kind == "Coverage",
        ("patient", "subject", Some("Patient")) => true,
        ("patient", "subject", None) => parts(value).iter().all(is_patient),
        _ => false,
    };
    // Another modifier of the same parameter is another search, and no value of it is the asked one.
    let values = || if is_same { values(value, |value| meant(asked, value)) } else { BTreeSet::new() };
    (is_same || asked == name).then(values)
}

/// Whether what stands before the id of a reference ends with this type.
fn names_type(before: &str, kind: &str) -> bool {
    before.strip_suffix(kind).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// What a value of a parameter means: `Patient/1` and `1` are the same patient, and the system of a status or an intent is
/// known.
fn meant(name: &str, value: &str) -> String {
    let meant = match name {
        "patient" => value.rsplit_once('/').filter(|(before, _)| names_type(before, "Patient")).map(|(_, id)| id),
        "status" | "intent" => value.rsplit_once('|').filter(|(system, _)| is_of_hl7(system)).map(|(_, code)| code),
        _ => None,
    };
    meant.unwrap_or(value).to_owned()
}

/// Whether a code system is one of HL7's, which statuses and intents are from; it need not be named.
fn is_of_hl7(system: &str) -> bool {
    system.is_empty()
        || ["http://hl7.org/fhir/", "http://terminology.hl7.org/"].iter().any(|hl7| system.starts_with(hl7))
}

/// The same search in narrower ones: a list that was ignored, value by value. None if something else was ignored too.
pub(super) fn narrower(kind: &str, parameters: &Parameters, ignored: &[usize]) -> Option<Vec<Query>> {
    let [index] = ignored else { return None };
    let (_, list) = parameters.get(*index)?;
    let values = parts(list);
    if !(2..=MOST_VALUES).contains(&values.len()) {
        return None;
    }
    let one = |value: &String| {
        let mut parameters = parameters.to_vec();
        if let Some((_, list)) = parameters.get_mut(*index) {
            value.clone_into(list);
        }
        Query::Search { kind: kind.to_owned(), parameters }
    };
    Some(values.iter().map(one).collect())
}

/// Whether a resource can be in the result of a search, by those parameters that can be looked up in it.
pub(super) fn passes(parameters: &Parameters, resource: View<'_>) -> bool {
    parameters.iter().all(|(name, value)| {
        let wanted = parts(value);
        match name.as_str() {
            "_id" => wanted.iter().any(|id| says(resource, "id", id)),
            "status" => wanted.iter().any(|status| says(resource, "status", token(status).1)),
            "code" => wanted.iter().any(|wanted| has_code(resource, wanted)),
            _ => true,
        }
    })
}

/// Whether a resource's code is this token: `system|code` or `code`.
fn has_code(resource: View<'_>, wanted: &str) -> bool {
    let (system, code) = token(wanted);
    let concept = resource.get("code");
    let mut codings = concept.and_then(|concept| concept.get("coding")).into_iter().flat_map(View::items);
    codings.any(|coding| {
        let same_system = match system {
            None => true,
            Some("") => text(coding, "system").is_none(),
            Some(system) => says(coding, "system", system),
        };
        same_system && (code.is_empty() || says(coding, "code", code))
    })
}

fn token(value: &str) -> (Option<&str>, &str) {
    value.split_once('|').map_or((None, value), |(system, code)| (Some(system), code))
}

/// The values of a parameter as they are meant. Their order says nothing, and neither does a comma between nothing.
fn values(value: &str, meant: impl Fn(&str) -> String) -> BTreeSet<String> {
    parts(value).iter().filter(|value| !value.is_empty()).map(|value| meant(value)).collect()
}

/// What stands between the commas that are not escaped, as it stands.
fn parts(value: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in value.chars() {
        if letter == ',' && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use url::Url;

    use super::{ignored, narrower, passes};
    use crate::config::Settings;
    use crate::gather::learned::Query;
    use crate::request::json::Json;

    const ASKED: [(&str, &str); 2] = [("patient", "1"), ("code", "http://x|a b,http://x|c")];

    fn owned(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn ignored_by(own: &str) -> Vec<usize> {
        ignored("Condition", &owned(&ASKED), &Url::parse("https://ehr.example.org/fhir/").unwrap().join(own).unwrap())
    }

    #[test]
    fn e06_a_self_link_must_show_everything_that_was_asked_for() {
        for shows in [
            "Condition?patient=1&code=http://x|a%20b,http://x|c",
            "Condition?code=http%3A%2F%2Fx%7Cc%2Chttp%3A%2F%2Fx%7Ca+b&_count=20&patient=1",
            "Condition?patient=Patient/1&code=http://x|c,http://x|a+b",
            "https://inside/other?patient=https://ehr/Patient%2F1&code=http://x|c,http://x|a+b",
            "Condition?patient:Patient=1&code=http://x|a%20b,,http://x|c,",
            "Condition?patient:Patient=Patient/1&patient=1&code=http://x|c,http://x|a%20b",
            "Condition?subject=Patient/1&code=http%3a%2f%2fx%7ca%20b%2Chttp://x|c",
            "Condition?subject:Patient=1&code=http://x|a%20b,http://x|c",
        ] {
            assert!(ignored_by(shows).is_empty(), "{shows}");
        }
        for (hides, what) in [
            ("Condition", &[0, 1][..]),
            ("Condition?patient=1", &[1]),
            ("Condition?patient=1&code=http://x|a+b", &[1]),
            ("Condition?patient=1&code=http://x|a+b,http://x|c,http://x|d", &[1]),
            ("Condition?patient=1&code=a+b,c", &[1]),
            ("Condition?patient=2&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?subject=1&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?beneficiary=1&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?subject=Group/1&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?patient=Group/1&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?patient:Group=1&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?patient:identifier=1&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?patient=1&patient=2&code=http://x|a+b,http://x|c", &[0]),
            ("Condition?patient=1&code:not=http://x|a+b,http://x|c", &[1]),
            ("Condition?patient=1&code=http://x|a+b&code=http://x|c", &[1]),
            ("Condition?patient=,&code=,", &[0, 1]),
        ] {
            assert_eq!(ignored_by(hides), what, "{hides}");
        }
    }

    #[test]
    fn e06_the_patient_and_the_status_of_a_coverage_have_several_names() {
        let ignored = |own: &str| {
            let own = Url::parse(&format!("https://ehr.example.org/fhir/Coverage?{own}")).unwrap();
            ignored("Coverage", &owned(&[("patient", "1"), ("status", "active")]), &own)
        };
        for shows in [
            "status=active&patient=1",
            "beneficiary=1&status=active",
            "beneficiary=Patient/1&status=http://hl7.org/fhir/fm-status|active",
            "beneficiary:Patient=1&status=http%3A%2F%2Fhl7.org%2Ffhir%2Ffm-status%7Cactive",
            "beneficiary=https://ehr.example.org/fhir/Patient/1&status=|active",
            "patient:Patient=1&status=active&_count=10",
        ] {
            assert!(ignored(shows).is_empty(), "{shows}");
        }
        let own =
            "https://e.org/MedicationRequest?intent=http://hl7.org/fhir/CodeSystem/medicationrequest-intent|order";
        let asked = owned(&[("intent", "order")]);
        assert!(super::ignored("MedicationRequest", &asked, &Url::parse(own).unwrap()).is_empty());
        for (hides, what) in [
            ("beneficiary=2&status=active", &[0][..]),
            ("beneficiary:Group=1&status=active", &[0]),
            ("beneficiary:identifier=1&status=active", &[0]),
            ("policy-holder=1&status=active", &[0]),
            ("patient=1&status=http://hl7.org/fhir/fm-status|cancelled", &[1]),
            ("patient=1&status=https://ehr.example.org/codes|active", &[1]),
            ("patient=1&status=active,draft", &[1]),
            ("patient=1&status:not=active", &[1]),
            ("patient=1&status=active&status=draft", &[1]),
        ] {
            assert_eq!(ignored(hides), what, "{hides}");
        }
    }

    #[test]
    fn e06_only_a_list_can_be_asked_for_more_narrowly() {
        let narrow = |asked: &[(&str, &str)], ignored: &[usize]| narrower("Condition", &owned(asked), ignored);
        let one = |code: &str| Query::search("Condition", &[("patient", "1"), ("code", code)]);
        assert_eq!(narrow(&ASKED, &[1]).unwrap(), [one("http://x|a b"), one("http://x|c")]);
        assert_eq!(narrow(&ASKED, &[0]), None);
        assert_eq!(narrow(&ASKED, &[0, 1]), None);
        assert_eq!(narrow(&[("code", r"a\,b")], &[0]), None);
        assert_eq!(narrow(&[("code", "1,2,3,4,5,6,7,8,9")], &[0]), None);
    }

    #[test]
    fn e06_a_resource_passes_by_what_can_be_looked_up_in_it() {
        let limits = Settings::read(None, |_| None).unwrap().limits;
        let body = br#"{"id":"1","status":"active","code":{"coding":[{"system":"s","code":"a"},{"code":"b"}]}}"#;
        let json = Json::scan(body, &limits).unwrap();
        let passes = |name: &str, value: &str| passes(&owned(&[(name, value)]), json.root());
        for (name, value) in [
            ("_id", "1"),
            ("_id", "2,1"),
            ("status", "active"),
            ("status", "http://x|active,draft"),
            ("code", "a"),
            ("code", "s|a"),
            ("code", "s|"),
            ("code", "|b"),
            ("code", "x|y,b"),
            ("patient", "9"),
            ("_count", "9"),
        ] {
            assert!(passes(name, value), "{name}={value}");
        }
        for (name, value) in
            [("_id", "2"), ("_id", "11"), ("status", "draft"), ("code", "c"), ("code", "t|a"), ("code", "|a")]
        {
            assert!(!passes(name, value), "{name}={value}");
        }
        let bare = Json::scan(b"{}", &limits).unwrap();
        for name in ["_id", "status", "code"] {
            assert!(!super::passes(&owned(&[(name, "a")]), bare.root()), "{name}");
        }
    }
}
