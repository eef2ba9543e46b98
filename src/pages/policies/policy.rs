//! A version of a policy as its page shows it: the statement first, then what it decides, then everything it rests on.

use std::sync::Arc;

use serde::Serialize;

use super::asked::Asked;
use super::cases::Cases;
use super::passages::Places;
use super::words::{Mark, meaning};
use crate::answer::Manner;
use crate::pages::markdown;
use crate::policy::model::{Artifact, Policy, PolicySet, Publication};
use crate::render::RenderError;

/// All that is shown of it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    version: String,
    period: String,
    mark: Option<Mark>,
    /// What the statement means, a sentence each.
    meaning: Vec<String>,
    places: Places,
    cases: Cases,
    /// Label and plain words.
    codes: Vec<(String, String)>,
    published: Option<Published>,
    /// The files that the page was made of.
    files: Vec<String>,
    set: String,
}

/// What is published of it.
#[derive(Debug, Serialize)]
struct Published {
    subtitle: Option<Box<str>>,
    description: Option<Box<str>>,
    publisher: Option<Box<str>>,
    copyright: Option<Box<str>>,
    last_review: Option<Box<str>>,
    effective: Option<String>,
    /// What kind of number, and the number.
    identifiers: Vec<(Box<str>, Box<str>)>,
    sections: Vec<Section>,
    documents: Vec<Link>,
    justifies: Vec<Link>,
    related: Vec<Link>,
    /// When and what.
    history: Vec<(Box<str>, Box<str>)>,
}

#[derive(Debug, Serialize)]
struct Section {
    id: String,
    title: Box<str>,
    html: String,
}

#[derive(Debug, Serialize)]
struct Link {
    label: Box<str>,
    url: Option<Box<str>>,
    note: Option<Box<str>>,
    derived: bool,
}

impl Shown {
    pub(super) fn of(policy: &Policy, set: &PolicySet, manner: &Manner) -> Result<Self, RenderError> {
        let asked = Asked::of(policy, set, manner);
        let unstated = asked.decide(&[]);
        let places = Places::of(policy, set);
        let mut cases = Cases::of(&asked)?;
        for answer in &mut cases.answers {
            let mut rests: Vec<(String, String)> = Vec::new();
            for link in answer.actions.iter().filter_map(|action| places.link(action)) {
                if !rests.contains(&link) {
                    rests.push(link);
                }
            }
            answer.rests = rests;
        }
        let codes = policy.codes.iter().map(|code| (set.label(code), set.words(code).unwrap_or_default().to_owned()));
        let library = policy.publication.as_ref().map(|publication| publication.file.to_string());
        Ok(Self {
            version: policy.version.to_string(),
            period: super::period(policy),
            mark: unstated.first().map(Mark::of),
            meaning: unstated.first().map(|it| meaning(policy, it)).unwrap_or_default(),
            places,
            cases,
            codes: codes.collect(),
            published: policy.publication.as_ref().map(published),
            files: std::iter::once(policy.file.to_string()).chain(library).collect(),
            set: set.hash.clone(),
        })
    }
}

fn published(publication: &Arc<Publication>) -> Published {
    let it = publication.as_ref().clone();
    let section = |(index, section): (usize, crate::policy::model::Section)| Section {
        id: format!("part-text-{}", index + 1),
        title: section.title,
        html: markdown::html(&section.text),
    };
    let links = |artifacts: Vec<Artifact>| artifacts.into_iter().map(link).collect();
    Published {
        subtitle: it.subtitle,
        description: it.description,
        publisher: it.publisher,
        copyright: it.copyright,
        last_review: it.last_review,
        effective: effective(it.effective),
        identifiers: it.identifiers.into_iter().map(|it| (it.kind.unwrap_or("Number".into()), it.value)).collect(),
        sections: it.sections.into_iter().enumerate().map(section).collect(),
        documents: links(it.documents),
        justifies: links(it.justifies),
        related: links(it.related),
        history: it.history.into_iter().map(|change| (change.when, change.what)).collect(),
    }
}

fn effective(period: (Option<Box<str>>, Option<Box<str>>)) -> Option<String> {
    match period {
        (None, None) => None,
        (Some(start), None) => Some(format!("since {start}")),
        (None, Some(end)) => Some(format!("until {end}")),
        (Some(start), Some(end)) => Some(format!("from {start} to {end}")),
    }
}

fn link(artifact: Artifact) -> Link {
    // A loaded set has no others.
    let url = artifact.url.filter(|url| url.starts_with("https://"));
    Link { label: artifact.label, url, note: artifact.note, derived: artifact.derived }
}
