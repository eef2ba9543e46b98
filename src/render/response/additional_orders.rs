//! Identify Additional Orders: what should be ordered beside this order (CRD resp-57, resp-58).

use super::{About, Action, drafted};
use crate::policy::model::Draft;

/// Writes further orders for the same patient.
pub(super) fn add(drafts: &[Draft], about: &About<'_>, label: &str) -> Option<Vec<Action>> {
    drafts.iter().map(|draft| Action::create(label, &drafted(draft, about)?)).collect()
}
