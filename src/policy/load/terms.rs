//! Reads the terminology of a set: code systems and their names, sets of codes, what becomes a setting, wider codes.

use std::collections::{BTreeMap, HashMap, HashSet};

use fhir_resources::Resource;
use fhir_resources::r4::resources::{CodeSystem, ConceptMap, NamingSystem, ValueSet};

use super::{BASE, Problems, Resources};
use crate::policy::model::{Coding, Meanings, OverrideReason, System, SystemId};

/// The `value` of an optional FHIR primitive.
macro_rules! text {
    ($primitive:expr) => {
        $primitive.as_ref().and_then(|primitive| primitive.value.as_deref())
    };
}
pub(super) use text;

/// The terminology of a set.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) systems: Vec<System>,
    pub(super) names: HashMap<Box<str>, SystemId>,
    pub(super) value_sets: BTreeMap<String, Vec<Coding>>,
    pub(super) settings: Vec<Coding>,
    /// What codes mean, in plain words.
    pub(super) words: HashMap<Coding, Box<str>>,
    pub(super) order_setting: Meanings,
    pub(super) encounter_setting: Meanings,
    pub(super) override_reasons: Vec<OverrideReason>,
    /// `(wider, narrower)`
    pub(super) wider: Vec<(Coding, Coding)>,
}

/// What a ConceptMap is for.
#[derive(Clone, Copy)]
enum Map {
    Setting,
    EncounterSetting,
    WiderCodes,
}

/// Equivalences with which whatever the source means, the target means too: R4 says what the target is to the source.
const HOLDING: [&str; 4] = ["equal", "equivalent", "subsumes", "wider"];

impl Terms {
    pub(super) fn read(resources: &Resources, problems: &mut Problems) -> Self {
        let mut terms = Self::default();
        for (file, resource) in resources {
            problems.file.clone_from(file);
            if let Resource::NamingSystem(system) = resource {
                terms.naming_system(system, problems);
            }
        }
        for (file, resource) in resources {
            problems.file.clone_from(file);
            match resource {
                Resource::CodeSystem(system) => terms.code_system(system),
                Resource::ValueSet(set) => terms.value_set(set, problems),
                _ => {}
            }
        }
        for (file, resource) in resources {
            problems.file.clone_from(file);
            if let Resource::ConceptMap(map) = resource {
                terms.concept_map(map, problems);
            }
        }
        terms
    }

    /// A code, its system known by now or from now on.
    pub(super) fn coding(&mut self, system: &str, code: &str) -> Coding {
        if let Some(coding) = self.known(system, code) {
            return coding;
        }
        let id = self.add(system, system, false);
        self.names.insert(system.into(), id);
        Coding { system: id, code: code.into() }
    }

    /// A code and what it means in plain words; where several files say it, the first one's.
    fn worded(&mut self, system: &str, code: &str, display: Option<&str>) -> Coding {
        let coding = self.coding(system, code);
        if let Some(display) = display {
            self.words.entry(coding.clone()).or_insert_with(|| display.into());
        }
        coding
    }

    /// A code of a system that is known.
    pub(super) fn known(&self, system: &str, code: &str) -> Option<Coding> {
        self.names.get(system).map(|id| Coding { system: *id, code: code.into() })
    }

    fn add(&mut self, label: &str, uri: &str, billing: bool) -> SystemId {
        let id = SystemId(u16::try_from(self.systems.len()).unwrap_or(u16::MAX));
        self.systems.push(System { label: label.into(), uri: uri.into(), billing });
        id
    }

