//! Pages of the policy set: all policies, and each version of one as this server applies it.
//!
//! Nothing on them is written twice: the statement, the passages and the history are the set's own, and what a card would
//! say is asked of the code that answers.

mod asked;
mod card;
mod cases;
mod passages;
mod place;
mod policy;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use serde::Serialize;

use crate::answer::Manner;
use crate::pages::{self, PageError};
use crate::policy::model::{Policy, PolicySet};
use crate::render::RenderError;
use asked::Asked;
use policy::Shown;
use words::Mark;

/// A page that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PolicyPageError {
    /// It cannot be written.
    #[error(transparent)]
    Page(#[from] PageError),
    /// What would be answered cannot be.
    #[error(transparent)]
    Answer(#[from] RenderError),
}

/// A page, or what is said in its place.
#[derive(Debug)]
pub enum Found {
    /// The page.
    Page(String),
    /// A page that says that there is none.
    Nothing(String),
}

/// The versions of policies that were looked at, as they are shown: made once for a policy set.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The hash of the set.
    set: String,
    /// By number and version; never more than the set has.
    shown: HashMap<(Box<str>, Box<str>), Arc<Shown>>,
}

/// What every page of the policies is filled with.
#[derive(Serialize)]
struct Page<'a, T> {
    title: String,
    payer: &'a str,
    /// The entry of the navigation that is current.
    at: &'static str,
    /// Whether there is an order desk to lead to.
    desk: bool,
    said: T,
}

#[derive(Serialize)]
struct Row<'a> {
    number: &'a str,
    title: &'a str,
    version: &'a str,
    period: String,
    mark: Option<Mark>,
    path: String,
}

/// A version that can be looked at.
#[derive(Debug, Serialize)]
struct Version<'a> {
    version: &'a str,
    period: String,
    path: String,
    is_shown: bool,
}

/// What stands around a version: the others, and the day that was asked for.
#[derive(Serialize)]
struct Dated<'a> {
    number: &'a str,
    policy_title: &'a str,
    path: String,
    versions: Vec<Version<'a>>,
    /// The day, whole.
    on: Date,
    /// Today, where the version that is shown is not in force.
    not_today: Option<Date>,
    /// The version that is in force today, where another is shown.
    today: Option<Version<'a>>,
    /// Whether the version in force on that day was asked for.
    is_dated: bool,
    policy: Option<&'a Shown>,
}

/// What is said where there is no page.
#[derive(Serialize)]
struct Missing {
    what: &'static str,
}

/// What the pages are made of.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The policies.
    pub set: &'a PolicySet,
    /// How the cards are made that they show.
    pub manner: &'a Manner,
    /// Whether there is an order desk to lead to.
    pub desk: bool,
    /// The day, by the payer's clock.
    pub today: Date,
}

impl Site<'_> {
    /// The page of all policies, with the versions in force today.
    ///
    /// # Errors
    /// [`PolicyPageError`]
    pub fn list(&self) -> Result<String, PolicyPageError> {
        let rows = self.set.policies.values().filter_map(|versions| row(versions, self.set, self.manner, self.today));
        let rows: Vec<Row<'_>> = rows.collect();
        self.write("policies.html", "Medical policies".to_owned(), rows)
    }

    /// The page of a version of a policy; without one, of that in force on a day. A version that is not in force today says so.
    ///
    /// # Errors
    /// [`PolicyPageError`]
    pub fn page(&self, shelf: &Shelf, number: &str, version: Option<&str>, on: Date) -> Result<Found, PolicyPageError> {
        let versions = self.set.policies.get(number).map(Vec::as_slice).unwrap_or_default();
        let found = versions.iter().find(|policy| match version {
            Some(version) => *policy.version == *version,
            None => policy.in_force(on),
        });
        let Some(any) = found.or(versions.first()).filter(|_| found.is_some() || version.is_none()) else {
            return self.missing("There is no such policy here, or no such version of it.").map(Found::Nothing);
        };
        let shown = found.map(|policy| shelf.shown(policy, self.set, self.manner)).transpose()?;
        let mut all: Vec<&Policy> = versions.iter().collect();
        all.sort_by_key(|policy| std::cmp::Reverse(policy.effective.0));
        let not_today = found.is_some_and(|policy| !policy.in_force(self.today)).then_some(self.today);
        let today = all.iter().find(|policy| not_today.is_some() && policy.in_force(self.today));
        let dated = Dated {
            number: &any.number,
            policy_title: &any.title,
            path: place::path(number, None),
            versions: all.iter().map(|policy| listed(policy, found)).collect(),
            on,
            not_today,
            today: today.map(|policy| listed(policy, found)),
            is_dated: version.is_none(),
            policy: shown.as_deref(),
        };
        self.write("policy.html", format!("Policy {}: {}", any.number, any.title), dated).map(Found::Page)
    }

    /// A page that says in plain words that there is nothing to show.
    ///
    /// # Errors
    /// [`PolicyPageError`]
    pub fn missing(&self, what: &'static str) -> Result<String, PolicyPageError> {
        self.write("no_policy.html", "Nothing to show here".to_owned(), Missing { what })
    }

    fn write(&self, template: &str, title: String, said: impl Serialize) -> Result<String, PolicyPageError> {
        let page = Page { title, payer: &self.set.payer.name, at: "policies", desk: self.desk, said };
        Ok(pages::write(template, &page)?)
    }
}

/// A policy by its version in force, or where none is, by its last.
fn row<'s>(versions: &'s [Policy], set: &PolicySet, manner: &Manner, today: Date) -> Option<Row<'s>> {
    let in_force = versions.iter().find(|policy| policy.in_force(today));
    let policy = in_force.or(versions.last())?;
    Some(Row {
        number: &policy.number,
        title: &policy.title,
        version: &policy.version,
        period: period(policy),
        mark: in_force.and_then(|policy| Asked::of(policy, set, manner).decide(&[]).first().map(Mark::of)),
        path: place::path(&policy.number, None),
    })
}

/// A version as it is listed, where another or none is shown.
fn listed<'s>(policy: &'s Policy, shown: Option<&Policy>) -> Version<'s> {
    Version {
        version: &policy.version,
        period: period(policy),
        path: place::path(&policy.number, Some(&policy.version)),
        is_shown: shown.is_some_and(|shown| std::ptr::eq(shown, policy)),
    }
}

/// `since 2020-11-01`
fn period(policy: &Policy) -> String {
    match policy.effective {
        (Some(start), Some(end)) => format!("from {start} to {end}"),
        (Some(start), None) => format!("since {start}"),
        (None, Some(end)) => format!("until {end}"),
        (None, None) => "on any day".to_owned(),
    }
}

impl Shelf {
    fn shown(&self, policy: &Policy, set: &PolicySet, manner: &Manner) -> Result<Arc<Shown>, RenderError> {
        let key = (policy.number.clone(), policy.version.clone());
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = kept.shown.get(&key).filter(|_| kept.set == set.hash) {
            return Ok(shown.clone());
        }
        // Nobody waits while it is made; made twice at once, it is the same.
        drop(kept);
        let shown = Arc::new(Shown::of(policy, set, manner)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.set != set.hash {
            *kept = Kept { set: set.hash.clone(), shown: HashMap::new() };
        }
        kept.shown.insert(key, shown.clone());
        Ok(shown)
    }
}
