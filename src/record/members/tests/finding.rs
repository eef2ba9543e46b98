//! Which person and which coverage is meant, and when nobody is.

use super::*;

#[tokio::test]
async fn a_member_is_found_with_her_coverage_and_authorizations() {
    let place = Place::new();
    let (coverage, authorization) = (coverage("c1", "1", "N1"), authorization("1", "A-1"));
    let counts = place.imports(&[authorization, coverage.clone(), patient("1"), json!({"resourceType": "Group"})]);
    assert_eq!((counts.patients, counts.coverages, counts.authorizations, counts.passed_over), (1, 1, 1, 1));
    assert_eq!(members(&place.ledger()).unwrap(), Some(counts));
    let day = |text: &str| Some(text.parse().unwrap());
    let expected = Membership {
        in_force: InForce { active: true, start: day("2026-01-01"), end: day("2026-12-31") },
        coverage: coverage.to_string(),
        authorizations: vec![Authorization {
            number: "A-1".to_owned(),
            codes: vec![("http://www.ama-assn.org/go/cpt".to_owned(), "47383".to_owned())],
            first: day("2026-11-01"),
            last: day("2027-01-31"),
        }],
    };
    for numbers in [&["N1"][..], &[], &["other", " N1 "], &["id-N1"]] {
        assert_eq!(member(place.find(by_card("1", numbers)).await), expected, "{numbers:?}");
    }
}

#[tokio::test]
async fn c09_a_person_is_found_by_identifier_by_number_and_birth_date_or_by_name_and_birth_date() {
    let place = Place::new();
    place.imports(&[patient("1"), coverage("c1", "1", "N1")]);
    let born = Some("1957-03-14".parse().unwrap());
    let by_number = MemberQuery { numbers: vec!["N1".to_owned()], birth_date: born, ..MemberQuery::default() };
    member(place.find(by_number.clone()).await);
    member(place.find(by_name("NUNEZ", &["maria"], "1957-03-14")).await);
    member(place.find(by_name("perez", &["Ignota", "ANA"], "1957-03-14")).await);
    for unknown in [
        by_card("2", &["N1"]),
        MemberQuery { birth_date: None, ..by_number.clone() },
        MemberQuery { birth_date: Some("1957-03-15".parse().unwrap()), ..by_number },
        by_name("Perez", &["Maria"], "1957-03-14"),
        by_name("Núñez", &["Ana"], "1957-03-15"),
        by_name("Núñez", &[], "1957-03-14"),
        MemberQuery::default(),
    ] {
        assert_eq!(place.find(unknown).await, Ok(Standing::PersonUnknown));
    }
}

#[tokio::test]
async fn c09_two_who_are_alike_are_nobody_until_something_tells_them_apart() {
    let place = Place::new();
    let mut twin = patient("2");
    twin["name"][1]["given"] = json!(["Berta"]);
    place.imports(&[patient("1"), twin, coverage("c1", "1", "N1"), coverage("c2", "2", "N1")]);
    assert_eq!(place.find(by_name("Nunez", &["Ana"], "1957-03-14")).await, Ok(Standing::PersonUnknown));
    let by_number = MemberQuery { numbers: vec!["N1".to_owned()], ..by_name("Nunez", &["Ana"], "1957-03-14") };
    assert_eq!(place.find(by_number.clone()).await, Ok(Standing::PersonUnknown));
    let apart = MemberQuery { family: vec!["Perez".to_owned()], given: vec!["Berta".to_owned()], ..by_number };
    assert_eq!(member(place.find(apart).await).coverage, coverage("c2", "2", "N1").to_string());
}

#[tokio::test]
async fn what_hundreds_share_identifies_nobody() {
    let place = Place::new();
    let everybody = (0..200).flat_map(|it| {
        let id = it.to_string();
        let mut patient = patient(&id);
        patient["identifier"].as_array_mut().unwrap().push(json!({"system": "none", "value": "0"}));
        [patient, coverage(&id, &id, &format!("N{id}"))]
    });
    place.imports(&everybody.collect::<Vec<_>>());
    let mut query = by_card("7", &["N7"]);
    query.identifiers.insert(0, ("none".to_owned(), "0".to_owned()));
    member(place.find(query.clone()).await);
    query.identifiers.pop();
    assert_eq!(place.find(query).await, Ok(Standing::PersonUnknown));
}

