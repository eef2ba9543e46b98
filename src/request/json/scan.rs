//! The one pass over a body.

use crate::config::Limits;

/// Why a text is not JSON that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFault {
    /// Not one JSON object in UTF-8.
    Syntax,
    /// Nested too deep.
    Depth,
    /// Two members of one object have the same name.
    Duplicate,
    /// Too many values.
    Nodes,
    /// A control character other than tab, line feed and carriage return.
    Control,
}

/// Where and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Why.
    pub fault: JsonFault,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    /// Without escapes: its bytes are its text.
    String,
    Escaped,
    Number,
    /// `true`, `false`, `null`
    Literal,
}

/// A value's place. The members of an object stand after it as name, value, name, value; the items of an array likewise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The node after this value and all that is in it.
    pub(super) next: u32,
}

impl Node {
    /// What is looked at where there is nothing.
    pub(super) const NOTHING: Self = Self { kind: Kind::Literal, start: 0, end: 0, next: 0 };
}

/// Nobody's setting makes the scan use more stack than this many levels.
const DEEPEST: usize = 256;

/// Objects with more members than this have their names sorted to find two of a kind, not compared each with each.
const FEW: usize = 16;

/// Checks a body and notes where its values are.
pub(super) fn scan<'b>(body: &'b [u8], limits: &Limits) -> Result<(&'b str, Vec<Node>), JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| at(body, error.valid_up_to(), JsonFault::Syntax))?;
    let mut scan = Scan { text: body, at: 0, nodes: Vec::with_capacity(body.len() / 24), left: limits.nodes };
    let depth = limits.depth.min(DEEPEST);
    match scan.whole(depth) {
        Ok(()) if u32::try_from(body.len()).is_ok() => Ok((text, scan.nodes)),
        Ok(()) => Err(at(body, 0, JsonFault::Nodes)),
        Err(fault) => Err(at(body, scan.at, fault)),
    }
}

fn at(body: &[u8], offset: usize, fault: JsonFault) -> JsonError {
    let before = body.get(..offset).unwrap_or(body);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    JsonError { fault, line, column }
}

/// How many bytes of a string come before its end, an escape or a control character.
fn plain(rest: &[u8]) -> Option<usize> {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    // Most strings are short; a narrative is worth setting out for.
    let near = rest.get(..SHORT).unwrap_or(rest);
    if let Some(found) = near.iter().position(special) {
        return Some(found);
    }
    let far = rest.get(SHORT..)?;
    let end = memchr::memchr2(b'"', b'\\', far)?;
    let before = far.get(..end).unwrap_or_default();
    let control = if before.iter().any(|byte| *byte < 0x20) { before.iter().position(special) } else { None };
    Some(SHORT + control.unwrap_or(end))
}

/// Strings up to so many bytes are looked through byte by byte.
const SHORT: usize = 24;

struct Scan<'b> {
    text: &'b [u8],
    at: usize,
    nodes: Vec<Node>,
    /// How many more values there may be. Names of members are noted too, and are at most as many.
    left: usize,
}

type Scanned<T> = Result<T, JsonFault>;

