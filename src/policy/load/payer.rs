//! Reads who answers, and the product lines by which a Coverage is recognised.

use fhir_resources::Resource;
use fhir_resources::r4::resources::{InsurancePlan, Organization};

use super::terms::{Terms, text};
use super::{BASE, Problems, Resources};
use crate::policy::model::{Payer, Plan};

/// The payer; the one Organization of the set.
pub(super) fn payer(resources: &Resources, problems: &mut Problems) -> Option<Payer> {
    let mut payer = None;
    for (file, resource) in resources {
        let Resource::Organization(organization) = resource else { continue };
        problems.file.clone_from(file);
        if payer.is_some() {
            problems.add("", "is a second Organization: a set has one payer");
        }
        payer = organization_of(organization, problems);
    }
    payer
}

fn organization_of(organization: &Organization, problems: &mut Problems) -> Option<Payer> {
    let identifiers: Vec<_> = organization
        .identifier
        .iter()
        .filter_map(|identifier| Some((text!(identifier.system)?.into(), text!(identifier.value)?.into())))
        .collect();
    if identifiers.is_empty() {
        problems.add("identifier", "is missing: no Coverage could be recognised as ours");
    }
    let contacts: Vec<(Box<str>, Box<str>)> = organization
        .telecom
        .iter()
        .filter_map(|contact| Some((text!(contact.system)?.into(), text!(contact.value)?.into())))
        .collect();
    let url = contacts.iter().find(|(system, _)| &**system == "url").map(|(_, value)| value.clone());
    let name = problems.need(text!(organization.name), "name")?;
    let short = organization.alias.first().and_then(|alias| alias.value.as_deref()).unwrap_or(name);
    Some(Payer { name: name.into(), short: short.into(), url, contacts, identifiers })
}

/// The product lines, in the order of their files.
pub(super) fn plans(resources: &Resources, terms: &mut Terms, problems: &mut Problems) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for (file, resource) in resources {
        let Resource::InsurancePlan(insurance_plan) = resource else { continue };
        problems.file.clone_from(file);
        let Some(plan) = plan(insurance_plan, terms, problems) else { continue };
        for other in &plans {
            if plan.types.iter().any(|coding| other.types.contains(coding)) {
                problems.add("type", "is a type of another InsurancePlan too");
            }
            if plan.known_as.iter().any(|name| other.known_as.contains(name)) {
                problems.add("alias", "or an identifier or the name is another InsurancePlan's too");
            }
        }
        plans.push(plan);
    }
    plans
}

fn plan(plan: &InsurancePlan, terms: &mut Terms, problems: &mut Problems) -> Option<Plan> {
    let id = problems.need(text!(plan.id), "id")?;
    let name = problems.need(text!(plan.name), "name")?;
    let aliases = plan.alias.iter().filter_map(|alias| alias.value.as_deref());
    let identifiers = plan.identifier.iter().filter_map(|identifier| text!(identifier.value));
    let known_as = aliases.chain(identifiers).chain([id, name]).map(|name| name.to_lowercase().into());
    let mut known_as: Vec<Box<str>> = known_as.collect();
    known_as.sort_unstable();
    known_as.dedup();
    let codings = plan.r#type.iter().flat_map(|concept| &concept.coding);
    let types = codings.filter_map(|coding| Some((text!(coding.system)?, text!(coding.code)?)));
    let types = types.map(|(system, code)| terms.coding(system, code)).collect();
    Some(Plan { coding: terms.coding(&format!("{BASE}CodeSystem/plan"), id), name: name.into(), known_as, types })
}
