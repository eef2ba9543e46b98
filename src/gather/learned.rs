//! What was learnt beside the request: questions to the EHR's FHIR server and the member directory, and their answers.
//!
//! Plain data. It is kept with the answer, so that the same answer can be made again without asking anybody.

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::decide::facts::Standing;

/// A question to the EHR's FHIR server, relative to its base.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Query {
    /// `GET Location/1`
    Read {
        /// `Location`
        kind: String,
        /// `1`
        id: String,
    },
    /// `GET Coverage?patient=1&status=active`
    Search {
        /// `Coverage`
        kind: String,
        /// Names and values of the parameters; a value may list several with commas.
        parameters: Vec<(String, String)>,
    },
    /// The rest of a search whose first page was sent: from this page on.
    Page {
        /// `Coverage`
        kind: String,
        /// Where the page is. It is asked for only if that is on the EHR's own server.
        url: String,
    },
}

impl Query {
    /// A read.
    #[must_use]
    pub fn read(kind: &str, id: &str) -> Self {
        Self::Read { kind: kind.to_owned(), id: id.to_owned() }
    }

    /// A search.
    #[must_use]
    pub fn search(kind: &str, parameters: &[(&str, &str)]) -> Self {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::Search { kind: kind.to_owned(), parameters }
    }

    /// The rest of a search for a type, from a page on.
    #[must_use]
    pub fn page(kind: &str, url: &str) -> Self {
        Self::Page { kind: kind.to_owned(), url: url.to_owned() }
    }

    /// The type of resource that is asked for.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Read { kind, .. } | Self::Search { kind, .. } | Self::Page { kind, .. } => kind,
        }
    }
}

/// Why the EHR's FHIR server could not be asked, or its answer not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// The server is not one that is registered for this client, or not one that may be asked (FAULTS E09, E10, E11).
    NotRegistered,
    /// It refused the token: 401 or 403 (E01).
    Refused,
    /// The token's time is over, or will be before an answer (E12).
    Expired,
    /// No answer in time (E02, E03).
    Late,
    /// It cannot be reached, or answers with an error (E04).
    Unreachable,
    /// It has failed so often that it is not asked for a while (E04).
    Open,
    /// More bytes, pages or redirects than are followed (E03, E07, E08).
    TooMuch,
    /// Not the FHIR resource that was asked for (E05).
    Unreadable,
    /// Another patient's data (E05).
    OtherPatient,
    /// It did not search as it was asked to (E06).
    Ignored,
}

/// What came of a question.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The bodies, each JSON text of one object: a resource, or the pages of a search.
    Found(Vec<String>),
    /// There is no such resource: 404 or 410 to a read.
    Nothing,
    /// It could not be learnt.
    Failed(Failure),
}

/// How a patient and a coverage are looked up in the payer's member directory.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct MemberQuery {
    /// `Patient.identifier`: system and value.
    pub identifiers: Vec<(String, String)>,
    /// Family names.
    pub family: Vec<String>,
    /// Given names.
    pub given: Vec<String>,
    /// The whole date of birth.
    pub birth_date: Option<Date>,
    /// The day of the request, which tells a coverage from the one that it took the place of.
    #[serde(default)]
    pub on: Option<Date>,
    /// What the Coverage says of its subscriber and itself: `subscriberId`, `identifier.value`.
    pub numbers: Vec<String>,
    /// The member numbers that were sent (identifiers of type `MB`, of the Patient and the Coverage): system, if there is
    /// one, and value. A person who has none of them is not meant. `None` in entries that were recorded before this was asked.
    #[serde(default)]
    pub member_numbers: Option<Vec<(Option<String>, String)>>,
}

impl MemberQuery {
    /// Whether a recorded query asked the same, as far as it could then.
    fn was_asked_by(&self, recorded: &Self) -> bool {
        match recorded.member_numbers {
            Some(_) => self == recorded,
            None => Self { member_numbers: None, ..self.clone() } == *recorded,
        }
    }
}

/// Tells nothing of the person.
impl fmt::Debug for MemberQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberQuery({} identifiers, {} numbers)", self.identifiers.len(), self.numbers.len())
    }
}

/// What the directory says; an error is technical, never "not found".
pub type MemberReply = Result<Standing, LookupFailed>;

/// The directory could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupFailed;

