//! What a client tells of the cards it was sent (CDS Hooks 2.0, Feedback), checked and item by item.

use uuid::Uuid;

use super::RequestError;
use super::json::{Json, View};
use super::schema::{self, Issue, Misfit};

/// Items in one call: a call tells of the cards of one answer, of which there are a handful.
const MOST_ITEMS: usize = 100;

/// Characters of a comment: what a person types into a box, not a document.
const LONGEST_COMMENT: usize = 10_000;

/// What became of one card.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// The card's uuid.
    pub card: Uuid,
    /// A suggestion of it was taken; else it was set aside.
    pub accepted: bool,
    /// The item as it came, JSON text of one object.
    pub text: String,
}

/// Tells nothing of what the user wrote.
impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Item({}, {} bytes)", self.card, self.text.len())
    }
}

/// Reads a call of feedback.
///
/// # Errors
/// [`RequestError::TooLong`] or [`RequestError::Envelope`]: the first thing that is wrong, and where.
pub fn read(body: &Json<'_>) -> Result<Vec<Item>, RequestError> {
    let root = body.root();
    let items = || root.get("feedback").into_iter().flat_map(View::items);
    // Before the schema looks: what is too long need not be looked at.
    if items().count() > MOST_ITEMS {
        return Err(RequestError::TooLong("feedback".to_owned()));
    }
    for (index, item) in items().enumerate() {
        let comment = item.get("overrideReason").and_then(|reason| reason.get("userComment")).and_then(View::str);
        if comment.is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT) {
            return Err(RequestError::TooLong(format!("feedback[{index}].overrideReason.userComment")));
        }
    }
    for (index, item) in items().enumerate() {
        let suggestions = item.get("acceptedSuggestions").filter(|suggestions| !suggestions.is_null());
        let none = suggestions.is_none_or(|suggestions| suggestions.is_array() && suggestions.items().next().is_none());
        if is_accepted(item) && none {
            // cds-fb-2. The schema would say so too, at the item as a whole.
            let expression = format!("feedback[{index}].acceptedSuggestions");
            return Err(RequestError::Envelope(Misfit { issue: Issue::Invariant, expression }));
        }
    }
    schema::FEEDBACK.check(&root.value(), "").map_err(RequestError::Envelope)?;
    items().enumerate().map(|(index, item)| read_item(item, index)).collect()
}

fn read_item(item: View<'_>, index: usize) -> Result<Item, RequestError> {
    let card = item.get("card").and_then(View::str).and_then(|card| card.parse().ok());
    let card = card.ok_or_else(|| {
        let expression = format!("feedback[{index}].card");
        RequestError::Envelope(Misfit { issue: Issue::Value, expression })
    })?;
    Ok(Item { card, accepted: is_accepted(item), text: item.raw().to_owned() })
}

fn is_accepted(item: View<'_>) -> bool {
    item.get("outcome").and_then(View::str).is_some_and(|outcome| outcome == "accepted")
}
