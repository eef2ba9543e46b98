//! What is said of a request that breaks a specification, or that rests on what cannot be had.

use super::{Row, row};
use crate::gather::GatherError;
use crate::request::RequestError;
use crate::request::json::{JsonError, JsonFault};
use crate::request::schema::{Issue, Misfit};
use crate::request::version::Version;

fn json(error: &JsonError) -> Row {
    let row = match error.fault {
        JsonFault::Syntax => row(400, "structure", "The body is not one JSON object in UTF-8."),
        JsonFault::Depth => row(400, "structure", "The JSON is nested too deep."),
        JsonFault::Duplicate => row(400, "structure", "A JSON object has two members of one name."),
        JsonFault::Nodes => row(400, "too-costly", "The JSON has too many values."),
        JsonFault::Control => row(400, "value", "A string has a control character."),
    };
    if error.line == 0 { row } else { row.at(format!("line {}, column {}", error.line, error.column)) }
}

/// What is said of a request that cannot be read, or breaks a specification.
pub(super) fn request(error: &RequestError) -> Row {
    match error {
        RequestError::Json(error) => json(error),
        RequestError::Envelope(misfit) if misfit.issue == Issue::TooCostly => too_long(misfit),
        RequestError::Envelope(misfit) => {
            row(400, issue(misfit), breach_of_cds_hooks(misfit.issue)).at(&misfit.expression)
        }
        RequestError::OtherHook => row(400, "value", "The request is for another hook than this service.").at("hook"),
        RequestError::Version => {
            row(422, "not-supported", "This version of CRD is not served.").at("extension.davinci-crd.requestedVersion")
        }
        RequestError::Resource(misfit, version) => resource(misfit, *version),
        RequestError::TooManyOrders(place) => row(422, "too-costly", "There are too many orders.").at(place),
        RequestError::OpenServer => row(400, "value", "The EHR's FHIR server must be https.").at("fhirServer"),
        RequestError::TooLong(place) => {
            row(413, "too-long", "There is more feedback than one call may have.").at(place)
        }
        RequestError::OrderWithoutId(place) => row(422, "required", "An order must have an id.").at(place),
        RequestError::DuplicateOrder(place) => row(422, "duplicate", "Two orders have the same id.").at(place),
    }
}

/// What is said where an answer cannot rest on what was gathered.
pub(super) fn gather(error: &GatherError) -> Row {
    match error {
        GatherError::Resource(misfit, version) => resource(misfit, *version),
        GatherError::OtherSubject(place) => {
            row(422, "invariant", "A resource is about another patient than the request.").at(place)
        }
        GatherError::OtherPatient => {
            row(400, "invalid", "The prefetched patient is another than the request's.").at("Patient.id")
        }
        GatherError::OtherTokenPatient => {
            row(400, "invalid", "The access token is for another patient.").at("fhirAuthorization.patient")
        }
        GatherError::NoCoverage => row(400, "not-found", "The patient has no coverage in this request.").at("prefetch"),
        GatherError::CoverageNotSent => {
            row(412, "incomplete", "The Coverage was not sent, and the EHR's FHIR server cannot be asked for it.")
                .at("prefetch")
        }
        GatherError::SeveralCoverages => {
            row(400, "multiple-matches", "The request has more than one Coverage.").at("prefetch")
        }
        GatherError::OtherPayer => row(400, "not-supported", "The coverage is another payer's.").at("Coverage.payor"),
        GatherError::PayerNotSaid => row(400, "value", "The coverage does not say whose it is.").at("Coverage.payor"),
        GatherError::Ambiguous => {
            let text = "Two different resources have the same type and id; tell them apart by fullUrl.";
            row(400, "multiple-matches", text).at("prefetch")
        }
        GatherError::TooManyReferences => row(422, "too-costly", "There are too many references."),
        GatherError::TooManyOrders => row(422, "too-costly", "There are too many orders.").at("context"),
        GatherError::TooManyCodes(place) => row(422, "too-costly", "The order has too many codes.").at(place),
        GatherError::TooMuchWork => row(422, "too-costly", "The request takes more work than one answer may."),
        GatherError::TooManyDeterminations => {
            row(422, "too-costly", "The orders have too many codes together.").at("context")
        }
        GatherError::OrderNotSent(place) if place == ENCOUNTER => {
            row(412, "incomplete", "The encounter that the request names was not sent.").at(place)
        }
        GatherError::OrderNotSent(place) => {
            row(412, "incomplete", "An order that the request names was not sent.").at(place)
        }
        GatherError::OrderNotFound(place) if place == ENCOUNTER => {
            row(422, "not-found", "The encounter that the request names is not to be found.").at(place)
        }
        GatherError::OrderNotFound(place) => {
            row(422, "not-found", "An order that the request names is not to be found.").at(place)
        }
        GatherError::OrderNotHad(place) if place == ENCOUNTER => {
            row(412, "incomplete", "The encounter that the request names was not sent and could not be fetched.")
                .at(place)
        }
        GatherError::OrderNotHad(place) => {
            row(412, "incomplete", "An order that the request names was not sent and could not be fetched.").at(place)
        }
        GatherError::OtherBeneficiary => {
            row(422, "invariant", "The coverage's beneficiary must be the patient of the request.")
                .at("Coverage.beneficiary")
        }
    }
}

/// What breaks FHIR R4 is 422 to a CRD 2.0 client and 400 to a later one (CRD hook-13).
fn resource(misfit: &Misfit, version: Version) -> Row {
    if misfit.issue == Issue::TooCostly {
        return too_long(misfit);
    }
    let status = if version == Version::V2_0 { 422 } else { 400 };
    row(status, issue(misfit), breach_of_fhir(misfit.issue)).at(&misfit.expression)
}

/// Where a request names an encounter.
const ENCOUNTER: &str = "context.encounterId";

fn breach_of_cds_hooks(issue: Issue) -> &'static str {
    match issue {
        Issue::Required => "The request breaks the CDS Hooks specification: a required element is missing.",
        Issue::Value => {
            "The request breaks the CDS Hooks specification: the element must be a value that is allowed there."
        }
        Issue::Invariant => {
            "The request breaks the CDS Hooks specification: elements that need each other do not agree."
        }
        Issue::Structure => {
            "The request breaks the CDS Hooks specification: the element must be of the type that is defined there."
        }
        Issue::TooCostly => TOO_LONG,
    }
}

fn breach_of_fhir(issue: Issue) -> &'static str {
    match issue {
        Issue::Required => "A resource breaks FHIR R4: a required element is missing.",
        Issue::Value => "A resource breaks FHIR R4: the element must be a value that is allowed there.",
        Issue::Invariant => "A resource breaks FHIR R4: elements that need each other do not agree.",
        Issue::Structure => "A resource breaks FHIR R4: the element must be of the type that is defined there.",
        Issue::TooCostly => TOO_LONG,
    }
}

/// What is said of what is legal, and longer than what is read.
const TOO_LONG: &str = "A value is longer, or a list has more, than is read.";

fn too_long(misfit: &Misfit) -> Row {
    row(422, issue(misfit), TOO_LONG).at(&misfit.expression)
}

fn issue(misfit: &Misfit) -> &'static str {
    match misfit.issue {
        Issue::Required => "required",
        Issue::Value => "value",
        Issue::Invariant => "invariant",
        Issue::Structure => "structure",
        Issue::TooCostly => "too-costly",
    }
}