    fn naming_system(&mut self, system: &NamingSystem, problems: &mut Problems) {
        let names = system.unique_id.iter().filter_map(|id| {
            let value = id.value.value.as_deref()?;
            let preferred = id.preferred.as_ref().and_then(|preferred| preferred.value).unwrap_or_default();
            Some((value, id.r#type.value.as_deref() == Some("oid"), preferred))
        });
        let names: Vec<_> = names.collect();
        let uri = names.iter().find(|(_, _, preferred)| *preferred).map(|(value, _, _)| *value);
        let label = system.name.value.as_deref();
        let (Some(uri), Some(label)) =
            (problems.need(uri, "uniqueId with preferred true"), problems.need(label, "name"))
        else {
            return;
        };
        let id = self.add(label, uri, false);
        for (value, oid, _) in names {
            let urn = if oid { format!("urn:oid:{value}") } else { value.to_owned() };
            if self.names.insert(urn.into(), id).is_some() {
                problems.add("uniqueId", "is a name of another NamingSystem too");
            }
        }
    }

    fn code_system(&mut self, system: &CodeSystem) {
        let Some(url) = text!(system.url) else { return };
        let concepts = system.concept.iter().filter_map(|it| Some((it.code.value.as_deref()?, text!(it.display))));
        let codings: Vec<Coding> = concepts.map(|(code, display)| self.worded(url, code, display)).collect();
        if url == format!("{BASE}CodeSystem/setting") {
            self.settings = codings;
        }
    }

    fn value_set(&mut self, set: &ValueSet, problems: &mut Problems) {
        let (Some(url), Some(compose)) =
            (problems.need(text!(set.url), "url"), problems.need(set.compose.as_ref(), "compose"))
        else {
            return;
        };
        let mut codes = HashSet::new();
        for (index, include) in compose.include.iter().enumerate() {
            let at = format!("compose.include[{index}]");
            let Some(system) = problems.need(text!(include.system), &format!("{at}.system")) else { continue };
            if url == format!("{BASE}ValueSet/billing-code-systems") {
                let id = self.coding(system, "").system;
                if let Some(system) = self.systems.get_mut(usize::from(id.0)) {
                    system.billing = true;
                }
                continue;
            }
            if url == format!("{BASE}ValueSet/override-reasons") {
                self.override_reasons.extend(include.concept.iter().filter_map(|concept| {
                    let (code, display) = (concept.code.value.as_deref()?, text!(concept.display)?);
                    Some(OverrideReason { code: code.into(), system: system.into(), display: display.into() })
                }));
                continue;
            }
            if include.concept.is_empty() || !include.filter.is_empty() || !include.value_set.is_empty() {
                problems.add(&at, "must list its concepts one by one");
            }
            for concept in &include.concept {
                let Some(code) = concept.code.value.as_deref() else { continue };
                codes.insert(self.worded(system, code, text!(concept.display)));
            }
        }
        if !compose.exclude.is_empty() {
            problems.add("compose.exclude", "is not understood");
        }
        let mut codes: Vec<_> = codes.into_iter().collect();
        codes.sort_unstable();
        if self.value_sets.insert(url.to_owned(), codes).is_some() {
            problems.add("url", "is the url of another ValueSet too");
        }
    }

    fn concept_map(&mut self, map: &ConceptMap, problems: &mut Problems) {
        let url = text!(map.url).unwrap_or_default().strip_prefix(BASE).unwrap_or_default();
        let what = match url {
            "ConceptMap/setting" => Map::Setting,
            "ConceptMap/encounter-setting" => Map::EncounterSetting,
            "ConceptMap/wider-codes" => Map::WiderCodes,
            _ => return problems.add("url", "is not one of setting, encounter-setting, wider-codes"),
        };
        for (index, group) in map.group.iter().enumerate() {
            let at = format!("group[{index}]");
            let source = problems.need(text!(group.source), &format!("{at}.source"));
            let target = problems.need(text!(group.target), &format!("{at}.target"));
            let (Some(source), Some(target)) = (source, target) else { continue };
            for (index, element) in group.element.iter().enumerate() {
                let at = format!("{at}.element[{index}]");
                let Some(code) = problems.need(text!(element.code), &format!("{at}.code")) else { continue };
                let from = self.worded(source, code, text!(element.display));
                for (index, to) in element.target.iter().enumerate() {
                    let at = format!("{at}.target[{index}]");
                    let Some(code) = problems.need(text!(to.code), &format!("{at}.code")) else { continue };
                    let equivalence = to.equivalence.value.as_deref().unwrap_or_default();
                    self.mapped(what, from.clone(), (target, code), equivalence, &at, problems);
                }
            }
        }
    }

    /// Takes one row of a ConceptMap, if it leads to something that is there.
    fn mapped(
        &mut self,
        what: Map,
        from: Coding,
        (system, code): (&str, &str),
        equivalence: &str,
        at: &str,
        problems: &mut Problems,
    ) {
        if let Map::WiderCodes = what {
            if equivalence != "narrower" {
                problems.add(at, "has an equivalence other than narrower");
            }
            match self.known(system, code) {
                Some(narrow) => self.wider.push((from, narrow)),
                None => problems.add(format!("{at}.code"), "is of a code system that the set does not know"),
            }
            return;
        }
        let setting = self.known(system, code).filter(|coding| self.settings.contains(coding));
        let Some(setting) = setting else {
            return problems.add(format!("{at}.code"), format!("is not a code of {BASE}CodeSystem/setting"));
        };
        if !HOLDING.contains(&equivalence) {
            problems.add(format!("{at}.equivalence"), format!("is not one of {}", HOLDING.join(", ")));
        }
        let meanings = if let Map::Setting = what { &mut self.order_setting } else { &mut self.encounter_setting };
        if meanings.insert(from, setting.clone()).is_some_and(|other| other != setting) {
            problems.add(at, "makes another setting of a code that has one already");
        }
    }
}
