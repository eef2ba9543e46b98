//! What an operator has to look at, judged by the last minutes and by what the parts of the server say of themselves.

use serde::Serialize;

use super::words::count;
use super::{Operations, rows};
use crate::telemetry::recent::{JUDGED, Tally};

/// Something that an operator has to look at, and where the page tells of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    text: String,
    section: &'static str,
}

/// How a server does.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Judged {
    /// What keeps most calls, or all, from being answered.
    grave: Vec<Trouble>,
    /// What is wrong beside that.
    troubles: Vec<Trouble>,
    /// Whether there were calls to judge it by.
    is_known: bool,
    /// Over how many minutes calls are judged.
    minutes: i64,
}

/// A part of at least one in so many is told.
const TOLD: u64 = 10;

/// A part of at least one in so many is most of it: not less than half.
const MOST: u64 = 2;

impl Judged {
    pub(super) fn of(said: &Operations<'_>) -> Self {
        let mut judged = Self { minutes: JUDGED, ..Self::default() };
        judged.ledger(said);
        match &said.recent {
            Some(recent) => {
                judged.is_known = recent.last.calls() > 0;
                judged.calls(&recent.last);
                judged.answers(&recent.last);
            }
            None => judged.grave("traffic", "Nothing is counted, so how calls are answered is not known."),
        }
        if said.in_flight >= said.most_in_flight {
            judged.trouble("traffic", "As many calls are being answered as there may be; others are refused.");
        }
        for origin in &said.left_alone {
            judged.trouble("ehrs", format!("The EHR at {origin} kept failing and is not asked now."));
        }
        if said.reload_failed {
            judged.trouble("policies", "The policy folder has changed and is not proved; the set before it serves.");
        }
        if said.clients_reload_failed {
            judged
                .trouble("clients", "The registrations of clients have changed and have a fault; those before serve.");
        }
        for client in said.clients.iter().flatten().filter(|client| rows::has_failed(client)) {
            judged.trouble("clients", format!("The keys of {} cannot be fetched.", client.client));
        }
        judged
    }

    fn ledger(&mut self, said: &Operations<'_>) {
        if said.ledger.ready.is_err() {
            self.grave("ledger", "The ledger is not ready, so that hooks are not answered.");
        } else if said.ledger.nodes.is_none() {
            self.trouble("ledger", "The ledger does not say which records it has.");
        }
    }

    /// Why calls were refused.
    fn calls(&mut self, last: &Tally) {
        let calls = last.calls();
        self.share("refusals", last.client, calls, TOLD, "calls were refused for what the caller sent or who it is");
        self.share("refusals", last.ehr, calls, TOLD, "calls were refused because of an EHR");
        // None of these is ordinary, so that one is enough.
        self.share("refusals", last.server, calls, u64::MAX, "calls failed through a fault of this server");
        self.share("refusals", last.full, calls, u64::MAX, "calls found no place");
        self.share("ledger", last.ledger, calls, u64::MAX, "calls were refused because the ledger did not keep them");
        if last.unkept > last.ledger {
            self.trouble("ledger", format!("{} records were not kept {}.", count(last.unkept), lately()));
        }
    }

    /// What the answers were worth.
    fn answers(&mut self, last: &Tally) {
        self.share("outcomes", last.indeterminate, last.determined, TOLD, "decisions were indeterminate");
        self.share("ehrs", last.unanswered, last.asked, TOLD, "questions to EHRs were not answered");
    }

    /// Tells of a part that is one in so many of the whole or more.
    fn share(&mut self, section: &'static str, part: u64, whole: u64, one_in: u64, what: &str) {
        let is_one_in = |many: u64| part > 0 && part.saturating_mul(many) >= whole;
        let text = || format!("{} of {} {what} {}.", count(part), count(whole), lately());
        if is_one_in(MOST) {
            self.grave(section, text());
        } else if is_one_in(one_in) {
            self.trouble(section, text());
        }
    }

    fn grave(&mut self, section: &'static str, text: impl Into<String>) {
        self.grave.push(Trouble { text: text.into(), section });
    }

    fn trouble(&mut self, section: &'static str, text: impl Into<String>) {
        self.troubles.push(Trouble { text: text.into(), section });
    }
}

fn lately() -> String {
    format!("in the last {JUDGED} minutes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(last: &Tally) -> (usize, usize) {
        let mut judged = Judged::default();
        judged.calls(last);
        judged.answers(last);
        (judged.grave.len(), judged.troubles.len())
    }

    #[test]
    fn shares_decide_and_not_single_calls_of_others() {
        let tally = Tally { answered: 91, client: 9, ..Tally::default() };
        assert_eq!(judged(&tally), (0, 0));
        assert_eq!(judged(&Tally { client: 11, ..tally }), (0, 1));
        assert_eq!(judged(&Tally { client: 91, ..tally }), (1, 0));
        assert_eq!(judged(&Tally { ehr: 100, client: 0, ..tally }), (1, 0));
        let decided = Tally { determined: 10, indeterminate: 5, asked: 10, unanswered: 1, ..tally };
        assert_eq!(judged(&decided), (1, 1));
        assert_eq!(judged(&Tally::default()), (0, 0));
    }

    #[test]
    fn one_fault_of_our_own_is_told() {
        let tally = Tally { answered: 100_000, ..Tally::default() };
        for one in [
            Tally { server: 1, ..tally },
            Tally { full: 1, ..tally },
            Tally { ledger: 1, unkept: 1, ..tally },
            Tally { unkept: 1, ..tally },
        ] {
            assert_eq!(judged(&one), (0, 1), "{one:?}");
        }
        assert_eq!(judged(&Tally { answered: 1, server: 1, ..tally }), (1, 0));
    }
}
