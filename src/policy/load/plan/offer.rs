//! Reads what a card offers to do: the extensions `suggestion` and `smart-app`.

use fhir_resources::r4::types::{Extension, ExtensionValue};

use super::super::terms::text;
use super::super::{BASE, Problems};
use super::{Reader, template};
use crate::policy::model::{Draft, Form, Link, Offer, Suggestion};

/// The value of a part as text, whatever its type.
fn text_of<'e>(parts: &'e [Extension], url: &str) -> Option<&'e str> {
    match parts.iter().find(|part| part.url == url)?.value.as_ref()? {
        ExtensionValue::Code(value) => value.value.as_deref(),
        ExtensionValue::String(value) => value.value.as_deref(),
        ExtensionValue::Url(value) => value.value.as_deref(),
        _ => None,
    }
}

/// The apps that a card launches.
pub(super) fn apps(extensions: &[Extension], at: &str, problems: &mut Problems) -> Vec<Link> {
    let url = format!("{BASE}StructureDefinition/smart-app");
    let apps = extensions.iter().filter(|it| it.url == url).filter_map(|app| {
        let label = problems.need(text_of(&app.extension, "label"), &format!("{at}.smart-app.label"));
        let url = problems.need(text_of(&app.extension, "url"), &format!("{at}.smart-app.url"));
        let app_context = text_of(&app.extension, "app-context").map(Into::into);
        Some(Link { label: label?.into(), url: url?.into(), r#type: "smart", app_context })
    });
    apps.collect()
}

impl Reader<'_> {
    /// The suggestions of a card.
    pub(super) fn suggestions(&self, extensions: &[Extension], at: &str, problems: &mut Problems) -> Vec<Suggestion> {
        let url = format!("{BASE}StructureDefinition/suggestion");
        let all = extensions.iter().filter(|it| it.url == url).enumerate();
        let all = all
            .filter_map(|(index, it)| self.suggestion(&it.extension, &format!("{at}.suggestion[{index}]"), problems));
        all.collect()
    }

    fn suggestion(&self, parts: &[Extension], at: &str, problems: &mut Problems) -> Option<Suggestion> {
        let label = problems.need(text_of(parts, "label"), &format!("{at}.label"))?;
        let label = template(label, &format!("{at}.label"), problems)?;
        let named = self.drafts(parts, at, problems);
        let drafts: Vec<Draft> = named.iter().map(|(_, draft)| draft.clone()).collect();
        let offer = match (text_of(parts, "kind"), drafts.as_slice()) {
            (Some("replace"), [draft]) => Offer::Replace(draft.clone()),
            (Some("change"), [draft]) => Offer::Change(draft.clone()),
            (Some("add"), [_, ..]) => Offer::Add(drafts),
            (Some("form"), [_]) => Offer::Form(Box::new(self.form(parts, named.first()?, at, problems)?)),
            (Some("replace" | "change" | "form"), _) => {
                problems.add(format!("{at}.resource"), "must be one");
                return None;
            }
            (Some("add"), []) => {
                problems.add(format!("{at}.resource"), "is missing");
                return None;
            }
            _ => {
                problems.add(format!("{at}.kind"), "must be replace, change, add or form");
                return None;
            }
        };
        Some(Suggestion { label, offer })
    }

    /// The contained resources that the parts refer to, each with its name among them.
    fn drafts(&self, parts: &[Extension], at: &str, problems: &mut Problems) -> Vec<(Box<str>, Draft)> {
        let mut drafts = Vec::new();
        for part in parts.iter().filter(|part| part.url == "resource") {
            let reference = match &part.value {
                Some(ExtensionValue::Reference(reference)) => text!(reference.reference),
                _ => None,
            };
            let id = reference.and_then(|reference| reference.strip_prefix('#')).unwrap_or_default();
            let contained = self.contained.get(&problems.file).map(Vec::as_slice).unwrap_or_default();
            match contained.iter().find(|(other, _, _)| other == id) {
                Some((_, kind, json)) => {
                    drafts.push((id.into(), Draft { kind: kind.as_str().into(), json: json.as_str().into() }));
                }
                None => problems.add(format!("{at}.resource"), "names no resource that is contained in the file"),
            }
        }
        drafts
    }

    fn form(
        &self,
        parts: &[Extension],
        (id, draft): &(Box<str>, Draft),
        at: &str,
        problems: &mut Problems,
    ) -> Option<Form> {
        let reason = problems.need(text_of(parts, "reason"), &format!("{at}.reason"));
        let after = problems.need(text_of(parts, "after-completion"), &format!("{at}.after-completion"));
        let questionnaire: Option<serde_json::Value> = serde_json::from_str(&draft.json).ok();
        let questionnaire = questionnaire.filter(|_| &*draft.kind == "Questionnaire");
        let questionnaire = problems.need(questionnaire, &format!("{at}.resource as a Questionnaire"))?;
        let member = |name: &str| questionnaire.get(name).and_then(serde_json::Value::as_str).map(Box::from);
        let url: Option<Box<str>> = problems.need(member("url"), &format!("{at}.resource.url"));
        let version: Option<Box<str>> = problems.need(member("version"), &format!("{at}.resource.version"));
        Some(Form {
            id: id.clone(),
            questionnaire: draft.clone(),
            url: url?,
            version: version?,
            reason: reason?.into(),
            after: after?.into(),
        })
    }
}
