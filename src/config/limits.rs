//! What one request may cost, one client may take, and all of them together: each bound with its reason.

use serde::{Deserialize, Serialize};

/// Bounds on what one request may cost. Nothing in the server is unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body. The largest public request is 16 KB; this leaves 128 times as much.
    pub body_bytes: usize,
    /// Seconds in which a whole body must have come: a body that drips holds a connection and its memory.
    pub body_seconds: u64,
    /// Nesting of JSON. Public requests go to 13; deeper than this only costs stack.
    pub depth: usize,
    /// Values in a body. `[0,0,…]` in 2 MiB would be a million, at 16 to 64 times its bytes in memory.
    pub nodes: usize,
    /// Orders in one request: each costs a decision and an answer.
    pub orders: usize,
    /// Distinct codes of one order, wherever they stand in it: its own, those of its billing options, of its parts and of what
    /// it refers to. Orders from the field have up to a dozen, and each code is compared with the policies'.
    pub codes: usize,
    /// References of one request that are looked up. An order has about ten, of which most name what others name too.
    pub references: usize,
    /// Questions that one request may put to the EHR. A request that brings nothing asks about ten for its first order, and
    /// few for each other; a question over the bound is not asked, and what it would have told is open.
    pub questions: usize,
    /// Bytes of all replies of the EHR to one request: four of the longest. What comes after them is not read, and what it
    /// would have told is open.
    pub reply_bytes: usize,
    /// Determinations in one answer: one for each order and each of its billing codes. Fifty orders with ten codes each.
    pub determinations: usize,
    /// Milliseconds that making one answer may take beside what is waited for. A usual answer takes one; whatever takes a
    /// thousand is no order.
    pub cpu_millis: u64,
    /// Bytes of a body above which it is answered on a thread of its own kind, so that a worker goes on with others. Below,
    /// the change of threads would cost more than it saves. 0 for every body.
    pub large_body_bytes: usize,
    /// Requests being answered at once: beyond that, saying so at once is better than a queue nobody sees.
    pub in_flight: usize,
    /// Bytes of all bodies that have come, or are coming, and are not answered yet: 512 usual ones are 8 MiB, and of the
    /// longest there are 32, each worked on at several times its bytes.
    pub bytes_in_flight: usize,
    /// How much of the places and of the bytes in flight one registered client may have, in percent: there is always room for
    /// others. 100 for all.
    pub client_share: usize,
    /// Connections at once: ten thousand that are slow and good ones beside them, at some 25 KB each. Fewer where the process
    /// may not open as many files; more wait in the system until one of these is closed.
    pub connections: usize,
    /// Connections at once from one address that is no proxy's. Each may hold a head of up to 128 KiB before anybody knows who
    /// calls, so that one address has at most 32 MiB. 0 for any.
    pub connections_per_address: usize,
    /// Calls of one registered client in a minute: a hundred a second are more than any hospital signs. 0 for any.
    pub client_per_minute: u32,
    /// Tokens from one address in a minute that let nobody in, before its next is not looked at. 0 for any.
    pub failures_per_minute: u32,
    /// Tokens that were used and are not over, about 60 bytes each: none is forgotten, as it could be used again. A client
    /// at its bound has 36,000 of six minutes.
    pub live_tokens: usize,
}

impl Limits {
    /// Bounds on a text that is read by itself: its nesting, and its values. Nothing is decided of it, so that the bounds of
    /// deciding are out of reach.
    #[must_use]
    pub const fn of_text(depth: usize, nodes: usize) -> Self {
        Self {
            body_bytes: usize::MAX,
            body_seconds: 0,
            depth,
            nodes,
            orders: 0,
            codes: usize::MAX,
            references: usize::MAX,
            questions: usize::MAX,
            reply_bytes: usize::MAX,
            determinations: usize::MAX,
            cpu_millis: u64::MAX,
            large_body_bytes: usize::MAX,
            in_flight: 0,
            bytes_in_flight: 0,
            client_share: 100,
            connections: 0,
            connections_per_address: 0,
            client_per_minute: 0,
            failures_per_minute: 0,
            live_tokens: 0,
        }
    }
}
