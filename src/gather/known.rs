//! Everything that is known of a request: what was sent, and what was learnt beside it. What is looked for and not there
//! becomes a wish.

use std::cell::RefCell;

use serde_json::Value;

use super::GatherError;
use super::fhir::{list, string, target};
use super::learned::{Failure, Learned, MemberQuery, MemberReply, Query, Reply};
use crate::config::Limits;
use crate::decide::facts::Why;
use crate::request::json::Json;
use crate::request::{self, Invocation, Order, Prefetched, Resource, schema};

/// What is found of something that was looked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<T> {
    /// It.
    Is(T),
    /// There is none: whoever keeps it was asked.
    Nothing,
    /// It was not sent, and was not asked for.
    Unsaid,
    /// It could not be learnt.
    Failed(Why),
}

/// What should be learnt before the answer is made.
#[derive(Default, PartialEq, Eq)]
pub struct Wishes {
    /// Of the EHR's FHIR server.
    pub queries: Vec<Query>,
    /// Of the member directory.
    pub member: Option<MemberQuery>,
}

impl Wishes {
    /// Whether nothing is wished for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty() && self.member.is_none()
    }
}

/// What was learnt, as JSON that can be looked into.
pub struct Read<'l> {
    replies: Vec<(&'l Query, Answered<'l>)>,
    member: Option<&'l (MemberQuery, MemberReply)>,
    never_asks: bool,
}

enum Answered<'l> {
    Pages(Vec<Json<'l>>),
    Nothing,
    Failed,
}

impl<'l> Read<'l> {
    /// Reads what was learnt, as strictly as a request.
    #[must_use]
    pub fn of(learned: &'l Learned, limits: &Limits) -> Self {
        let replies = learned.asked.iter().map(|(query, reply)| {
            let answered = match reply {
                Reply::Nothing => Answered::Nothing,
                Reply::Failed(_) => Answered::Failed,
                Reply::Found(bodies) => {
                    let pages = bodies.iter().map(|body| Json::scan(body.as_bytes(), limits));
                    pages.collect::<Result<_, _>>().map_or(Answered::Failed, Answered::Pages)
                }
            };
            (query, answered)
        });
        let unregistered = Reply::Failed(Failure::NotRegistered);
        let never_asks = learned.asked.iter().any(|(_, reply)| *reply == unregistered);
        Self { replies: replies.collect(), member: learned.member.as_ref(), never_asks }
    }
}

/// Everything that is known, and what else should be.
pub(super) struct Known<'k> {
    pub(super) invocation: &'k Invocation<'k>,
    fetched: Vec<(&'k Query, Found<Vec<Resource<'k>>>)>,
    member: Option<&'k (MemberQuery, MemberReply)>,
    can_ask: bool,
    never_asks: bool,
    wishes: RefCell<Wishes>,
}

impl<'k> Known<'k> {
    /// What is known, when more can or cannot be asked of the EHR.
    pub(super) fn of(invocation: &'k Invocation<'k>, read: &'k Read<'k>, can_ask: bool) -> Self {
        let fetched = read.replies.iter().map(|(query, answered)| {
            let found = match answered {
                Answered::Nothing => Found::Nothing,
                Answered::Failed => Found::Failed(Why::NotLearnt),
                Answered::Pages(pages) => Found::Is(pages.iter().flat_map(resources).collect()),
            };
            (*query, found)
        });
        let fetched = fetched.collect();
        let (member, never_asks) = (read.member, read.never_asks);
        Self { invocation, fetched, member, can_ask, never_asks, wishes: RefCell::default() }
    }

    /// What was looked for, is not known and can be asked.
    pub(super) fn into_wishes(self) -> Wishes {
        self.wishes.into_inner()
    }

