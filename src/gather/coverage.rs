//! The one Coverage that the answer is about: whose it is, whether it is ours, when it is in force, which product line.

use serde_json::Value;

use super::GatherError;
use super::fhir::{NoDate, codings, days_of, list, names, string};
use super::known::{Found, Known};
use super::learned::Query;
use crate::config::PayerCheck;
use crate::decide::facts::{Cover, Fact, InForce, Why};
use crate::policy::model::{Coding, PolicySet};
use crate::request::json::View;
use crate::request::schema::{Issue, Misfit};
use crate::request::{Invocation, Order, Prefetched};

/// The Coverage, read.
#[derive(Clone)]
pub(super) struct Coverage<'k> {
    /// How coverage information refers to it: `Coverage/id`.
    pub(super) reference: String,
    /// As it came.
    pub(super) view: View<'k>,
    /// Whether it can be rested on.
    pub(super) cover: Cover,
    /// Its product line.
    pub(super) plan: Fact<Vec<Coding>>,
    /// As it is read.
    pub(super) value: Value,
}

/// What is known of the Coverage.
pub(super) enum Sought<'k> {
    /// It.
    Is(Box<Coverage<'k>>),
    /// It could not be learnt (CRD resp-43); what an order says of it, if one does.
    Failed(Option<String>, Why),
}

/// Finds and checks the Coverage (CRD hook-13).
///
/// # Errors
/// There is none, there are several, it is another's or it is not ours.
pub(super) fn coverage<'k>(
    known: &Known<'k>,
    orders: &[Order<'_>],
    set: &PolicySet,
    payer_check: PayerCheck,
) -> Result<Sought<'k>, GatherError> {
    let invocation = known.invocation;
    let mut found = known.all("Coverage");
    if found.is_empty() {
        let parameters = [("patient", invocation.patient_id.as_str()), ("status", "active")];
        match known.ask(Query::search("Coverage", &parameters)) {
            Found::Is([]) | Found::Nothing => return Err(GatherError::NoCoverage),
            Found::Is(_) => found = known.all("Coverage"),
            Found::Failed(why) => return Ok(Sought::Failed(insurance(orders), why)),
            Found::Unsaid => {
                return Err(match known.under("coverage") {
                    Some(Prefetched::Nothing | Prefetched::Resources(_)) => GatherError::NoCoverage,
                    Some(Prefetched::Failure) | None => GatherError::CoverageNotSent,
                });
            }
        }
    }
    let [resource] = found.as_slice() else { return Err(GatherError::SeveralCoverages) };
    let value = match known.value(resource)? {
        Found::Is(value) => value,
        _ => return Ok(Sought::Failed(insurance(orders), Why::NotLearnt)),
    };
    if resource.id.is_empty() {
        // Coverage information could not say which coverage it is about.
        let misfit = Misfit { issue: Issue::Required, expression: "Coverage.id".to_owned() };
        return Err(GatherError::Resource(misfit, invocation.version));
    }
    if !names(value.get("beneficiary"), "Patient", &invocation.patient_id) {
        return Err(GatherError::OtherBeneficiary);
    }
    let reference = format!("Coverage/{}", resource.id);
    if let Some(why) = payer(known, &value, set, payer_check)? {
        return Ok(Sought::Failed(Some(reference), why));
    }
    let in_force = in_force(&value).map_err(|none| none.refused(invocation))?;
    let (view, plan) = (resource.view, plan(&value, set));
    Ok(Sought::Is(Box::new(Coverage { reference, view, cover: Cover::Is(in_force), plan, value })))
}

/// What an order says of the coverage it is under (`insurance`), so that an answer can name what it could not see.
fn insurance(orders: &[Order<'_>]) -> Option<String> {
    let mut all = orders.iter().flat_map(|order| list(&order.value, "insurance"));
    all.find_map(|reference| string(reference, "reference")).map(str::to_owned)
}

/// When a Coverage is in force, by itself.
fn in_force(coverage: &Value) -> Result<InForce, NoDate> {
    let day = |name| match coverage.get("period") {
        Some(period) => days_of(period, name, "Coverage.period."),
        None => Ok(None),
    };
    let (start, end) = (day("start")?.map(|days| days.first), day("end")?.map(|days| days.last));
    Ok(InForce { active: string(coverage, "status") == Some("active"), start, end })
}

impl NoDate {
    /// FHIR R4 wants dates that exist.
    pub(super) fn refused(self, invocation: &Invocation<'_>) -> GatherError {
        GatherError::Resource(Misfit { issue: Issue::Value, expression: self.0 }, invocation.version)
    }
}

/// Whether a payer of the Coverage is ours, as far as it says who it is; why that could not be learnt, if it could not.
fn payer(
    known: &Known<'_>,
    coverage: &Value,
    set: &PolicySet,
    payer_check: PayerCheck,
) -> Result<Option<Why>, GatherError> {
    let (mut said, mut failed) = (false, None);
    for payor in list(coverage, "payor") {
        // What stands beside the reference needs no asking.
        let inline = payor.get("identifier");
        let organization = match known.resolve(coverage, payor, inline.is_none())? {
            Found::Is(organization) => Some(organization),
            Found::Nothing | Found::Unsaid => None,
            Found::Failed(why) => {
                failed = Some(why);
                None
            }
        };
        let identifiers = organization.as_ref().map(|it| list(it, "identifier")).unwrap_or_default();
        for identifier in inline.into_iter().chain(identifiers) {
            let Some(value) = string(identifier, "value") else { continue };
            said = true;
            let system = string(identifier, "system");
            if set.payer.identifiers.iter().any(|(ours, number)| system == Some(ours) && value == &**number) {
                return Ok(None);
            }
        }
    }
    match payer_check {
        _ if said => Err(GatherError::OtherPayer),
        // Asking again would be no use: the payer is one that does not say who it is (CRD found-34).
        PayerCheck::WhenKnown if known.never_asks() => Ok(None),
        _ if failed.is_some() => Ok(failed),
        PayerCheck::Strict => Err(GatherError::PayerNotSaid),
        PayerCheck::WhenKnown => Ok(None),
    }
}

/// The product line: by what a class is called, else by the type. Where that names several or none, it is not known.
pub(super) fn plan(coverage: &Value, set: &PolicySet) -> Fact<Vec<Coding>> {
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

untold!(Coverage<'_>, Sought<'_>);
