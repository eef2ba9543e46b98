//! The base of a FHIR server: the only place a token goes. Parsed URLs are compared, whole, and never by how they begin.

use std::net::IpAddr;

use url::{Host, Url};

use crate::config::EhrSettings;
use crate::gather::learned::Query;
use crate::outbound::is_public;

/// Ids are at most 64 characters by the standard; some servers' are longer.
const LONGEST_ID: usize = 255;

/// A link is at most so many bytes long: servers and what stands between cut longer ones.
const LONGEST_LINK: usize = 2048;

/// Why a text is not a base that may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    NotABase,
    PlainHttp,
    Private,
}

/// A base URL without what a URL can carry beside a place, and without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Base(Url);

impl Base {
    pub(super) fn parse(text: &str, settings: &EhrSettings) -> Result<Self, Unfit> {
        let mut url = Url::parse(text).map_err(|_| Unfit::NotABase)?;
        if !matches!(url.scheme(), "http" | "https") || carries_more(&url) || url.query().is_some() {
            return Err(Unfit::NotABase);
        }
        if url.scheme() == "http" && !settings.allow_http {
            return Err(Unfit::PlainHttp);
        }
        // Names are looked at when they are resolved; an address, in whatever form it was written, is not resolved.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(Unfit::NotABase),
        };
        if address.is_some_and(|address| !settings.allow_private && !is_public(address)) {
            return Err(Unfit::Private);
        }
        let path = url.path().strip_suffix('/').unwrap_or(url.path()).to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    pub(super) fn is_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Scheme, host and port: what is logged, and what fails together.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where a question is asked, if it is one that cannot lead elsewhere.
    pub(super) fn url_of(&self, query: &Query) -> Option<Url> {
        let kind = named(query.kind(), char::is_alphabetic)?;
        let mut url = self.0.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push(kind);
        match query {
            Query::Read { id, .. } => {
                let id = named(id, |letter| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_'))?;
                url.path_segments_mut().ok()?.push(id);
            }
            Query::Search { parameters, .. } => {
                url.query_pairs_mut().extend_pairs(parameters);
            }
            Query::Page { url, .. } => return self.next(url),
        }
        Some(url)
    }

    /// The place of a next page, if it is on this server.
    pub(super) fn next(&self, text: &str) -> Option<Url> {
        let short = (1..=LONGEST_LINK).contains(&text.len());
        self.link(text).filter(|url| short && self.holds(url))
    }

    /// A link in a reply, which may be relative to the base.
    pub(super) fn link(&self, text: &str) -> Option<Url> {
        let mut directory = self.0.clone();
        directory.path_segments_mut().ok()?.pop_if_empty().push("");
        directory.join(text).ok()
    }

    /// Whether a URL is on this server: the same origin, and a path at or below the base.
    pub(super) fn holds(&self, url: &Url) -> bool {
        let base = self.0.path().trim_end_matches('/');
        let below = url.path().strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below && url.origin() == self.0.origin() && !carries_more(url)
    }
}

/// Whether a URL has a user, a password or a fragment.
fn carries_more(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some() || url.fragment().is_some()
}

/// A segment of a path that is a name, and not a way up or a second segment.
fn named(segment: &str, may_have: impl Fn(char) -> bool) -> Option<&str> {
    let named = segment.len() <= LONGEST_ID && segment.chars().all(|letter| letter.is_ascii() && may_have(letter));
    (named && !matches!(segment, "" | "." | "..")).then_some(segment)
}

#[cfg(test)]
mod tests;