#[tokio::test]
async fn c10_a_coverage_that_is_not_hers_or_not_one_alone_is_unknown() {
    let place = Place::new();
    place.imports(&[
        patient("1"),
        coverage("c1", "1", "N1"),
        patient("2"),
        coverage("c2", "2", "N2"),
        coverage("c3", "2", "N3"),
        coverage("c4", "2", "N3"),
        patient("3"),
    ]);
    let unknown = Ok(Standing::CoverageUnknown);
    for (person, numbers) in
        [("1", &["N2"][..]), ("2", &[]), ("2", &["N3"]), ("2", &["N2", "N3"]), ("3", &[]), ("3", &["N1"])]
    {
        assert_eq!(place.find(by_card(person, numbers)).await, unknown, "{person} {numbers:?}");
    }
    let found = member(place.find(by_card("2", &["N2"])).await);
    assert_eq!(found.coverage, coverage("c2", "2", "N2").to_string());
}

#[tokio::test]
async fn a_member_number_stands_for_the_person_and_her_only_coverage() {
    let place = Place::new();
    let numbered = |id: &str| {
        let mut patient = patient(id);
        let r#type = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]});
        let identifier = json!({"system": "https://payer.example/member", "value": format!("M{id}"), "type": r#type});
        patient["identifier"].as_array_mut().unwrap().push(identifier);
        patient
    };
    let mut cancelled = coverage("c1", "1", "N1");
    cancelled["status"] = "cancelled".into();
    place.imports(&[numbered("1"), cancelled, numbered("2"), coverage("c2", "2", "N2"), coverage("c3", "2", "N3")]);
    let query = |number: &str| MemberQuery {
        numbers: vec![number.to_owned()],
        birth_date: Some("1957-03-14".parse().unwrap()),
        ..MemberQuery::default()
    };
    assert!(!member(place.find(query("M1")).await).in_force.active);
    assert_eq!(place.find(query("M2")).await, Ok(Standing::CoverageUnknown));
}

#[tokio::test]
async fn c09_a_member_number_that_nobody_has_rules_the_person_out_whatever_else_is_hers() {
    let place = Place::new();
    let mut known = patient("1");
    let identifier = json!({
        "system": "https://payer.example/member", "value": "M1",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB"}]}
    });
    known["identifier"].as_array_mut().unwrap().push(identifier);
    place.imports(&[known, coverage("c1", "1", "N1"), patient("2"), coverage("c2", "2", "N2")]);
    let sent = |numbers: &[(Option<&str>, &str)]| MemberQuery {
        member_numbers: Some(numbers.iter().map(|(system, it)| (system.map(Into::into), (*it).into())).collect()),
        ..by_card("1", &["N1"])
    };
    let system = Some("https://payer.example/member");
    for hers in [&[][..], &[(system, "M1")], &[(None, " M1 ")], &[(None, "N1")], &[(None, "id-N1")]] {
        member(place.find(sent(hers)).await);
    }
    member(place.find(sent(&[(Some("https://another.example"), "X"), (system, "M1")])).await);
    for unknown in [(system, "M9"), (None, "M9"), (None, "N2"), (Some(CARD), "card-2")] {
        assert_eq!(place.find(sent(&[unknown])).await, Ok(Standing::PersonUnknown), "{unknown:?}");
    }
}

#[tokio::test]
async fn c10_of_a_coverage_and_the_one_that_took_its_place_the_day_tells_which() {
    let place = Place::new();
    let of_year = |id: &str, year: &str| {
        let mut coverage = coverage(id, "1", "N1");
        coverage["period"] = json!({"start": format!("{year}-01-01"), "end": format!("{year}-12-31")});
        coverage
    };
    let (old, new) = (of_year("c1", "2025"), of_year("c2", "2026"));
    place.imports(&[patient("1"), old.clone(), new.clone()]);
    let on = |day: &str| MemberQuery { on: Some(day.parse().unwrap()), ..by_card("1", &["N1"]) };
    for (day, meant) in [("2025-06-01", &old), ("2026-06-01", &new), ("2027-06-01", &new)] {
        assert_eq!(member(place.find(on(day)).await).coverage, meant.to_string(), "{day}");
    }
    assert_eq!(place.find(by_card("1", &["N1"])).await, Ok(Standing::CoverageUnknown));
}

#[tokio::test]
async fn a_coverage_lasts_to_the_end_of_time_and_a_moment_is_a_day_in_the_payers_time_zone() {
    for (end, last) in [
        ("9999-12-31T23:59:59Z", "9999-12-31"),
        ("9999-12-31T23:59:59.9999999999-05:00", "9999-12-31"),
        ("2026-12-01T04:59:59Z", "2026-11-30"),
        ("2026-12-01T00:00:00-05:00", "2026-12-01"),
    ] {
        let place = Place::new();
        let mut coverage = coverage("c1", "1", "N1");
        coverage["period"]["end"] = end.into();
        place.imports(&[patient("1"), coverage]);
        let in_force = member(place.find(by_card("1", &["N1"])).await).in_force;
        assert_eq!(in_force.end.unwrap().to_string(), last, "{end}");
    }
}
