//! Strict, bounded JSON: one pass that refuses what parsers disagree on and notes where every value stands.
//!
//! A library parser would keep the last of two members of one name, read the text once for each level that is looked
//! into, and copy what only has to be handed back. Here a body is read once; after that every value is found by its
//! place, and its bytes are the sender's.

mod scan;

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

pub use scan::{JsonError, JsonFault};

use crate::config::Limits;
use scan::{Kind, Node};

/// A text that was scanned: it is one object, unambiguous, not too deep and not too large.
pub struct Json<'b> {
    text: &'b str,
    nodes: Vec<Node>,
}

impl<'b> Json<'b> {
    /// Checks a whole body.
    ///
    /// # Errors
    /// The first [`JsonFault`], and where.
    pub fn scan(body: &'b [u8], limits: &Limits) -> Result<Self, JsonError> {
        let (text, nodes) = scan::scan(body, limits)?;
        Ok(Self { text, nodes })
    }

    /// The whole object.
    #[must_use]
    pub fn root(&self) -> View<'_> {
        View { json: self, index: 0 }
    }

    fn node(&self, index: usize) -> Node {
        self.nodes.get(index).copied().unwrap_or(Node::NOTHING)
    }

    fn slice(&self, node: Node) -> &'b str {
        self.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }
}

/// A value, by its place in the text.
#[derive(Clone, Copy)]
pub struct View<'j> {
    json: &'j Json<'j>,
    index: usize,
}

impl<'j> View<'j> {
    fn node(self) -> Node {
        self.json.node(self.index)
    }

    /// Its bytes.
    #[must_use]
    pub fn raw(self) -> &'j str {
        self.json.slice(self.node())
    }

    /// Where its first byte stands in another value that it is part of.
    #[must_use]
    pub fn offset_in(self, outer: Self) -> usize {
        (self.node().start as usize).saturating_sub(outer.node().start as usize)
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.raw() == "null"
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.node().kind == Kind::Object
    }

    /// Whether it is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        self.node().kind == Kind::Array
    }

    /// Its text, if it is a string.
    #[must_use]
    pub fn str(self) -> Option<Cow<'j, str>> {
        let inside = |raw: &'j str| raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        match self.node().kind {
            Kind::String => Some(Cow::Borrowed(inside(self.raw()))),
            Kind::Escaped => serde_json::from_str(self.raw()).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// The members of an object, in the order of the text; none if it is none.
    pub fn members(self) -> impl Iterator<Item = (Cow<'j, str>, Self)> {
        let mut values = self.children(Kind::Object);
        std::iter::from_fn(move || Some((values.next()?.str().unwrap_or_default(), values.next()?)))
    }

    /// The items of an array; none if it is none.
    pub fn items(self) -> impl Iterator<Item = Self> {
        self.children(Kind::Array)
    }

    /// A member of an object.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        self.members().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    fn children(self, kind: Kind) -> impl Iterator<Item = Self> {
        let node = self.node();
        let end = if node.kind == kind { node.next as usize } else { 0 };
        let mut at = self.index + 1;
        std::iter::from_fn(move || {
            let child = (at < end).then_some(Self { json: self.json, index: at })?;
            at = child.node().next as usize;
            Some(child)
        })
    }

    /// The value, as schemas and facts look at it.
    #[must_use]
    pub fn value(self) -> Value {
        self.value_but(|_| true)
    }

    /// The value of an object without the members that `keep` does not want.
    #[must_use]
    pub fn value_but(self, keep: impl Fn(&str) -> bool) -> Value {
        match self.node().kind {
            Kind::Object => {
                let kept = self.members().filter(|(name, _)| keep(name));
                Value::Object(kept.map(|(name, value)| (name.into_owned(), value.value())).collect::<Map<_, _>>())
            }
            Kind::Array => Value::Array(self.items().map(Self::value).collect()),
            Kind::String | Kind::Escaped => Value::String(self.str().unwrap_or_default().into_owned()),
            // Its text is kept, however long it is (FAULTS J05).
            Kind::Number => serde_json::from_str::<Number>(self.raw()).map_or(Value::Null, Value::Number),
            Kind::Literal => match self.raw() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::Null,
            },
        }
    }

    /// An object without its members, an array without its items, anything else as it is.
    #[must_use]
    pub fn outline(self) -> Value {
        match self.node().kind {
            Kind::Object => Value::Object(Map::new()),
            Kind::Array => Value::Array(Vec::new()),
            _ => self.value(),
        }
    }
}

untold!(Json<'_>, View<'_>);

#[cfg(test)]
mod tests;
