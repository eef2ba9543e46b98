//! Every resource that an invocation holds, found by its `fullUrl`, or by its type and id.
//!
//! The index is built once for a request, in time linear in the number of resources; what is learned beside the request is
//! added to it. A resource is parsed and checked against its schema when it is first looked at, and never again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::quality::RandomState;
use serde_json::Value;

use super::reference::target;
use super::schema::{self, Misfit};
use super::{Invocation, Order, Prefetched, Resource, hook};

type Map<K, V> = HashMap<K, V, RandomState>;

/// Resources of one type and id that only their `fullUrl` tells apart: a reference by type and id could mean any of them.
/// Each is compared with the others, so that more are refused.
const MOST_NAMESAKES: usize = 8;

/// Where a resource came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An order of the context, or what stands beside it in its Bundle.
    Context,
    /// The prefetch.
    Prefetch,
    /// The EHR's FHIR server, which was asked for it.
    Fetched,
}

/// A resource of the index.
pub struct Indexed<'k> {
    /// As it came.
    pub resource: Resource<'k>,
    /// Where it came from.
    pub origin: Origin,
    /// Its place in the index.
    place: usize,
    /// The place of the resource that contains it.
    holder: Option<usize>,
    /// Its value, once somebody has looked at it.
    checked: OnceLock<Result<Arc<Value>, Misfit>>,
}

impl Indexed<'_> {
    /// Its value, parsed and checked against the schema of its type; its narrative is left out.
    ///
    /// # Errors
    /// It breaks FHIR R4.
    pub fn value(&self) -> Result<&Arc<Value>, &Misfit> {
        let checked = self.checked.get_or_init(|| {
            let value = self.resource.value();
            match schema::resource(&self.resource.kind).map(|schema| schema.check(&value, &self.resource.kind)) {
                Some(Err(misfit)) => Err(misfit),
                Some(Ok(())) | None => Ok(Arc::new(value)),
            }
        });
        checked.as_ref()
    }

    /// Its place in the index: no other resource has it.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// Whether it is this resource: the same bytes at the same place of the request.
    #[must_use]
    pub fn is_at(&self, resource: &Resource<'_>) -> bool {
        std::ptr::eq(self.resource.view.raw(), resource.view.raw())
    }

    /// Whether it is the resource of this type and id.
    #[must_use]
    pub fn is(&self, kind: &str, id: &str) -> bool {
        self.resource.kind == kind && self.resource.id == id
    }

    /// The base of its `fullUrl`: `https://ehr.example.org/fhir/` of `https://ehr.example.org/fhir/Patient/1`.
    fn base(&self) -> Option<&str> {
        let url = self.resource.full_url.as_deref()?;
        let base = url.strip_suffix(&*self.resource.id)?.strip_suffix('/')?.strip_suffix(&*self.resource.kind)?;
        base.ends_with('/').then_some(base)
    }

    /// Whether another resource of its type and id says the same, however it is written.
    fn says_the_same(&self, other: &Resource<'_>, value: &OnceLock<Value>) -> bool {
        if self.resource.view.raw() == other.view.raw() {
            return true;
        }
        let Ok(Value::Object(own)) = self.value().map(|value| &**value) else { return false };
        let Value::Object(others) = value.get_or_init(|| other.value()) else { return false };
        let but_meta = |name: &&String| *name != "meta";
        own.keys().filter(but_meta).count() == others.keys().filter(but_meta).count()
            && own.iter().all(|(name, value)| name == "meta" || others.get(name) == Some(value))
    }
}

/// What a reference leads to.
pub enum Target<'i, 'k> {
    /// This resource.
    Is(&'i Indexed<'k>),
    /// Several resources, which it does not tell apart.
    Several,
    /// No resource of the index.
    Unknown,
}

/// Two resources have one type and id, are different, and no `fullUrl` tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

/// The resources of an invocation.
#[derive(Default)]
pub struct Index<'k> {
    all: Vec<Indexed<'k>>,
    /// By `fullUrl`; nothing where different resources have the same.
    by_url: Map<Cow<'k, str>, Option<usize>>,
    by_name: Map<(Cow<'k, str>, Cow<'k, str>), Vec<usize>>,
    by_kind: Map<Cow<'k, str>, Vec<usize>>,
    contained: Map<(usize, Cow<'k, str>), usize>,
    /// The base of the EHR's FHIR server, with a slash at its end; empty if it did not say.
    server: String,
}

impl<'k> Index<'k> {
    /// The resources of an invocation.
    ///
    /// # Errors
    /// [`Ambiguous`]
    pub fn of(invocation: &Invocation<'k>) -> Result<Self, Ambiguous> {
        let server = invocation.fhir_server.as_deref().map(|server| format!("{}/", server.trim_end_matches('/')));
        let mut index = Self { server: server.unwrap_or_default(), ..Self::default() };
        for order in invocation.orders.iter().chain(&invocation.unselected) {
            index.add(order.resource.clone(), Origin::Context, Some(order.value.clone()))?;
        }
        for resource in &invocation.beside {
            index.add(resource.clone(), Origin::Context, None)?;
        }
        for (_, prefetched) in &invocation.prefetch {
            if let Prefetched::Resources(resources) = prefetched {
                for resource in resources {
                    index.add(resource.clone(), Origin::Prefetch, None)?;
                }
            }
        }
        Ok(index)
    }

    /// Adds a resource that the EHR gave. Its place, or that of the resource that was sent, or given before, by its name.
    pub fn add_fetched(&mut self, resource: Resource<'k>) -> Option<usize> {
        self.add(resource, Origin::Fetched, None).ok()
    }

