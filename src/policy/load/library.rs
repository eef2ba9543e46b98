//! Reads a Library: what is published of a policy, and the links that cards carry.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fhir_resources::Resource;
use fhir_resources::r4::resources::Library;
use fhir_resources::r4::types::{Attachment, ExtensionValue, RelatedArtifact};

use super::terms::text;
use super::{BASE, Problems, Resources};
use crate::policy::model::{Artifact, Change, Identifier, Link, Publication, Section};

/// What is read of a Library.
#[derive(Debug)]
pub(super) struct Published {
    /// Those of its links that have an address, in the order of the file.
    pub(super) links: Vec<Link>,
    /// All of it.
    pub(super) publication: Arc<Publication>,
}

/// Every Library by its canonical URL.
pub(super) type Libraries = HashMap<String, Published>;

/// The Libraries of a set.
pub(super) fn libraries(resources: &Resources, problems: &mut Problems) -> Libraries {
    let mut libraries = Libraries::new();
    for (file, resource) in resources {
        let Resource::Library(library) = resource else { continue };
        problems.file.clone_from(file);
        let Some(url) = problems.need(text!(library.url), "url") else { continue };
        let publication = Arc::new(publication(file, library, problems));
        libraries.insert(url.to_owned(), Published { links: links(library), publication });
    }
    libraries
}

/// The links that cards can carry.
fn links(library: &Library) -> Vec<Link> {
    let links = library.related_artifact.iter().filter(|artifact| {
        matches!(artifact.r#type.value.as_deref(), Some("derived-from" | "justification" | "documentation"))
    });
    let links = links.filter_map(|artifact| {
        let (label, url) = (text!(artifact.label)?.into(), text!(artifact.url)?.into());
        Some(Link { label, url, r#type: "absolute", app_context: None })
    });
    links.collect()
}

fn publication(file: &str, library: &Library, problems: &mut Problems) -> Publication {
    let own = |text: Option<&str>| text.map(Into::into);
    let period = library.effective_period.as_ref();
    let identifiers = library.identifier.iter().filter_map(|identifier| {
        let kind = identifier.r#type.as_ref().and_then(|kind| text!(kind.text));
        Some(Identifier { kind: own(kind), value: text!(identifier.value)?.into() })
    });
    let mut publication = Publication {
        file: file.into(),
        title: own(text!(library.title)),
        subtitle: own(text!(library.subtitle)),
        identifiers: identifiers.collect(),
        publisher: own(text!(library.publisher)),
        copyright: own(text!(library.copyright)),
        description: own(text!(library.description)),
        last_review: own(text!(library.last_review_date)),
        effective: (
            own(period.and_then(|period| text!(period.start))),
            own(period.and_then(|period| text!(period.end))),
        ),
        ..Publication::default()
    };
    for (index, attachment) in library.content.iter().enumerate() {
        publication.sections.extend(section(attachment, &format!("content[{index}]"), problems));
    }
    for (index, related) in library.related_artifact.iter().enumerate() {
        let at = format!("relatedArtifact[{index}]");
        let list = match related.r#type.value.as_deref() {
            Some("derived-from") => &mut publication.documents,
            Some("justification") => &mut publication.justifies,
            Some("documentation") => &mut publication.related,
            Some("predecessor") => {
                let when = problems.need(text!(related.label), &format!("{at}.label"));
                let what = problems.need(text!(related.citation), &format!("{at}.citation"));
                let change = when.zip(what).map(|(when, what)| Change { when: when.into(), what: what.into() });
                publication.history.extend(change);
                continue;
            }
            _ => {
                problems.add(format!("{at}.type"), "must be derived-from, justification, documentation or predecessor");
                continue;
            }
        };
        list.extend(artifact(related, &at, problems));
    }
    publication
}

fn artifact(related: &RelatedArtifact, at: &str, problems: &mut Problems) -> Option<Artifact> {
    let label = problems.need(text!(related.label), &format!("{at}.label"))?;
    let document = related.document.as_ref().and_then(|document| text!(document.url));
    let derived = related.extension.iter().any(|extension| {
        extension.url == format!("{BASE}StructureDefinition/derived")
            && matches!(&extension.value, Some(ExtensionValue::Boolean(value)) if value.value == Some(true))
    });
    Some(Artifact {
        label: label.into(),
        url: text!(related.url).or(document).map(Into::into),
        note: text!(related.citation).map(Into::into),
        derived,
    })
}

fn section(attachment: &Attachment, at: &str, problems: &mut Problems) -> Option<Section> {
    let title = problems.need(text!(attachment.title), &format!("{at}.title"));
    if text!(attachment.content_type) != Some("text/markdown") {
        problems.add(format!("{at}.contentType"), "must be text/markdown");
    }
    let data = problems.need(text!(attachment.data), &format!("{at}.data"))?;
    // White space between the lines of base64 is FHIR's own.
    let data: String = data.split_whitespace().collect();
    let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.or_else(|| {
        problems.add(format!("{at}.data"), "is not text in UTF-8, written in base64");
        None
    })?;
    Some(Section { title: title?.into(), text: text.into() })
}
