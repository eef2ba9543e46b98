//! Where the pages of policies are: the same addresses that cards link to.

use crate::render::links;

/// The path of a policy's page, or of one version's: `/policies/633/2020-11`.
pub(super) fn path(number: &str, version: Option<&str>) -> String {
    links::page(HERE, number, version, None).map_or_else(|| LIST.to_owned(), |url| url.path().to_owned())
}

/// What leads to an action's place from within its page: `#inpatient`.
pub(super) fn fragment(action: &str) -> Option<String> {
    Some(format!("#{}", links::page(HERE, "", None, Some(action))?.fragment()?))
}

/// Any address does: only what follows it is used.
const HERE: &str = "http://localhost";

const LIST: &str = "/policies";
