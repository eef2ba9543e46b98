//! Text with places to fill: split once at load, filled once when a card is written.
//!
//! What is filled in is never looked at again, so a `{{code}}` inside a patient's data is printed as it stands.

/// A place to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// `{{code}}`: the billing codes, `CPT 47383`.
    Code,
    /// `{{plan}}`: the product line's name.
    Plan,
    /// `{{order}}`: what was ordered, in the EHR's words.
    Order,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Slot(Slot),
}

/// A text with its places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// A `{{…}}` that is none of the places, or is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has a {{{{…}}}} that is not {{{{code}}}}, {{{{plan}}}} or {{{{order}}}}")]
pub struct UnknownSlotError;

impl Template {
    /// Splits a text at its places.
    ///
    /// # Errors
    /// [`UnknownSlotError`] where a place is not known.
    pub fn parse(text: &str) -> Result<Self, UnknownSlotError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").ok_or(UnknownSlotError)?;
            let slot = match name {
                "code" => Slot::Code,
                "plan" => Slot::Plan,
                "order" => Slot::Order,
                _ => return Err(UnknownSlotError),
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            pieces.push(Piece::Slot(slot));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(Self { pieces })
    }

    /// Writes the text, asking `fill` for each place.
    pub fn fill<'a>(&self, out: &mut String, fill: impl Fn(Slot) -> &'a str) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Slot(slot) => out.push_str(fill(*slot)),
            }
        }
    }

    /// Whether the text has this place.
    #[must_use]
    pub fn has(&self, slot: Slot) -> bool {
        self.pieces.contains(&Piece::Slot(slot))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Slot, Template, UnknownSlotError};

    #[test]
    fn r02_a_place_inside_what_is_filled_in_is_printed_as_it_stands() {
        let template = Template::parse("{{order}} is {{code}}.").unwrap();
        let mut out = String::new();
        template.fill(&mut out, |slot| if slot == Slot::Order { "{{plan}}" } else { "CPT 1" });
        assert_eq!(out, "{{plan}} is CPT 1.");
    }

    #[test]
    fn an_unknown_or_open_place_is_refused() {
        assert_eq!(Template::parse("{{price}}"), Err(UnknownSlotError));
        assert_eq!(Template::parse("{{code"), Err(UnknownSlotError));
    }
}
