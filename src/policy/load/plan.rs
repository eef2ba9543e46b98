//! Reads a PlanDefinition: scope, cases, notes and what they say.

mod offer;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fhir_resources::r4::resources::{PlanDefinition, PlanDefinitionAction};
use fhir_resources::r4::types::DataRequirement;
use jiff::civil::Date;

use self::said::Said;
use super::library::Libraries;
use super::terms::{Terms, text};
use super::{BASE, Problems};
use crate::policy::check::MOST_KINDS;
use crate::policy::model::{
    Action, Card, Case, Coding, Condition, DefaultRule, FactName, Indicator, Notes, Passage, Plan, Policy, Publication,
    Test, Topic, Value, Written,
};
use crate::policy::template::Template;

/// What PlanDefinitions refer to.
pub(super) struct Reader<'a> {
    pub(super) terms: &'a Terms,
    pub(super) plans: &'a [Plan],
    pub(super) libraries: &'a Libraries,
    pub(super) contained: &'a super::Contained,
}

impl Reader<'_> {
    /// The number of a policy.
    pub(super) fn number(&self, definition: &PlanDefinition) -> Option<String> {
        definition.identifier.iter().find_map(|identifier| text!(identifier.value)).map(str::to_owned)
    }

    /// One version of a policy.
    pub(super) fn policy(&self, definition: &PlanDefinition, problems: &mut Problems) -> Option<Policy> {
        let number = problems.need(self.number(definition), "identifier");
        let version = problems.need(text!(definition.version), "version");
        let title = problems.need(text!(definition.title), "title");
        let period = definition.effective_period.as_ref();
        let mut day = |value: Option<&str>, element: &str| -> Option<Date> {
            let day = value?.parse().ok();
            problems.need(day, &format!("effectivePeriod.{element} as a whole date"))
        };
        let start = day(period.and_then(|period| text!(period.start)), "start");
        let end = day(period.and_then(|period| text!(period.end)), "end");
        let [scope] = definition.action.as_slice() else {
            problems.add("action", "must be one: the scope");
            return None;
        };
        let said = Said::read(&scope.extension, "action[0]", problems);
        let mut codes = Vec::new();
        for (index, input) in scope.input.iter().enumerate() {
            let at = format!("action[0].input[{index}]");
            match self.condition(input, &at, problems) {
                Some(Condition { fact: FactName::Code, test: Test::AnyOf(any_of), not: false }) => codes.extend(any_of),
                Some(_) => problems.add(at, "a scope names codes only; conditions on other facts belong to cases"),
                None => {}
            }
        }
        codes.sort_unstable();
        codes.dedup();
        if codes.is_empty() {
            problems.add("action[0].input", "names no code: the policy would never speak");
        }
        let (mut cases, mut notes) = (Vec::new(), Vec::new());
        for (index, group) in scope.action.iter().enumerate() {
            let at = format!("action[0].action[{index}]");
            match text!(group.selection_behavior) {
                Some("exactly-one") if cases.is_empty() => cases = self.cases(group, &said, &at, problems),
                Some("exactly-one") => problems.add(at, "is a second group of cases"),
                Some("any") => notes.extend(self.notes(group, &at, problems)),
                _ => problems.add(format!("{at}.selectionBehavior"), "must be exactly-one (cases) or any (notes)"),
            }
        }
        let mut action = self.action(scope, "action[0]", problems)?;
        action.reasons.clone_from(&said.reasons);
        action.details.clone_from(&said.details);
        if scope.action.iter().all(|group| text!(group.selection_behavior) != Some("exactly-one")) {
            let bare = Action { card: None, reasons: Vec::new(), details: Vec::new(), ..action.clone() };
            let (outcome, why) = said.settle(None, self.terms, "action[0]", problems)?;
            cases.push(Case { action: bare, outcome, why });
        }
        let publication = self.publication(definition, problems);
        let precedence =
            definition.extension.iter().find(|it| it.url == format!("{BASE}StructureDefinition/precedence"));
        Some(Policy {
            domains: self.domains(&cases, problems),
            number: number?.into(),
            version: version?.into(),
            title: title?.into(),
            file: problems.file.as_str().into(),
            publication,
            effective: (start, end),
            precedence: precedence.and_then(said::positive),
            codes,
            scope: action,
            cases,
            notes,
        })
    }

    /// What is published of it.
    fn publication(&self, definition: &PlanDefinition, problems: &mut Problems) -> Option<Arc<Publication>> {
        let canonical = definition.library.iter().find_map(|library| library.value.as_deref())?;
        let url = canonical.split_once('|').map_or(canonical, |(url, _)| url);
        let found = self.libraries.get(url);
        if found.is_none() {
            problems.add("library", "names a Library that is not in the set");
        }
        found.map(|found| found.publication.clone())
    }

    /// What is said where no policy speaks.
    pub(super) fn default_rule(&self, definition: &PlanDefinition, problems: &mut Problems) -> Option<DefaultRule> {
        let mut case = |id: &str| -> Option<Case> {
            let found = definition.action.iter().enumerate().find(|(_, action)| action.id.as_deref() == Some(id));
            let (index, action) = problems.need(found, &format!("action with the id {id}"))?;
            let at = format!("action[{index}]");
            let said = Said::read(&action.extension, &at, problems);
            let (outcome, why) = said.settle(None, self.terms, &at, problems)?;
            let mut action = self.action(action, &at, problems)?;
            (action.reasons, action.details) = (said.reasons, said.details);
            Some(Case { action, outcome, why })
        };
        // Each is looked for before one that is missing ends it, so that all that are missing are told.
        let rules = ["no-policy", "code-not-specific", "not-to-be-performed", "coverage-not-active"].map(&mut case);
        let others = ["no-member-found", "coverage-not-found", "technical"].map(&mut case);
        let [no_policy, code_not_specific, not_to_be_performed, coverage_not_active] = rules;
        let [no_member_found, coverage_not_found, technical] = others;
        Some(DefaultRule {
            no_policy: no_policy?,
            code_not_specific: code_not_specific?,
            not_to_be_performed: not_to_be_performed?,
            coverage_not_active: coverage_not_active?,
            no_member_found: no_member_found?,
            coverage_not_found: coverage_not_found?,
            technical: technical?,
            coverage_record: self.card_of(definition, "coverage-record", problems),
            order_not_read: self.card_of(definition, "order-not-read", problems),
        })
    }

    /// The words of a card that is about no determination: an action of this id, if there is one.
    fn card_of(&self, definition: &PlanDefinition, id: &str, problems: &mut Problems) -> Option<Card> {
        let mut actions = definition.action.iter().enumerate();
        let (index, action) = actions.find(|(_, action)| action.id.as_deref() == Some(id))?;
        self.action(action, &format!("action[{index}]"), problems)?.card
    }

    fn cases(&self, group: &PlanDefinitionAction, scope: &Said, at: &str, problems: &mut Problems) -> Vec<Case> {
        let mut cases = Vec::new();
        for (index, action) in group.action.iter().enumerate() {
            let at = format!("{at}.action[{index}]");
            let said = Said::read(&action.extension, &at, problems);
            let settled = said.settle(Some(scope), self.terms, &at, problems);
            let read = self.action(action, &at, problems);
            if let (Some((outcome, why)), Some(mut action)) = (settled, read) {
                (action.reasons, action.details) = (said.reasons, said.details);
                cases.push(Case { action, outcome, why });
            }
        }
        cases
    }

    fn notes(&self, group: &PlanDefinitionAction, at: &str, problems: &mut Problems) -> Option<Notes> {
        let id = problems.need(group.id.as_deref(), &format!("{at}.id"))?;
        let fallback = text!(group.description).and_then(|text| template(text, &format!("{at}.description"), problems));
        let mut notes = Vec::new();
        for (index, action) in group.action.iter().enumerate() {
            notes.extend(self.action(action, &format!("{at}.action[{index}]"), problems));
        }
        Some(Notes { id: id.into(), fallback, passage: passage(group), notes })
    }

    /// An action's name, conditions, words and card; what it decides is read by its caller.
    fn action(&self, action: &PlanDefinitionAction, at: &str, problems: &mut Problems) -> Option<Action> {
        let id = problems.need(action.id.as_deref(), &format!("{at}.id"))?;
        let mut conditions = Vec::new();
        for (index, input) in action.input.iter().enumerate() {
            conditions.extend(self.condition(input, &format!("{at}.input[{index}]"), problems));
        }
        conditions.retain(|condition| condition.fact != FactName::Code);
        let text = text!(action.description).and_then(|text| template(text, &format!("{at}.description"), problems));
        let title = text!(action.title).and_then(|text| template(text, &format!("{at}.title"), problems));
        let (card, paragraph) = match title {
            Some(summary) => (self.card(action, summary, text, at, problems), None),
            None => (None, text),
        };
        let when = text!(action.text_equivalent).map(Into::into);
        let (reasons, details) = (Vec::new(), Vec::new());
        let (id, passage) = (id.into(), passage(action));
        Some(Action { id, conditions, when, reasons, details, card, paragraph, passage })
    }

    fn card(
        &self,
        action: &PlanDefinitionAction,
        summary: Template,
        detail: Option<Template>,
        at: &str,
        problems: &mut Problems,
    ) -> Option<Card> {
        let topic = action.code.iter().flat_map(|concept| &concept.coding).find_map(|coding| {
            let code = text!(coding.code)?;
            Some(Topic { code: code.into(), display: text!(coding.display).unwrap_or(code).into() })
        });
        let topic = problems.need(topic, &format!("{at}.code (the card's topic)"))?;
        let indicator = match text!(action.priority) {
            None | Some("routine") => Indicator::Info,
            Some("urgent") => Indicator::Warning,
            Some(_) => {
                problems.add(format!("{at}.priority"), "must be routine or urgent");
                return None;
            }
        };
        let mut links = Vec::new();
        for library in action.documentation.iter().filter_map(|artifact| text!(artifact.resource)) {
            match self.libraries.get(library) {
                Some(found) => links.extend(found.links.iter().cloned()),
                None => problems.add(format!("{at}.documentation.resource"), "names a Library that is not in the set"),
            }
        }
        links.extend(offer::apps(&action.extension, at, problems));
        let suggestions = self.suggestions(&action.extension, at, problems);
        let written_links = Written::new(&links).ok()?;
        Some(Card { summary, detail, indicator, topic, links, written_links, suggestions })
    }

    fn condition(&self, input: &DataRequirement, at: &str, problems: &mut Problems) -> Option<Condition> {
        let [filter] = input.code_filter.as_slice() else {
            problems.add(at, "must have one codeFilter");
            return None;
        };
        let fact = match (input.r#type.value.as_deref(), text!(filter.path)) {
            (Some("ServiceRequest"), Some("code")) => FactName::Code,
            (Some("ServiceRequest"), Some("setting")) => FactName::Setting,
            (Some("Coverage"), Some("plan")) => FactName::Plan,
            (Some("Condition"), Some("code")) => FactName::Diagnosis,
            (Some("ServiceRequest"), Some("performer")) => FactName::Performer,
            (Some("Patient"), Some("age")) => FactName::Age,
            (Some("ServiceRequest"), Some("quantity")) => FactName::Quantity,
            (Some("MedicationRequest"), Some("medication")) => FactName::History,
            _ => {
                problems.add(at, "names a type and path that is no fact we know");
                return None;
            }
        };
        let not = said::is_not(&filter.extension);
        if fact.is_number() {
            let range = problems.need(said::range(&filter.extension), &format!("{at}.codeFilter.extension range"));
            let (low, high) = range?;
            return Some(Condition { fact, test: Test::Within(low, high), not });
        }
        let mut any_of = BTreeSet::new();
        if let Some(url) = text!(filter.value_set) {
            match self.terms.value_sets.get(url) {
                Some(codes) => any_of.extend(codes.iter().cloned()),
                None => problems.add(format!("{at}.codeFilter.valueSet"), "names a ValueSet that is not in the set"),
            }
        }
        for coding in &filter.code {
            let known =
                text!(coding.system).zip(text!(coding.code)).and_then(|(system, code)| self.terms.known(system, code));
            match known.filter(|coding| self.exists(fact, coding)) {
                Some(coding) => _ = any_of.insert(coding),
                None => problems.add(format!("{at}.codeFilter.code"), "is not a code of this fact"),
            }
        }
        if any_of.is_empty() {
            problems.add(at, "names no code");
        }
        Some(Condition { fact, test: Test::AnyOf(any_of.into_iter().collect()), not })
    }

    /// Settings and plans are closed: a code that is none of them is a slip.
    fn exists(&self, fact: FactName, coding: &Coding) -> bool {
        match fact {
            FactName::Setting => self.terms.settings.contains(coding),
            FactName::Plan => self.plans.iter().any(|plan| plan.coding == *coding),
            _ => true,
        }
    }

    /// For each fact the cases name, a value of each kind that they tell apart.
    fn domains(&self, cases: &[Case], problems: &mut Problems) -> BTreeMap<FactName, Vec<Value>> {
        let conditions = || cases.iter().flat_map(|case| &case.action.conditions);
        let names: BTreeSet<FactName> = conditions().map(|condition| condition.fact).collect();
        let mut values = |name: FactName| match name {
            FactName::Setting => self.terms.settings.iter().map(|coding| Value::Codes(vec![coding.clone()])).collect(),
            FactName::Plan => self.plans.iter().map(|plan| Value::Codes(vec![plan.coding.clone()])).collect(),
            _ if name.is_number() => numbers(name, conditions().filter(|condition| condition.fact == name)),
            _ => {
                let kinds = representatives(conditions().filter(|condition| condition.fact == name));
                if kinds.len() > MOST_KINDS {
                    problems.add("action[0]", "its cases tell more kinds of codes apart than can be proved");
                    return Vec::new();
                }
                subsets(&kinds)
            }
        };
        names.into_iter().map(|name| (name, values(name))).collect()
    }
}

