//! The one Coverage that the answer is about: whose it is, whether it is ours, when it is in force, which product line.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::GatherError;
use super::fhir::{NoDate, codings, days_in, list, string};
use super::known::{Found, Known, Resolved};
use super::learned::Query;
use super::scope::Due;
use crate::config::PayerCheck;
use crate::decide::facts::{Authorized, Cover, Days, Fact, InForce, Why};
use crate::policy::model::{Coding, PolicySet};
use crate::request::index::Indexed;
use crate::request::json::View;
use crate::request::schema::{Issue, Misfit};
use crate::request::{Invocation, Prefetched};

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
    pub(super) value: Arc<Value>,
}

/// What is known of the Coverage.
pub(super) enum Sought<'k> {
    /// It.
    Is(Box<Coverage<'k>>),
    /// It could not be learned (CRD resp-43); what an order says of it, if one does.
    Failed(Option<String>, Why),
}

/// What an order can rest on: the coverage on the days of its service, as the payer's records have it where there are any.
#[derive(Clone)]
pub(super) struct Standing {
    /// Whether there is a coverage, and when it is in force.
    pub(super) cover: Cover,
    /// The product line.
    pub(super) plan: Fact<Vec<Coding>>,
    /// The authorizations that stand.
    pub(super) authorized: Vec<Authorized>,
    /// The payer's own Coverage, as JSON text.
    pub(super) own: Option<String>,
}

impl Standing {
    /// Nothing can be rested on: the coverage could not be learned.
    pub(super) fn failed(why: Why) -> Self {
        Self { cover: Cover::Unavailable(why), plan: Fact::Absent, authorized: Vec::new(), own: None }
    }

    /// The coverage as it was sent.
    pub(super) fn sent(coverage: &Coverage<'_>) -> Self {
        Self { cover: coverage.cover, plan: coverage.plan.clone(), authorized: Vec::new(), own: None }
    }
}

/// Finds and checks the Coverage for the days of the orders (CRD hook-13).
///
/// # Errors
/// There is none, there are several, it is another's or it is not ours.
pub(super) fn coverage<'k>(
    known: &Known<'_, 'k>,
    orders: &[Due<'_>],
    days: &[Days],
    set: &PolicySet,
) -> Result<Sought<'k>, GatherError> {
    let invocation = known.invocation;
    let mut found: Vec<&Indexed<'k>> = known.all("Coverage").collect();
    if found.is_empty() {
        let parameters = [("patient", invocation.patient_id.as_str()), ("status", "active")];
        match known.ask(Query::search("Coverage", &parameters)) {
            Found::Is([]) | Found::Nothing => return Err(GatherError::NoCoverage),
            Found::Is(_) => found = known.all("Coverage").collect(),
            Found::Failed(why) => return Ok(Sought::Failed(insurance(orders), why)),
            Found::Unsaid if invocation.unfinished.iter().any(|page| page.kind == "Coverage") => {
                return Err(GatherError::CoverageNotSent);
            }
            Found::Unsaid => {
                return Err(match known.under("coverage") {
                    Some(Prefetched::Nothing | Prefetched::Resources(_)) => GatherError::NoCoverage,
                    Some(Prefetched::Failure) | None => GatherError::CoverageNotSent,
                });
            }
        }
    }
    // How many there are is known only when every page was read.
    for page in invocation.unfinished.iter().filter(|page| page.kind == "Coverage") {
        match known.ask(Query::page(&page.kind, &page.next)) {
            Found::Is(_) | Found::Nothing => {}
            Found::Failed(why) => return Ok(Sought::Failed(insurance(orders), why)),
            Found::Unsaid => return Ok(Sought::Failed(insurance(orders), Why::NotLearnt)),
        }
    }
    let mut readable = Vec::with_capacity(found.len());
    for at in found {
        match known.value(at)? {
            Found::Is(coverage) => readable.push(coverage),
            _ => return Ok(Sought::Failed(insurance(orders), Why::NotLearnt)),
        }
    }
    let chosen = choose(readable, days, &known.way.zone).map_err(|none| none.refused(invocation))?;
    let Some(coverage) = chosen else { return Err(GatherError::SeveralCoverages) };
    let (at, value) = (coverage.at, coverage.value.clone());
    if at.resource.id.is_empty() {
        // Coverage information could not say which coverage it is about.
        let misfit = Misfit { issue: Issue::Required, expression: "Coverage.id".to_owned() };
        return Err(GatherError::Resource(misfit, invocation.version));
    }
    if known.is_patient(Some(at), value.get("beneficiary")) != Some(true) {
        return Err(GatherError::OtherBeneficiary);
    }
    let reference = format!("Coverage/{}", at.resource.id);
    if let Some(why) = payer(known, &coverage, set)? {
        return Ok(Sought::Failed(Some(reference), why));
    }
    let cover = cover(&value, &known.way.zone).map_err(|none| none.refused(invocation))?;
    let plan = plan(&value, set);
    Ok(Sought::Is(Box::new(Coverage { reference, view: at.resource.view, cover, plan, value })))
}

