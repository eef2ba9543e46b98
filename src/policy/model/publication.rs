//! A policy as its payer publishes it: what its Library says, in the Library's order.

/// What is published of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publication {
    /// The file it was read from, by its path in the set.
    pub file: Box<str>,
    /// Its title.
    pub title: Option<Box<str>>,
    /// What kind of policy it is, and its number.
    pub subtitle: Option<Box<str>>,
    /// The numbers it goes by.
    pub identifiers: Vec<Identifier>,
    /// Who publishes it.
    pub publisher: Option<Box<str>>,
    /// Whose words and codes are in it.
    pub copyright: Option<Box<str>>,
    /// What it is, in a sentence or two.
    pub description: Option<Box<str>>,
    /// When it was last reviewed, as precisely as is published: `2020-11`.
    pub last_review: Option<Box<str>>,
    /// From when and until when it is in effect, as precisely as is published.
    pub effective: (Option<Box<str>>, Option<Box<str>>),
    /// Its text.
    pub sections: Vec<Section>,
    /// The payer's own document.
    pub documents: Vec<Artifact>,
    /// What it refers to for its terms.
    pub justifies: Vec<Artifact>,
    /// Related policies and general documents.
    pub related: Vec<Artifact>,
    /// What became of it, and when.
    pub history: Vec<Change>,
}

/// A number that a policy goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// What kind of number it is, in words: `BCBSA Reference Number`.
    pub kind: Option<Box<str>>,
    /// The number: `7.01.75`.
    pub value: Box<str>,
}

/// A section of a policy's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: Box<str>,
    /// Markdown.
    pub text: Box<str>,
}

/// Something that a policy refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What it is.
    pub label: Box<str>,
    /// Where it is, https; not everything that a policy names has an address.
    pub url: Option<Box<str>>,
    /// What is to be said of it.
    pub note: Option<Box<str>>,
    /// Whether the policy does not print the address.
    pub derived: bool,
}

/// An entry of a policy's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The date as it is printed: `11/2011-4/2012`.
    pub when: Box<str>,
    /// What was done.
    pub what: Box<str>,
}

impl Publication {
    /// Everything that it refers to.
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.documents.iter().chain(&self.justifies).chain(&self.related)
    }
}
