//! Patients, coverages and prior authorisations, as far as a directory looks at them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ImportError;
use super::file::Found;
use super::place::place_at;
use crate::date;

/// The kind of identifier (HL7 v2 table 0203) that is a member number.
const MEMBER_NUMBER: &str = "MB";

/// X12 306 review actions that authorise something: in total, in part, and in a changed form.
const CERTIFIED: [&str; 3] = ["A1", "A2", "A6"];

/// A Patient.
#[derive(Deserialize)]
pub(super) struct Patient {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) identifier: Vec<Identifier>,
    #[serde(default)]
    pub(super) name: Vec<Name>,
    #[serde(rename = "birthDate")]
    birth_date: Option<String>,
}

/// An Identifier.
#[derive(Deserialize)]
pub(super) struct Identifier {
    pub(super) system: Option<String>,
    pub(super) value: Option<String>,
    r#type: Option<Concept>,
}

/// A HumanName. A given name may be absent beside an extension that says why.
#[derive(Deserialize)]
pub(super) struct Name {
    pub(super) family: Option<String>,
    #[serde(default)]
    pub(super) given: Vec<Option<String>>,
}

#[derive(Deserialize)]
struct Concept {
    #[serde(default)]
    coding: Vec<Coding>,
}

#[derive(Deserialize)]
struct Coding {
    system: Option<String>,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    reference: Option<String>,
}

#[derive(Deserialize)]
struct Period {
    start: Option<String>,
    end: Option<String>,
}

/// A Coverage.
#[derive(Deserialize)]
pub(super) struct Coverage {
    status: Option<String>,
    #[serde(rename = "subscriberId")]
    subscriber_id: Option<String>,
    #[serde(default)]
    identifier: Vec<Identifier>,
    beneficiary: Option<Reference>,
    period: Option<Period>,
}

/// A ClaimResponse.
#[derive(Deserialize)]
pub(super) struct ClaimResponse {
    status: Option<String>,
    r#use: Option<String>,
    outcome: Option<String>,
    #[serde(rename = "preAuthRef")]
    number: Option<String>,
    #[serde(rename = "preAuthPeriod")]
    period: Option<Period>,
    patient: Option<Reference>,
    #[serde(default)]
    error: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    item: Vec<Item>,
    #[serde(default, rename = "addItem")]
    add_item: Vec<AddItem>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "itemSequence")]
    sequence: Option<u32>,
    #[serde(default)]
    adjudication: Vec<Adjudication>,
}

#[derive(Deserialize)]
struct AddItem {
    #[serde(default, rename = "itemSequence")]
    sequence: Vec<u32>,
    #[serde(rename = "productOrService")]
    product: Option<Concept>,
    #[serde(default)]
    adjudication: Vec<Adjudication>,
}

#[derive(Deserialize)]
struct Adjudication {
    #[serde(default)]
    extension: Vec<Extension>,
}

#[derive(Deserialize)]
struct Extension {
    url: Option<String>,
    #[serde(default)]
    extension: Vec<Extension>,
    #[serde(rename = "valueCodeableConcept")]
    concept: Option<Concept>,
}

/// Reads a resource of a type.
pub(super) fn read<T: DeserializeOwned>(found: &Found<'_>) -> Result<T, ImportError> {
    serde_json::from_str(found.text).map_err(|error| {
        let place = place_at(found.text, error.line(), error.column());
        found.unreadable(&format!("{}{place}", found.kind), "is not what FHIR R4 has there")
    })
}

impl Patient {
    /// The whole date of birth, if it is known.
    pub(super) fn born(&self, found: &Found<'_>) -> Result<Option<Date>, ImportError> {
        let Some(text) = &self.birth_date else { return Ok(None) };
        let days =
            date::days(text).ok_or_else(|| found.unreadable("Patient.birthDate", "is not a date that exists"))?;
        Ok((days.first == days.last).then_some(days.first))
    }

    /// The numbers that the payer's members are known by (identifiers of type `MB`).
    pub(super) fn member_numbers(&self) -> impl Iterator<Item = &str> {
        let typed = |identifier: &&Identifier| {
            let coding = identifier.r#type.iter().flat_map(|concept| &concept.coding);
            coding.filter_map(|coding| coding.code.as_deref()).any(|code| code == MEMBER_NUMBER)
        };
        self.identifier.iter().filter(typed).filter_map(|identifier| identifier.value.as_deref())
    }
}

impl Coverage {
    /// Whom it is for.
    pub(super) fn beneficiary(&self, found: &Found<'_>) -> Result<&str, ImportError> {
        target(self.beneficiary.as_ref(), found, "Coverage.beneficiary")
    }