/// Everything that was learnt for one answer.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Learned {
    /// Whether the EHR could be asked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub could_ask: bool,
    /// Whether there was a member directory.
    #[serde(default, skip_serializing_if = "is_false")]
    pub had_members: bool,
    /// What the EHR was asked, in the order it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<(Query, Reply)>,
    /// What the member directory was asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<(MemberQuery, MemberReply)>,
    /// What it was asked beside that: one question for each day of service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<(MemberQuery, MemberReply)>,
    /// Whether the EHR's FHIR server is a registered one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub registered: bool,
    /// The address that this server was reached under, if it knew: cards led to its pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Learned {
    /// What the member directory said to a question, if it was asked.
    #[must_use]
    pub fn look_up(&self, query: &MemberQuery) -> Option<&MemberReply> {
        let mut all = self.member.iter().chain(&self.members);
        all.find(|(asked, _)| query.was_asked_by(asked)).map(|(_, reply)| reply)
    }

    /// Keeps what the member directory said.
    pub fn keep_look_up(&mut self, query: MemberQuery, reply: MemberReply) {
        match &self.member {
            None => self.member = Some((query, reply)),
            Some(_) => self.members.push((query, reply)),
        }
    }
}

/// Most requests have nothing to learn: what is not so is not written.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// Where what the request lacks can be learnt: the EHR and the directory, a record of what they said, or nowhere.
pub trait Source: Send + Sync {
    /// Asks the EHR's FHIR server, all at once; a reply for each question, in their order.
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>>;

    /// Whether the EHR's FHIR server can be asked at all: it said where it is, and gave a token.
    fn can_ask(&self) -> bool;

    /// Asks the member directory.
    fn member<'s>(&'s self, query: &'s MemberQuery) -> BoxFuture<'s, MemberReply>;

    /// Whether there is a member directory.
    fn has_members(&self) -> bool;

    /// Whether the EHR's FHIR server is one that is registered: its ids are of its own patients alone.
    fn is_registered(&self) -> bool {
        false
    }

    /// The address that this server is reached under, such as `https://crd.payer.example`, if it knows.
    fn address(&self) -> Option<&str> {
        None
    }
}

/// A payer's member directory.
pub trait Directory: Send + Sync {
    /// Looks a patient and a coverage up; an error is technical.
    fn find<'d>(&'d self, query: &'d MemberQuery) -> BoxFuture<'d, MemberReply>;

    /// Whether it holds anything: before the first import nobody is looked up. Does not wait.
    fn is_there(&self) -> bool {
        true
    }
}

/// Nobody can be asked: what was sent is all there is.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Source for Nobody {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        std::future::ready(vec![Reply::Failed(Failure::Unreachable); queries.len()]).boxed()
    }

    fn can_ask(&self) -> bool {
        false
    }

    fn member<'s>(&'s self, _query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        std::future::ready(Err(LookupFailed)).boxed()
    }

    fn has_members(&self) -> bool {
        false
    }
}

/// A record says again what was said then. What was not asked then cannot be answered now.
impl Source for Learned {
    fn ask<'s>(&'s self, queries: &'s [Query]) -> BoxFuture<'s, Vec<Reply>> {
        let again = |query: &Query| {
            let said = self.asked.iter().find(|(asked, _)| asked == query);
            said.map_or(Reply::Failed(Failure::Unreachable), |(_, reply)| reply.clone())
        };
        std::future::ready(queries.iter().map(again).collect()).boxed()
    }

    fn can_ask(&self) -> bool {
        self.could_ask || !self.asked.is_empty()
    }

    fn member<'s>(&'s self, query: &'s MemberQuery) -> BoxFuture<'s, MemberReply> {
        std::future::ready(self.look_up(query).map_or(Err(LookupFailed), Clone::clone)).boxed()
    }

    fn has_members(&self) -> bool {
        self.had_members || self.member.is_some()
    }

    fn is_registered(&self) -> bool {
        self.registered
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

untold!(Query, Reply, Learned);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt;

    use super::{Learned, LookupFailed, MemberQuery, Source};
    use crate::decide::facts::Standing;

    #[test]
    fn what_was_recorded_before_member_numbers_were_asked_is_said_again() {
        let recorded = r#"{"member":[{"identifiers":[],"family":["A"],"given":[],"birth_date":null,"numbers":["1"]},
            {"Ok":"PersonUnknown"}]}"#;
        let recorded: Learned = serde_json::from_str(recorded).unwrap();
        let numbers = Some(vec![(None, "M1".to_owned())]);
        let query =
            MemberQuery { family: vec!["A".to_owned()], numbers: vec!["1".to_owned()], ..MemberQuery::default() };
        let now = MemberQuery { member_numbers: numbers.clone(), ..query };
        let said = |learned: &Learned, query: &MemberQuery| learned.member(query).now_or_never().unwrap();
        assert_eq!(said(&recorded, &now), Ok(Standing::PersonUnknown));
        let other = MemberQuery { family: Vec::new(), ..now.clone() };
        assert_eq!(said(&recorded, &other), Err(LookupFailed));
        // What is recorded now says what was asked.
        let asked = MemberQuery { member_numbers: Some(Vec::new()), ..now.clone() };
        let recorded = Learned { member: Some((asked, Ok(Standing::PersonUnknown))), ..Learned::default() };
        assert_eq!(said(&recorded, &now), Err(LookupFailed));
    }
}