/// One code for each way in which the conditions' sets overlap.
fn representatives<'a>(conditions: impl Iterator<Item = &'a Condition> + Clone) -> Vec<Coding> {
    let mut by_membership: BTreeMap<Vec<bool>, &Coding> = BTreeMap::new();
    for coding in conditions.clone().flat_map(Condition::codes) {
        let membership = conditions.clone().map(|condition| condition.codes().binary_search(coding).is_ok()).collect();
        by_membership.entry(membership).or_insert(coding);
    }
    by_membership.into_values().cloned().collect()
}

/// All subsets, the empty one first.
fn subsets(codes: &[Coding]) -> Vec<Value> {
    let chosen = |mask: usize| {
        let kept = codes.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
        Value::Codes(kept.map(|(_, code)| code.clone()).collect())
    };
    (0..1_usize << codes.len()).map(chosen).collect()
}

/// A number of each kind that the conditions' ranges tell apart: on each bound and next to it.
fn numbers<'a>(name: FactName, conditions: impl Iterator<Item = &'a Condition>) -> Vec<Value> {
    // Ages are whole years.
    let step = if name == FactName::Age { 1000 } else { 1 };
    let mut numbers = BTreeSet::new();
    for condition in conditions {
        if let Test::Within(low, high) = condition.test {
            numbers.extend(low.into_iter().flat_map(|low| [low.saturating_sub(step), low]));
            numbers.extend(high.into_iter().flat_map(|high| [high, high.saturating_add(step)]));
        }
    }
    numbers.into_iter().filter(|number| *number >= 0).map(Value::Number).collect()
}

/// The passage that an action or a group rests on.
fn passage(action: &PlanDefinitionAction) -> Option<Passage> {
    action.documentation.iter().find_map(|artifact| {
        Some(Passage { label: text!(artifact.label)?.into(), citation: text!(artifact.citation)?.into() })
    })
}

/// A text with its places, or a problem.
fn template(text: &str, at: &str, problems: &mut Problems) -> Option<Template> {
    Template::parse(text).map_err(|error| problems.add(at, error.to_string())).ok()
}