impl Scan<'_> {
    fn whole(&mut self, depth: usize) -> Scanned<()> {
        self.space();
        if self.peek() != Some(b'{') {
            return Err(JsonFault::Syntax);
        }
        self.value(depth)?;
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(JsonFault::Syntax) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// Begins a node; its end is not known yet.
    fn open(&mut self, kind: Kind) -> Scanned<usize> {
        let start = u32::try_from(self.at).map_err(|_| JsonFault::Nodes)?;
        self.nodes.push(Node { kind, start, ..Node::NOTHING });
        Ok(self.nodes.len() - 1)
    }

    fn close(&mut self, index: usize) -> Scanned<()> {
        let next = u32::try_from(self.nodes.len()).map_err(|_| JsonFault::Nodes)?;
        let end = u32::try_from(self.at).map_err(|_| JsonFault::Nodes)?;
        if let Some(node) = self.nodes.get_mut(index) {
            (node.end, node.next) = (end, next);
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Scanned<()> {
        self.left = self.left.checked_sub(1).ok_or(JsonFault::Nodes)?;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(depth.checked_sub(1).ok_or(JsonFault::Depth)?),
            Some(b'[') => self.array(depth.checked_sub(1).ok_or(JsonFault::Depth)?),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(JsonFault::Syntax),
        }
    }

    fn object(&mut self, depth: usize) -> Scanned<()> {
        let index = self.open(Kind::Object)?;
        self.at += 1;
        self.space();
        let mut members = 0;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return self.close(index);
        }
        loop {
            self.space();
            let name = self.nodes.len();
            if self.peek() != Some(b'"') {
                return Err(JsonFault::Syntax);
            }
            self.string()?;
            if members < FEW && self.stood_before(index, name) {
                return Err(JsonFault::Duplicate);
            }
            members += 1;
            self.space();
            if self.next() != Some(b':') {
                return Err(JsonFault::Syntax);
            }
            self.space();
            self.value(depth)?;
            self.space();
            match self.next() {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err(JsonFault::Syntax),
            }
        }
        if members > FEW && self.twice(index) {
            return Err(JsonFault::Duplicate);
        }
        self.close(index)
    }

    fn array(&mut self, depth: usize) -> Scanned<()> {
        let index = self.open(Kind::Array)?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.close(index);
        }
        loop {
            self.space();
            self.value(depth)?;
            self.space();
            match self.next() {
                Some(b',') => {}
                Some(b']') => break,
                _ => return Err(JsonFault::Syntax),
            }
        }
        self.close(index)
    }

    fn string(&mut self) -> Scanned<()> {
        let index = self.open(Kind::String)?;
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            self.at += plain(rest).ok_or(JsonFault::Syntax)?;
            match self.next() {
                Some(b'"') => return self.close(index),
                Some(b'\\') => {
                    self.escape()?;
                    if let Some(node) = self.nodes.get_mut(index) {
                        node.kind = Kind::Escaped;
                    }
                }
                _ => return Err(JsonFault::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Scanned<()> {
        match self.next() {
            Some(b'"' | b'\\' | b'/' | b'n' | b'r' | b't') => Ok(()),
            Some(b'b' | b'f') => Err(JsonFault::Control),
            Some(b'u') => match self.hex()? {
                0..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f => Err(JsonFault::Control),
                0xd800..=0xdbff => {
                    let second = self.next() == Some(b'\\') && self.next() == Some(b'u');
                    if second && matches!(self.hex()?, 0xdc00..=0xdfff) { Ok(()) } else { Err(JsonFault::Syntax) }
                }
                0xdc00..=0xdfff => Err(JsonFault::Syntax),
                _ => Ok(()),
            },
            _ => Err(JsonFault::Syntax),
        }
    }

    fn hex(&mut self) -> Scanned<u32> {
        (0..4).try_fold(0, |code, _| {
            let digit = self.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(JsonFault::Syntax)?;
            Ok(code * 16 + digit)
        })
    }

    fn number(&mut self) -> Scanned<()> {
        let index = self.open(Kind::Number)?;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.close(index)
    }

    /// At least one digit.
    fn digits(&mut self) -> Scanned<()> {
        let before = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > before { Ok(()) } else { Err(JsonFault::Syntax) }
    }

    fn literal(&mut self, word: &[u8]) -> Scanned<()> {
        let index = self.open(Kind::Literal)?;
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(JsonFault::Syntax);
        }
        self.at += word.len();
        self.close(index)
    }

    /// Whether the name at `name` stood in this object before.
    fn stood_before(&self, object: usize, name: usize) -> bool {
        let this = self.nodes.get(name).copied().unwrap_or(Node::NOTHING);
        self.names(object, name).any(|other| match (this.kind, other.kind) {
            (Kind::String, Kind::String) => {
                this.end - this.start == other.end - other.start && self.bytes(this) == self.bytes(other)
            }
            _ => self.decoded(this) == self.decoded(other),
        })
    }

    /// Whether any name stands twice in an object of many members.
    fn twice(&self, object: usize) -> bool {
        let mut names: Vec<_> = self.names(object, self.nodes.len()).map(|name| self.decoded(name)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        names.len() < count
    }

    /// The names of an object's members that stand before a node.
    fn names(&self, object: usize, before: usize) -> impl Iterator<Item = Node> {
        let mut at = object + 1;
        std::iter::from_fn(move || {
            let name = (at < before).then(|| self.nodes.get(at).copied())??;
            at = self.nodes.get(at + 1)?.next as usize;
            Some(name)
        })
    }

    fn bytes(&self, node: Node) -> &[u8] {
        self.text.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    fn decoded(&self, name: Node) -> String {
        serde_json::from_slice(self.bytes(name)).unwrap_or_default()
    }
}
