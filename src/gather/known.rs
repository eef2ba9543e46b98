//! What is known of a request: the resources of its index, and the replies to the questions that were put beside it. What is
//! looked for and not there becomes a question.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::fhir::string;
use super::history::Prescription;
use super::learned::{Failure, Learned, MemberQuery, MemberReply, Query, Reply};
use super::{GatherError, Way};
use crate::config::Limits;
use crate::decide::facts::Why;
use crate::request::index::{Index, Indexed, Origin, Target};
use crate::request::json::Json;
use crate::request::reference;
use crate::request::{self, Invocation, Prefetched};

/// What is found of something that was looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<T> {
    /// It.
    Is(T),
    /// There is none: whoever keeps it was asked.
    Nothing,
    /// It was not sent, and was not asked for.
    Unsaid,
    /// It could not be learned.
    Failed(Why),
}

/// A resource with its value.
#[derive(Clone)]
pub(super) struct Resolved<'r, 'k> {
    /// The resource.
    pub(super) at: &'r Indexed<'k>,
    /// Its value, which is valid.
    pub(super) value: Arc<Value>,
}

/// What should be learned before the answer is made.
#[derive(Default, PartialEq, Eq)]
pub struct Wishes {
    /// Of the EHR's FHIR server.
    pub queries: Vec<Query>,
    /// Of the member directory.
    pub members: Vec<MemberQuery>,
}

impl Wishes {
    /// Whether nothing is wished for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty() && self.members.is_empty()
    }
}

/// A reply, as JSON that can be looked into.
pub enum Scanned<'l> {
    /// The pages of a search, or the resource that was read.
    Pages(Vec<Json<'l>>),
    /// There is no such resource.
    Nothing,
    /// It could not be learned.
    Failed,
}

impl<'l> Scanned<'l> {
    /// Reads a reply, as strictly as a request.
    #[must_use]
    pub fn of(reply: &'l Reply, limits: &Limits) -> Self {
        match reply {
            Reply::Nothing => Self::Nothing,
            Reply::Failed(_) => Self::Failed,
            Reply::Found(bodies) => {
                let pages = bodies.iter().map(|body| Json::scan(body.as_bytes(), limits));
                pages.collect::<Result<_, _>>().map_or(Self::Failed, Self::Pages)
            }
        }
    }
}

/// What came of a question: the places of resources in the index.
enum Answered {
    Found(Vec<usize>),
    Nothing,
    Failed,
}

/// The questions that were put to the EHR, and what came of each.
#[derive(Default)]
pub struct Answers {
    by_query: HashMap<Query, Answered>,
    never_asks: bool,
}

impl Answers {
    /// Adds what a reply says to the index.
    pub fn add<'k>(&mut self, query: &Query, reply: &Reply, scanned: &'k Scanned<'k>, index: &mut Index<'k>) {
        self.never_asks |= *reply == Reply::Failed(Failure::NotRegistered);
        let answered = match scanned {
            Scanned::Nothing => Answered::Nothing,
            Scanned::Failed => Answered::Failed,
            Scanned::Pages(pages) => {
                let resources = pages.iter().flat_map(|page| match request::prefetched(page.root()) {
                    Prefetched::Resources(resources) => resources,
                    Prefetched::Nothing | Prefetched::Failure => Vec::new(),
                });
                let places: Option<Vec<usize>> = resources.map(|resource| index.add_fetched(resource)).collect();
                places.map_or(Answered::Failed, Answered::Found)
            }
        };
        self.by_query.insert(query.clone(), answered);
    }
}

/// Everything that is known, and what else should be.
pub(super) struct Known<'r, 'k> {
    pub(super) invocation: &'r Invocation<'k>,
    pub(super) index: &'r Index<'k>,
    pub(super) way: &'r Way<'r>,
    answers: &'r Answers,
    learned: &'r Learned,
    wishes: RefCell<Wishes>,
    references: Cell<usize>,
    /// Which prefetch key speaks of a word, for those that were asked for.
    keys: RefCell<HashMap<String, Option<usize>>>,
    /// The prescriptions of the patient, once an order's policies look at them.
    pub(super) prescriptions: OnceCell<Vec<Prescription>>,
}

