//! The settings of the pages: what people are shown in a browser.

use serde::Deserialize;

use super::list;

/// What people are shown in a browser, beside the policies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagesSettings {
    /// Whether there is an order desk. Where clients are registered there is none unless it is said: its calls are not
    /// signed, so that this server would not answer them.
    pub desk: bool,
    /// Origins of other CDS Hooks servers that the desk may call, each as a browser writes it.
    #[serde(default, deserialize_with = "list")]
    pub desk_servers: Vec<String>,
}
