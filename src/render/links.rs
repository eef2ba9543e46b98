//! The links of a card: what the payer publishes, and second among them this server's page of the policy, at the passage.

use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use crate::policy::model::{Card, Link, Policy};

/// The links of a card as they are written.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Links<'a> {
    /// Those of the policy set, the same in every answer.
    Published(&'a RawValue),
    /// Those, with the page of this server.
    WithPage(Vec<Page<'a>>),
}

/// One of several links.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Page<'a> {
    Published(&'a Link),
    Own(Link),
}

/// The links of a card; none where it has none. A card that leads to the payer's documents leads to our page too, if it is
/// known where that is; one that instructs, offers or launches does not (CRD resp-19, resp-72).
pub(super) fn of<'a>(card: &'a Card, place: Option<(&Policy, &str)>, address: Option<&str>) -> Option<Links<'a>> {
    let (first, rest) = card.links.split_first()?;
    let leads = card.links.iter().all(|link| link.r#type == ABSOLUTE);
    let own = place.zip(address).filter(|_| leads).and_then(|((policy, action), base)| own(policy, action, base));
    let Some(own) = own else { return Some(Links::Published(card.written_links.raw())) };
    let rest = rest.iter().map(Page::Published);
    Some(Links::WithPage([Page::Published(first), Page::Own(own)].into_iter().chain(rest).collect()))
}

const ABSOLUTE: &str = "absolute";

/// The link to an action's place on its policy's page.
fn own(policy: &Policy, action: &str, base: &str) -> Option<Link> {
    policy.publication.as_ref()?;
    let url = page(base, &policy.number, Some(&policy.version), Some(action))?;
    Some(Link {
        label: format!("Policy {} as this server applies it", policy.number).into(),
        url: url.as_str().into(),
        r#type: ABSOLUTE,
        app_context: None,
    })
}

/// Where the page of a policy, of a version of it or of an action's passage is, under an address that this server is
/// reached under: `https://crd.payer.example/policies/633/2020-11#inpatient`. Nothing where that is no address.
#[must_use]
pub fn page(base: &str, number: &str, version: Option<&str>, action: Option<&str>) -> Option<Url> {
    let mut url = Url::parse(base).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().extend(["policies", number]).extend(version);
    url.set_fragment(action);
    Some(url)
}