impl<'r, 'k> Known<'r, 'k> {
    /// What is known of an invocation.
    pub(super) fn of(
        invocation: &'r Invocation<'k>,
        index: &'r Index<'k>,
        (answers, learned): (&'r Answers, &'r Learned),
        way: &'r Way<'r>,
    ) -> Self {
        Self {
            invocation,
            index,
            way,
            answers,
            learned,
            wishes: RefCell::default(),
            references: Cell::default(),
            keys: RefCell::default(),
            prescriptions: OnceCell::new(),
        }
    }

    /// What was looked for, is not known and can be asked.
    pub(super) fn into_wishes(self) -> Wishes {
        self.wishes.into_inner()
    }

    /// All resources of a type that were sent or learned.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &'r Indexed<'k>> + use<'r, 'k> {
        self.index.all(kind)
    }

    /// One resource by type and id; asked for if `wanted`.
    pub(super) fn one(&self, kind: &str, id: &str, wanted: bool) -> Result<Found<Resolved<'r, 'k>>, GatherError> {
        match self.index.named(kind, id) {
            Target::Is(found) => self.value(found),
            Target::Several => Ok(Found::Unsaid),
            Target::Unknown if wanted => Ok(self.read(kind, id)),
            Target::Unknown => Ok(Found::Unsaid),
        }
    }

    /// The resource that a Reference leads to, asked for if `wanted`. What its holder contains and what was sent comes first.
    ///
    /// # Errors
    /// What was sent breaks FHIR R4, or the request has more references than are looked up.
    pub(super) fn resolve(
        &self,
        holder: Option<&Indexed<'k>>,
        reference: &Value,
        wanted: bool,
    ) -> Result<Found<Resolved<'r, 'k>>, GatherError> {
        match string(reference, "reference") {
            Some(reference) => self.follow(holder, reference, wanted),
            None => Ok(Found::Unsaid),
        }
    }

    /// The resource that a literal reference leads to, as [`Self::resolve`] does it.
    pub(super) fn follow(
        &self,
        holder: Option<&Indexed<'k>>,
        literal: &str,
        wanted: bool,
    ) -> Result<Found<Resolved<'r, 'k>>, GatherError> {
        self.count_reference()?;
        match self.index.find(literal, holder) {
            Target::Is(found) => self.value(found),
            Target::Several => Ok(Found::Unsaid),
            Target::Unknown => Ok(match reference::target(literal) {
                Some((kind, id)) if wanted && self.is_of_ehr(literal) => self.read(kind, id),
                // What a resource should contain and does not is nowhere else.
                None if literal.starts_with('#') => Found::Nothing,
                _ => Found::Unsaid,
            }),
        }
    }

    fn count_reference(&self) -> Result<(), GatherError> {
        self.references.set(self.references.get() + 1);
        if self.references.get() > self.way.limits.references {
            return Err(GatherError::TooManyReferences);
        }
        Ok(())
    }

    /// A resource that is not in the index: it was asked for and is not there, or it is a question now.
    fn read(&self, kind: &str, id: &str) -> Found<Resolved<'r, 'k>> {
        match self.ask(Query::read(kind, id)) {
            // What was learned is in the index: under another id it is not this one.
            Found::Is(_) | Found::Nothing => Found::Nothing,
            Found::Unsaid => Found::Unsaid,
            Found::Failed(why) => Found::Failed(why),
        }
    }

    /// What a question found, by the places in the index; if it was not asked, it is asked next where that can be.
    pub(super) fn ask(&self, query: Query) -> Found<&'r [usize]> {
        if let Some(answered) = self.answers.by_query.get(&query) {
            return match answered {
                Answered::Found(places) => Found::Is(places),
                Answered::Nothing => Found::Nothing,
                Answered::Failed => Found::Failed(Why::NotLearnt),
            };
        }
        if !self.way.can_ask {
            return Found::Unsaid;
        }
        let mut wishes = self.wishes.borrow_mut();
        if !wishes.queries.contains(&query) {
            if self.answers.by_query.len() + wishes.queries.len() >= self.way.limits.questions {
                return Found::Failed(Why::NotLearnt);
            }
            wishes.queries.push(query);
        }
        Found::Unsaid
    }

    /// What the member directory said, if it was asked; else it is asked next.
    pub(super) fn member(&self, query: MemberQuery) -> Option<&'r MemberReply> {
        if let Some(reply) = self.learned.look_up(&query) {
            return Some(reply);
        }
        let mut wishes = self.wishes.borrow_mut();
        if !wishes.members.contains(&query) {
            wishes.members.push(query);
        }
        None
    }

    /// A resource with its value, if it is valid. What was sent must be; what the EHR gave is not used if it is not
    /// (FAULTS E05).
    pub(super) fn value(&self, at: &'r Indexed<'k>) -> Result<Found<Resolved<'r, 'k>>, GatherError> {
        match at.value() {
            Ok(value) => Ok(Found::Is(Resolved { at, value: value.clone() })),
            Err(_) if at.origin == Origin::Fetched => Ok(Found::Failed(Why::NotLearnt)),
            Err(misfit) => Err(GatherError::Resource(misfit.clone(), self.invocation.version)),
        }
    }

    /// Whether a Reference leads to the patient of the context; none where it cannot be told to whom it leads. An absolute one
    /// to another server than the EHR's leads to somebody else, where the EHR's is registered: there the same id is another
    /// person.
    pub(super) fn is_patient(&self, holder: Option<&Indexed<'k>>, reference: Option<&Value>) -> Option<bool> {
        let id = self.invocation.patient_id.as_str();
        let literal = string(reference?, "reference")?;
        if let Target::Is(found) = self.index.find(literal, holder)
            && (literal.starts_with('#') || found.resource.full_url.as_deref() == Some(literal))
        {
            return Some(!literal.starts_with('#') && found.is("Patient", id));
        }
        let elsewhere = self.way.registered && reference::base(literal).is_some() && !self.is_of_ehr(literal);
        Some(reference::target(literal)? == ("Patient", id) && !elsewhere)
    }

    /// The type of the resource that a literal reference leads to, as far as it can be told.
    pub(super) fn kind_of<'n>(&self, holder: Option<&Indexed<'k>>, literal: &'n str) -> Option<Cow<'n, str>> {
        match self.index.find(literal, holder) {
            Target::Is(found) => Some(Cow::Owned(found.resource.kind.clone().into_owned())),
            Target::Several | Target::Unknown => reference::target(literal).map(|(kind, _)| Cow::Borrowed(kind)),
        }
    }

    /// Whether a Reference leads to a resource of one of these types, as far as it can be told.
    pub(super) fn is_of_kind(&self, holder: Option<&Indexed<'k>>, of: &Value, kinds: &[&str]) -> Option<bool> {
        let literal = string(of, "reference")?;
        Some(kinds.contains(&&*self.kind_of(holder, literal)?))
    }

    /// What stands under the first prefetch key whose name speaks of this, if any does.
    pub(super) fn under(&self, word: &str) -> Option<&'r Prefetched<'k>> {
        let known = self.keys.borrow().get(word).copied();
        let place = known.unwrap_or_else(|| {
            let speaks = |key: &str| {
                let mut windows = key.as_bytes().windows(word.len());
                windows.any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
            };
            let place = self.invocation.prefetch.iter().position(|(key, _)| speaks(key));
            self.keys.borrow_mut().insert(word.to_owned(), place);
            place
        });
        self.invocation.prefetch.get(place?).map(|(_, prefetched)| prefetched)
    }

    /// Whether the EHR's FHIR server turned out to be one that is never asked (FAULTS E09).
    pub(super) fn never_asks(&self) -> bool {
        self.answers.never_asks
    }

    /// Whether what a reference names can be asked for.
    pub(super) fn can_ask(&self, reference: &str) -> bool {
        self.way.can_ask && self.is_of_ehr(reference)
    }

    /// Whether a literal reference is one that the EHR's FHIR server can be asked for: relative, or below its address.
    fn is_of_ehr(&self, reference: &str) -> bool {
        let base = self.invocation.fhir_server.as_deref().unwrap_or_default().trim_end_matches('/');
        !reference.contains("://") || reference.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    }
}

untold!(Wishes, Scanned<'_>, Answers, Known<'_, '_>, Resolved<'_, '_>);