    /// The resource at a place.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Indexed<'k>> {
        self.all.get(place)
    }

    /// All resources of a type, but those that others contain.
    pub fn all<'i>(&'i self, kind: &str) -> impl Iterator<Item = &'i Indexed<'k>> + use<'i, 'k> {
        self.by_kind.get(kind).into_iter().flatten().filter_map(|place| self.all.get(*place))
    }

    /// The resource of a type and id. Of several, the one whose `fullUrl` is below the address of the EHR's FHIR server.
    #[must_use]
    pub fn named(&self, kind: &str, id: &str) -> Target<'_, 'k> {
        let places = self.by_name.get(&(Cow::Borrowed(kind), Cow::Borrowed(id))).map(Vec::as_slice).unwrap_or_default();
        let mut found = places.iter().filter_map(|place| self.all.get(*place));
        if let (Some(only), 1) = (found.clone().next(), places.len()) {
            return Target::Is(only);
        }
        let own = found.find(|it| !self.server.is_empty() && it.base() == Some(&self.server));
        match own {
            Some(own) => Target::Is(own),
            None if places.is_empty() => Target::Unknown,
            None => Target::Several,
        }
    }

    /// What a literal reference leads to: a resource that its holder contains, else the one with exactly this `fullUrl`, else
    /// the one of this type and id.
    #[must_use]
    pub fn find(&self, reference: &str, holder: Option<&Indexed<'k>>) -> Target<'_, 'k> {
        let holder = holder.map(|holder| holder.holder.and_then(|outer| self.all.get(outer)).unwrap_or(holder));
        if let Some(id) = reference.strip_prefix('#') {
            let inner = holder.and_then(|holder| self.contained.get(&(holder.place, Cow::Borrowed(id))));
            return inner.and_then(|place| self.all.get(*place)).map_or(Target::Unknown, Target::Is);
        }
        let current = reference.split_once("/_history/").map_or(reference, |(current, _)| current);
        let base = holder.and_then(Indexed::base).filter(|_| !current.contains(':')).unwrap_or_default();
        let url = if base.is_empty() { Cow::Borrowed(current) } else { Cow::Owned(format!("{base}{current}")) };
        match self.by_url.get(&*url).and_then(|place| self.all.get((*place)?)) {
            Some(found) => Target::Is(found),
            None => target(current).map_or(Target::Unknown, |(kind, id)| self.named(kind, id)),
        }
    }

    /// The resource that an order is.
    #[must_use]
    pub fn holding(&self, order: &Order<'_>) -> Option<&Indexed<'k>> {
        let name = (Cow::Borrowed(&*order.resource.kind), Cow::Borrowed(&*order.resource.id));
        let places = self.by_name.get(&name).map(Vec::as_slice).unwrap_or_default();
        let named = || places.iter().filter_map(|place| self.all.get(*place));
        named().find(|one| one.is_at(&order.resource)).or_else(|| named().next())
    }

    /// Adds a resource and what it contains; its place, or that of the one that it is the same as.
    fn add(&mut self, resource: Resource<'k>, origin: Origin, value: Option<Arc<Value>>) -> Result<usize, Ambiguous> {
        if let Some(same) = self.same(&resource, origin)? {
            self.names(resource.full_url.as_ref(), same);
            return Ok(same);
        }
        let place = self.all.len();
        self.names(resource.full_url.as_ref(), place);
        if !resource.id.is_empty() {
            self.by_name.entry((resource.kind.clone(), resource.id.clone())).or_default().push(place);
        }
        self.by_kind.entry(resource.kind.clone()).or_default().push(place);
        let contents = resource.view.get("contained");
        let checked = value.map_or_else(OnceLock::new, |value| OnceLock::from(Ok(value)));
        self.all.push(Indexed { resource, origin, place, holder: None, checked });
        for view in contents.into_iter().flat_map(super::json::View::items) {
            let (resource, inner) = (super::resource(view), self.all.len());
            self.contained.entry((place, resource.id.clone())).or_insert(inner);
            let checked = OnceLock::new();
            self.all.push(Indexed { resource, origin, place: inner, holder: Some(place), checked });
        }
        Ok(place)
    }

    /// Notes the `fullUrl` of the resource at a place. One that different resources have leads to none of them.
    fn names(&mut self, url: Option<&Cow<'k, str>>, place: usize) {
        let Some(url) = url else { return };
        let noted = self.by_url.entry(url.clone()).or_insert(Some(place));
        *noted = noted.filter(|first| *first == place);
    }

    /// The place of the resource that another one is, if it is in the index already.
    fn same(&self, resource: &Resource<'k>, origin: Origin) -> Result<Option<usize>, Ambiguous> {
        let name = (resource.kind.clone(), resource.id.clone());
        let places = self.by_name.get(&name).map(Vec::as_slice).unwrap_or_default();
        let (value, mut twins) = (OnceLock::new(), places.len() >= MOST_NAMESAKES);
        for place in places {
            let Some(other) = self.all.get(*place) else { continue };
            let apart = match (&other.resource.full_url, &resource.full_url) {
                (Some(one), Some(another)) => one != another,
                _ => false,
            };
            // An order is as the context has it. What was sent is as it was sent, whatever the EHR says when it is asked.
            let is_order = other.origin == Origin::Context && hook::ORDERS.contains(&&*resource.kind);
            if is_order || origin == Origin::Fetched && !apart || other.says_the_same(resource, &value) {
                return Ok(Some(*place));
            }
            twins |= !apart;
        }
        if twins { Err(Ambiguous) } else { Ok(None) }
    }
}

untold!(Index<'_>, Indexed<'_>, Target<'_, '_>);
