//! Asks for real: the EHR's FHIR server by the way that a request opens, and the payer's member directory.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::ehr::{Ehr, Way};
use super::learned::{Directory, Failure, LookupFailed, MemberQuery, MemberReply, Query, Reply, Source};
use crate::auth::Caller;
use crate::request::Invocation;
use crate::request::hook::Hook;
use crate::telemetry;

/// Whoever can be asked for one request.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The EHRs' FHIR servers.
    pub ehr: &'a Ehr,
    /// The member directory, if there is one.
    pub directory: Option<&'a dyn Directory>,
    /// Whose call it is.
    pub caller: &'a Caller,
    /// The FHIR servers that may be asked for it; any that is registered, if nothing is said.
    pub servers: Option<&'a [String]>,
    /// When the request came.
    pub received: Instant,
    /// The address that this server is reached under, if it knows.
    pub address: Option<&'a str>,
}

/// The source of one request.
pub struct Live<'a> {
    asked: Asked<'a>,
    /// Nothing where the request opens no way.
    way: Option<Result<Way, Failure>>,
    /// Whether the server of the request is one that is registered for the client.
    registered: bool,
}

impl<'a> Asked<'a> {
    /// The source for a request.
    #[must_use]
    pub fn of(self, invocation: &Invocation<'_>) -> Live<'a> {
        let server = invocation.fhir_server.as_deref();
        let way = server.zip(invocation.access.as_ref()).map(|(server, access)| {
            if self.servers.is_some_and(|servers| !servers.iter().any(|own| is_same(own, server))) {
                telemetry::ehr_not_registered();
                return Err(Failure::NotRegistered);
            }
            let mut way = self.ehr.way(server, access, &invocation.patient_id, self.caller, self.received)?;
            // What is asked early is there when the order is signed; an order itself is never taken from memory.
            way.may_fill_warm = matches!(invocation.hook, Hook::OrderSelect | Hook::EncounterStart);
            way.may_read_warm = invocation.hook == Hook::OrderSign;
            Ok(way)
        });
        let is_own = |server: &str| self.servers.is_none_or(|servers| servers.iter().any(|own| is_same(own, server)));
        let registered = server.is_some_and(|server| is_own(server) && self.ehr.is_registered(server));
        Live { asked: self, way, registered }
    }
}

/// Whether two writings name one server: a slash at the end says nothing. [`Ehr::way`] looks at the rest.
fn is_same(own: &str, server: &str) -> bool {
    own.trim_end_matches('/') == server.trim_end_matches('/')
}

impl Source for Live<'_> {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        let all = |failure| std::future::ready(vec![Reply::Failed(failure); queries.len()]).boxed();
        match &self.way {
            Some(Ok(way)) => {
                let until = self.asked.ehr.deadline(self.asked.received);
                self.asked.ehr.ask(way, queries, until).boxed()
            }
            Some(Err(failure)) => all(*failure),
            None => all(Failure::Unreachable),
        }
    }

    fn can_ask(&self) -> bool {
        self.way.is_some()
    }

    fn member<'s>(&'s self, query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        match self.asked.directory {
            Some(directory) => directory.find(query),
            None => std::future::ready(Err(LookupFailed)).boxed(),
        }
    }

    fn has_members(&self) -> bool {
        self.asked.directory.is_some_and(Directory::is_there)
    }

    fn is_registered(&self) -> bool {
        self.registered
    }

    fn address(&self) -> Option<&str> {
        self.asked.address
    }
}
