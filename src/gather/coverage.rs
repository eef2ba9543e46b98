//! The one Coverage that the answer is about: whose it is, whether it is ours, when it is in force, which product line.

use serde_json::Value;

use super::fhir::{NoDate, codings, days_of, list, names, string};
use super::{GatherError, prefetch};
use crate::config::PayerCheck;
use crate::decide::facts::{Fact, InForce};
use crate::policy::model::{Coding, PolicySet};
use crate::request::schema::{self, Issue, Misfit, Schema};
use crate::request::{Invocation, Prefetched};

/// The Coverage, read.
#[derive(Debug)]
pub struct Coverage {
    /// How coverage information refers to it: `Coverage/id`.
    pub reference: String,
    /// When it is in force.
    pub in_force: InForce,
    /// Its product line.
    pub plan: Fact<Vec<Coding>>,
}

/// Finds and checks the Coverage (CRD hook-13).
///
/// # Errors
/// There is none, there are several, it is another's or it is not ours.
pub(super) fn coverage(
    invocation: &Invocation<'_>,
    set: &PolicySet,
    payer_check: PayerCheck,
) -> Result<Coverage, GatherError> {
    let found = prefetch::all(invocation, "Coverage");
    let resource = match found.as_slice() {
        [one] => one,
        [] => {
            return Err(match prefetch::under(invocation, "coverage") {
                Some(Prefetched::Nothing | Prefetched::Resources(_)) => GatherError::NoCoverage,
                Some(Prefetched::Failure) | None => GatherError::CoverageNotSent,
            });
        }
        _ => return Err(GatherError::SeveralCoverages),
    };
    let value = resource.value();
    checked(&schema::COVERAGE, &value, "Coverage", invocation)?;
    if resource.id.is_empty() {
        // Coverage information could not say which coverage it is about.
        let misfit = Misfit { issue: Issue::Required, expression: "Coverage.id".to_owned() };
        return Err(GatherError::Resource(misfit, invocation.version));
    }
    if !names(value.get("beneficiary"), "Patient", &invocation.patient_id) {
        return Err(GatherError::OtherBeneficiary);
    }
    payer(invocation, &value, set, payer_check)?;
    let period = value.get("period");
    let day = |name| match period {
        Some(period) => days_of(period, name, "Coverage.period.").map_err(|none| none.refused(invocation)),
        None => Ok(None),
    };
    let (start, end) = (day("start")?.map(|days| days.first), day("end")?.map(|days| days.last));
    let active = string(&value, "status") == Some("active");
    Ok(Coverage {
        reference: format!("Coverage/{}", resource.id),
        in_force: InForce { active, start, end },
        plan: plan(&value, set),
    })
}

/// Checks a resource that is read against FHIR R4.
pub(super) fn checked(
    schema: &Schema,
    value: &Value,
    kind: &str,
    invocation: &Invocation<'_>,
) -> Result<(), GatherError> {
    schema.check(value, kind).map_err(|misfit| GatherError::Resource(misfit, invocation.version))
}

impl NoDate {
    /// FHIR R4 wants dates that exist.
    pub(super) fn refused(self, invocation: &Invocation<'_>) -> GatherError {
        GatherError::Resource(Misfit { issue: Issue::Value, expression: self.0 }, invocation.version)
    }
}

/// Whether a payer of the Coverage is ours, as far as it says who it is.
fn payer(
    invocation: &Invocation<'_>,
    coverage: &Value,
    set: &PolicySet,
    payer_check: PayerCheck,
) -> Result<(), GatherError> {
    let mut said = false;
    for payor in list(coverage, "payor") {
        let organization = prefetch::resolve(invocation, coverage, payor);
        let identifiers =
            organization.as_ref().map(|organization| list(organization, "identifier")).unwrap_or_default();
        for identifier in payor.get("identifier").into_iter().chain(identifiers) {
            let Some(value) = string(identifier, "value") else { continue };
            said = true;
            let system = string(identifier, "system");
            if set.payer.identifiers.iter().any(|(ours, number)| system == Some(ours) && value == &**number) {
                return Ok(());
            }
        }
    }
    match payer_check {
        _ if said => Err(GatherError::OtherPayer),
        PayerCheck::Strict => Err(GatherError::PayerNotSaid),
        PayerCheck::WhenKnown => Ok(()),
    }
}

/// The product line: by what a class is called, else by the type. Where that names several or none, it is not known.
fn plan(coverage: &Value, set: &PolicySet) -> Fact<Vec<Coding>> {
    let classes = list(coverage, "class").iter().flat_map(|class| [string(class, "value"), string(class, "name")]);
    let identifiers = list(coverage, "identifier").iter().map(|identifier| string(identifier, "value"));
    let names: Vec<String> = classes.chain(identifiers).flatten().map(str::to_lowercase).collect();
    let named =
        set.plans.iter().filter(|plan| names.iter().any(|name| plan.known_as.iter().any(|known| **known == *name)));
    let types = coverage.get("type").map(|concept| codings(concept, set)).unwrap_or_default();
    let typed = set.plans.iter().filter(|plan| types.iter().any(|coding| plan.types.contains(coding)));
    let (named, typed): (Vec<_>, Vec<_>) = (named.collect(), typed.collect());
    match (named.as_slice(), typed.as_slice()) {
        ([plan], _) | ([], [plan]) => Fact::Known(vec![plan.coding.clone()]),
        _ => Fact::Absent,
    }
}