    /// All resources of a type that were sent or learnt, each id once; what was sent comes first.
    pub(super) fn all(&self, kind: &str) -> Vec<&Resource<'k>> {
        let sent = self.invocation.prefetch.iter().filter_map(|(_, prefetched)| match prefetched {
            Prefetched::Resources(resources) => Some(resources),
            Prefetched::Nothing | Prefetched::Failure => None,
        });
        let fetched = self.fetched.iter().filter_map(|(_, found)| match found {
            Found::Is(resources) => Some(resources),
            _ => None,
        });
        let mut found: Vec<&Resource<'k>> = Vec::new();
        for resource in sent.chain(fetched).flatten().filter(|resource| resource.kind == kind) {
            if resource.id.is_empty() || !found.iter().any(|other| other.id == resource.id) {
                found.push(resource);
            }
        }
        found
    }

    /// One resource by type and id; asked for if `wanted`.
    pub(super) fn one(&self, kind: &str, id: &str, wanted: bool) -> Result<Found<Value>, GatherError> {
        if let Some(resource) = self.all(kind).into_iter().find(|resource| resource.id == id) {
            return self.value(resource);
        }
        if !wanted {
            return Ok(Found::Unsaid);
        }
        Ok(match self.ask(Query::read(kind, id)) {
            // What was learnt is among all: under another id it is not it.
            Found::Is(_) | Found::Nothing => Found::Nothing,
            Found::Unsaid => Found::Unsaid,
            Found::Failed(why) => Found::Failed(why),
        })
    }

    /// The resource of a Reference: contained in `holder`, sent, or asked for if `wanted`.
    pub(super) fn resolve(&self, holder: &Value, reference: &Value, wanted: bool) -> Result<Found<Value>, GatherError> {
        let Some(reference) = string(reference, "reference") else { return Ok(Found::Unsaid) };
        if let Some(id) = reference.strip_prefix('#') {
            let contained = list(holder, "contained").iter().find(|resource| string(resource, "id") == Some(id));
            return Ok(contained.cloned().map_or(Found::Nothing, Found::Is));
        }
        match target(reference) {
            Some((kind, id)) => self.one(kind, id, wanted && self.is_of_ehr(reference)),
            None => Ok(Found::Unsaid),
        }
    }

    /// An order that the request names: as it came, or as the EHR gave it.
    pub(super) fn order(&self, reference: &str, expression: &str) -> Result<Found<Order<'k>>, GatherError> {
        let Some((kind, id)) = target(reference) else { return Ok(Found::Nothing) };
        let sent = self.invocation.orders.iter().chain(&self.invocation.unselected);
        let sent = sent.into_iter().find(|order| order.resource.kind == kind && order.resource.id == id);
        if let Some(order) = sent {
            return Ok(Found::Is(order.clone()));
        }
        let value = match self.one(kind, id, self.is_of_ehr(reference))? {
            Found::Is(value) => value,
            Found::Nothing => return Ok(Found::Nothing),
            Found::Unsaid => return Ok(Found::Unsaid),
            Found::Failed(why) => return Ok(Found::Failed(why)),
        };
        let resource = self.all(kind).into_iter().find(|resource| resource.id == id).cloned();
        Ok(resource.map_or(Found::Nothing, |resource| Found::Is(Order::new(resource, value, expression))))
    }

    /// What a question found, if it was asked; else a wish.
    pub(super) fn ask(&self, query: Query) -> Found<&[Resource<'k>]> {
        if let Some((_, found)) = self.fetched.iter().find(|(asked, _)| **asked == query) {
            return match found {
                Found::Is(resources) => Found::Is(resources),
                Found::Nothing => Found::Nothing,
                Found::Unsaid => Found::Unsaid,
                Found::Failed(why) => Found::Failed(*why),
            };
        }
        let mut wishes = self.wishes.borrow_mut();
        if self.can_ask && !wishes.queries.contains(&query) {
            wishes.queries.push(query);
        }
        Found::Unsaid
    }

    /// What the member directory said, if it was asked; else a wish.
    pub(super) fn member(&self, query: MemberQuery) -> Option<&'k MemberReply> {
        match self.member {
            Some((asked, reply)) if *asked == query => Some(reply),
            _ => {
                self.wishes.borrow_mut().member = Some(query);
                None
            }
        }
    }

    /// A resource as it is read, if it is valid: what was sent must be, what the EHR gave is not used if it is not
    /// (FAULTS E05).
    pub(super) fn value(&self, resource: &Resource<'_>) -> Result<Found<Value>, GatherError> {
        let value = resource.value();
        let Some(schema) = schema::resource(&resource.kind) else { return Ok(Found::Is(value)) };
        match schema.check(&value, &resource.kind) {
            Ok(()) => Ok(Found::Is(value)),
            Err(_) if self.was_fetched(resource) => Ok(Found::Failed(Why::NotLearnt)),
            Err(misfit) => Err(GatherError::Resource(misfit, self.invocation.version)),
        }
    }

    pub(super) fn was_fetched(&self, resource: &Resource<'_>) -> bool {
        let fetched = self.fetched.iter().filter_map(|(_, found)| match found {
            Found::Is(resources) => Some(resources),
            _ => None,
        });
        // By its place in memory: it is the same resource, not one that looks the same.
        fetched.flatten().any(|other| std::ptr::eq(other.view.raw(), resource.view.raw()))
    }

    /// What stands under the first prefetch key whose name speaks of this, if any does.
    pub(super) fn under(&self, word: &str) -> Option<&'k Prefetched<'k>> {
        let mut keys = self.invocation.prefetch.iter();
        keys.find(|(key, _)| key.to_lowercase().contains(word)).map(|(_, prefetched)| prefetched)
    }

    /// Whether the EHR's FHIR server turned out to be one that is never asked (FAULTS E09).
    pub(super) fn never_asks(&self) -> bool {
        self.never_asks
    }

    /// Whether what a reference names can be asked for.
    pub(super) fn can_ask(&self, reference: &str) -> bool {
        self.can_ask && self.is_of_ehr(reference)
    }

    /// Whether a literal reference is one that the EHR's FHIR server can be asked for: relative, or below its address.
    fn is_of_ehr(&self, reference: &str) -> bool {
        let base = self.invocation.fhir_server.as_deref().unwrap_or_default().trim_end_matches('/');
        !reference.contains("://") || reference.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The resources of a body: itself, or what a Bundle holds.
fn resources<'k>(page: &'k Json<'_>) -> Vec<Resource<'k>> {
    match request::prefetched(page.root()) {
        Prefetched::Resources(resources) => resources,
        Prefetched::Nothing | Prefetched::Failure => Vec::new(),
    }
}

untold!(Wishes, Read<'_>, Answered<'_>, Known<'_>);