/// The Coverage that an answer rests on: of several the active one, and of several active ones the one that is in force on
/// the days of all orders. Where none is in force on any of these days, any of them says so. None where that leaves several.
fn choose<'r, 'k>(
    found: Vec<Resolved<'r, 'k>>,
    days: &[Days],
    zone: &TimeZone,
) -> Result<Option<Resolved<'r, 'k>>, NoDate> {
    let is_over = |it: &&Resolved<'_, '_>| string(&it.value, "status").is_some_and(|status| status != "active");
    let by_id = |it: &&Resolved<'_, '_>| it.at.resource.id.clone().into_owned();
    let mut standing: Vec<&Resolved<'r, 'k>> = found.iter().filter(|it| !is_over(it)).collect();
    if standing.is_empty() {
        return Ok(found.iter().min_by_key(by_id).cloned());
    }
    if standing.len() > 1 {
        let (mut all_days, mut some_day) = (Vec::new(), false);
        for coverage in &standing {
            let Cover::Is(force) = cover(&coverage.value, zone)? else { return Ok(None) };
            let on = |days: &Days| (force.on(days.first), force.on(days.last));
            some_day |= days.iter().map(on).any(|(first, last)| first || last);
            if days.iter().map(on).all(|(first, last)| first && last) {
                all_days.push(*coverage);
            }
        }
        if !some_day {
            return Ok(standing.into_iter().min_by_key(by_id).cloned());
        }
        standing = all_days;
    }
    Ok(standing.pop().filter(|_| standing.is_empty()).cloned())
}

/// What an order says of the coverage it is under (`insurance`), so that an answer can name what it could not see.
fn insurance(orders: &[Due<'_>]) -> Option<String> {
    let mut all = orders.iter().flat_map(|due| list(&due.order.value, "insurance"));
    all.find_map(|reference| string(reference, "reference")).map(str::to_owned)
}

/// When a Coverage is in force, by itself: its moments are days in the payer's time zone. Without a status that is not known.
fn cover(coverage: &Value, zone: &TimeZone) -> Result<Cover, NoDate> {
    let day = |name: &str| {
        let text = coverage.get("period").and_then(|period| string(period, name));
        text.map(|text| days_in(text, zone).ok_or_else(|| NoDate(format!("Coverage.period.{name}")))).transpose()
    };
    let (start, end) = (day("start")?.map(|days| days.first), day("end")?.map(|days| days.last));
    Ok(match string(coverage, "status") {
        Some(status) => Cover::Is(InForce { active: status == "active", start, end }),
        None => Cover::Unavailable(Why::NotLearnt),
    })
}

impl NoDate {
    /// FHIR R4 wants dates that exist.
    pub(super) fn refused(self, invocation: &Invocation<'_>) -> GatherError {
        GatherError::Resource(Misfit { issue: Issue::Value, expression: self.0 }, invocation.version)
    }
}

/// Whether a payer of the Coverage is ours, as far as it says who it is; why that could not be learned, if it could not.
fn payer(known: &Known<'_, '_>, coverage: &Resolved<'_, '_>, set: &PolicySet) -> Result<Option<Why>, GatherError> {
    let (mut said, mut failed) = (false, None);
    let ours = &set.payer.identifiers;
    for payor in list(&coverage.value, "payor") {
        // What stands beside the reference needs no asking.
        let inline = payor.get("identifier");
        let organization = match known.resolve(Some(coverage.at), payor, inline.is_none())? {
            Found::Is(organization) => Some(organization),
            Found::Nothing | Found::Unsaid => None,
            Found::Failed(why) => {
                failed = Some(why);
                None
            }
        };
        let identifiers = organization.as_ref().map(|it| list(&it.value, "identifier")).unwrap_or_default();
        for identifier in inline.into_iter().chain(identifiers) {
            let (Some(system), Some(value)) = (string(identifier, "system"), string(identifier, "value")) else {
                continue;
            };
            // A number of a system that we have none in cannot be compared with ours.
            said |= ours.iter().any(|(known, _)| **known == *system);
            if ours.iter().any(|(known, number)| **known == *system && **number == *value) {
                return Ok(None);
            }
        }
    }
    match known.way.payer_check {
        _ if said => Err(GatherError::OtherPayer),
        // Asking again would be no use: the payer is one that does not say who it is (CRD found-34).
        PayerCheck::WhenKnown if known.never_asks() => Ok(None),
        _ if failed.is_some() => Ok(failed),
        PayerCheck::Strict => Err(GatherError::PayerNotSaid),
        PayerCheck::WhenKnown => Ok(None),
    }
}

/// The product line: by what a class is called, and by the type. Where they name several, none or different ones, it is not
/// known.
pub(super) fn plan(coverage: &Value, set: &PolicySet) -> Fact<Vec<Coding>> {
    let classes = list(coverage, "class").iter().flat_map(|class| [string(class, "value"), string(class, "name")]);
    let identifiers = list(coverage, "identifier").iter().map(|identifier| string(identifier, "value"));
    let names: HashSet<String> = classes.chain(identifiers).flatten().map(str::to_lowercase).collect();
    let named = set.plans.iter().filter(|plan| plan.known_as.iter().any(|known| names.contains(&**known)));
    let types: Vec<Coding> = coverage.get("type").into_iter().flat_map(|concept| codings(concept, set)).collect();
    let typed = set.plans.iter().filter(|plan| types.iter().any(|coding| plan.types.contains(coding)));
    let (named, typed): (Vec<_>, Vec<_>) = (named.collect(), typed.collect());
    match (named.as_slice(), typed.as_slice()) {
        ([plan], typed) if typed.is_empty() || typed.iter().any(|it| it.coding == plan.coding) => {
            Fact::Known(vec![plan.coding.clone()])
        }
        ([], [plan]) => Fact::Known(vec![plan.coding.clone()]),
        _ => Fact::Absent,
    }
}

untold!(Coverage<'_>, Sought<'_>, Standing);