    /// What it is known by: `subscriberId` and the values of `identifier`.
    pub(super) fn numbers(&self) -> Vec<&str> {
        let identifiers = self.identifier.iter().filter_map(|identifier| identifier.value.as_deref());
        let mut numbers: Vec<&str> = self.subscriber_id.as_deref().into_iter().chain(identifiers).collect();
        numbers.iter_mut().for_each(|number| *number = number.trim());
        numbers.retain(|number| !number.is_empty());
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Whether its status is `active`.
    pub(super) fn is_active(&self, found: &Found<'_>) -> Result<bool, ImportError> {
        let status = self.status.as_deref().ok_or_else(|| found.unreadable("Coverage.status", "is not there"))?;
        Ok(status == "active")
    }

    /// The first and the last day of its period, as far as there are any.
    pub(super) fn days(&self, zone: &TimeZone, found: &Found<'_>) -> Result<[Option<Date>; 2], ImportError> {
        span(self.period.as_ref(), zone, found, "Coverage.period")
    }
}

/// A prior authorisation that stands.
pub(super) struct Authorized<'r> {
    pub(super) patient: &'r str,
    pub(super) number: &'r str,
    pub(super) codes: Vec<(&'r str, &'r str)>,
    pub(super) days: [Option<Date>; 2],
}

impl ClaimResponse {
    /// The authorisation that this is, if it is one.
    ///
    /// It is one if its `use` is `preauthorization`, its `status` is `active`, its `outcome` is `complete`, it has no
    /// `error`, and it has a `preAuthRef`. A ClaimResponse says what was asked for only in `addItem`: it authorises the
    /// codes of each `addItem.productOrService`, but for those on which a review action (Da Vinci PAS, X12 306: on the
    /// adjudication of the `addItem`, or of an `item` that it names) says anything but A1, A2 or A6. Where no code is
    /// left, nothing is authorised.
    pub(super) fn authorized(&self, zone: &TimeZone, found: &Found<'_>) -> Result<Option<Authorized<'_>>, ImportError> {
        let is = |value: &Option<String>, code: &str| value.as_deref() == Some(code);
        let decided = is(&self.status, "active") && is(&self.outcome, "complete") && self.error.is_empty();
        let Some(number) = self.number.as_deref().map(str::trim).filter(|number| !number.is_empty()) else {
            return Ok(None);
        };
        if !is(&self.r#use, "preauthorization") || !decided {
            return Ok(None);
        }
        let added = self.add_item.iter().filter(|added| {
            let items = self.item.iter().filter(|item| item.sequence.is_some_and(|it| added.sequence.contains(&it)));
            let all = items.flat_map(|item| &item.adjudication).chain(&added.adjudication);
            all.flat_map(|it| &it.extension).filter_map(review_action).all(|code| CERTIFIED.contains(&code))
        });
        let codings = added.flat_map(|added| &added.product).flat_map(|concept| &concept.coding);
        let codes: Vec<_> =
            codings.filter_map(|coding| Some((coding.system.as_deref()?, coding.code.as_deref()?))).collect();
        if codes.is_empty() {
            return Ok(None);
        }
        let patient = target(self.patient.as_ref(), found, "ClaimResponse.patient")?;
        let days = span(self.period.as_ref(), zone, found, "ClaimResponse.preAuthPeriod")?;
        Ok(Some(Authorized { patient, number, codes, days }))
    }
}

/// What was decided on review, if an extension says so.
fn review_action(extension: &Extension) -> Option<&str> {
    let named = |extension: &Extension, name: &str| {
        extension.url.as_deref().is_some_and(|url| url.rsplit('/').next().is_some_and(|last| last == name))
    };
    if !named(extension, "extension-reviewAction") {
        return None;
    }
    let code = extension.extension.iter().find(|part| named(part, "extension-reviewActionCode"));
    // An action without a code certifies nothing.
    let coding = code.and_then(|code| code.concept.as_ref()).and_then(|concept| concept.coding.first());
    Some(coding.and_then(|coding| coding.code.as_deref()).unwrap_or_default())
}

fn target<'r>(reference: Option<&'r Reference>, found: &Found<'_>, place: &str) -> Result<&'r str, ImportError> {
    let reference = reference.and_then(|reference| reference.reference.as_deref());
    reference.ok_or_else(|| found.unreadable(&format!("{place}.reference"), "is not there"))
}

/// A period's days in the payer's time zone: a start that is partly said is its first day, an end its last.
fn span(
    period: Option<&Period>,
    zone: &TimeZone,
    found: &Found<'_>,
    place: &str,
) -> Result<[Option<Date>; 2], ImportError> {
    let days = |text: &Option<String>, name: &str| {
        let days = text.as_deref().map(|text| {
            let days = date::days_in(text, zone);
            days.ok_or_else(|| found.unreadable(&format!("{place}.{name}"), "is not a date that exists"))
        });
        days.transpose()
    };
    let Some(period) = period else { return Ok([None, None]) };
    Ok([days(&period.start, "start")?.map(|days| days.first), days(&period.end, "end")?.map(|days| days.last)])
}

untold!(
    Patient,
    Identifier,
    Name,
    Concept,
    Coding,
    Reference,
    Period,
    Coverage,
    ClaimResponse,
    Item,
    AddItem,
    Adjudication,
    Extension,
    Authorized<'_>
);
