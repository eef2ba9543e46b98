//! How much of the server one registered client has at once: never more than its share, so that there is room for others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::problem::Problem;
use crate::config::Limits;

/// What every client has now. There are as many as are registered.
pub(super) struct Shares {
    most: Most,
    clients: Mutex<HashMap<String, Arc<Had>>>,
}

/// What one client may have at once.
#[derive(Debug, Clone, Copy)]
struct Most {
    places: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Had {
    places: AtomicUsize,
    bytes: AtomicUsize,
}

/// The share of a client; without bounds where nobody is registered, as there is one client then.
#[derive(Debug, Clone, Default)]
pub(super) struct Share(Option<(Most, Arc<Had>)>);

impl Shares {
    /// Of the places and bytes that there are.
    pub(super) fn of(limits: &Limits) -> Self {
        let part = |all: usize| (all / 100 * limits.client_share + all % 100 * limits.client_share / 100).max(1);
        // One body of the longest always fits into a share, if it fits at all.
        let bytes = part(limits.bytes_in_flight).max(limits.body_bytes);
        Self { most: Most { places: part(limits.in_flight), bytes }, clients: Mutex::default() }
    }

    /// The share of a registered client.
    pub(super) fn share(&self, client: &str) -> Share {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let had = match clients.get(client) {
            Some(had) => had.clone(),
            None => clients.entry(client.to_owned()).or_default().clone(),
        };
        Share(Some((self.most, had)))
    }
}

impl Share {
    /// Takes a place of it, for as long as it is held.
    ///
    /// # Errors
    /// [`Problem::ShareTaken`]
    pub(super) fn place(&self) -> Result<Part, Problem> {
        let Some((most, had)) = &self.0 else { return Ok(Part::default()) };
        take(&had.places, 1, most.places)?;
        Ok(Part { had: Some(had.clone()), places: 1, bytes: 0 })
    }

    /// None of it yet, to be grown as bytes come.
    pub(super) fn no_bytes(&self) -> Part {
        Part { had: self.0.as_ref().map(|(_, had)| had.clone()), places: 0, bytes: 0 }
    }

    /// Takes more bytes into a part.
    ///
    /// # Errors
    /// [`Problem::ShareTaken`]
    pub(super) fn grow(&self, part: &mut Part, bytes: usize) -> Result<(), Problem> {
        let Some((most, had)) = &self.0 else { return Ok(()) };
        take(&had.bytes, bytes, most.bytes)?;
        part.bytes += bytes;
        Ok(())
    }
}

fn take(had: &AtomicUsize, more: usize, most: usize) -> Result<(), Problem> {
    let taken =
        had.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |had| had.checked_add(more).filter(|all| *all <= most));
    taken.map(|_| ()).map_err(|_| Problem::ShareTaken)
}

/// A part of a client's share. It is given back when it is gone.
#[derive(Debug, Default)]
pub(super) struct Part {
    had: Option<Arc<Had>>,
    places: usize,
    bytes: usize,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(had) = &self.had {
            had.places.fetch_sub(self.places, Ordering::Relaxed);
            had.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Share, Shares};
    use crate::config::Limits;
    use crate::http::problem::Problem;

    fn shares(in_flight: usize, bytes_in_flight: usize) -> Shares {
        let limits = Limits { in_flight, bytes_in_flight, client_share: 50, ..Limits::of_text(9, 99) };
        Shares::of(&Limits { body_bytes: 10, ..limits })
    }

    #[test]
    fn b04_a_client_has_its_share_of_places_and_bytes_and_no_more() {
        let shares = shares(4, 1000);
        let (one, other) = (shares.share("one"), shares.share("other"));
        let held = [one.place().unwrap(), one.place().unwrap()];
        assert_eq!(one.place().unwrap_err(), Problem::ShareTaken);
        assert_eq!(shares.share("one").place().unwrap_err(), Problem::ShareTaken);
        drop(other.place().unwrap());
        drop(held);
        drop(one.place().unwrap());
        let mut part = one.no_bytes();
        one.grow(&mut part, 300).unwrap();
        one.grow(&mut part, 200).unwrap();
        assert_eq!(one.grow(&mut part, 1), Err(Problem::ShareTaken));
        other.grow(&mut other.no_bytes(), 500).unwrap();
        drop(part);
        one.grow(&mut one.no_bytes(), 500).unwrap();
    }

    #[test]
    fn b04_a_share_holds_at_least_one_call_and_nobody_registered_has_all() {
        let least = shares(1, 10);
        let one = least.share("one");
        let _place = one.place().unwrap();
        one.grow(&mut one.no_bytes(), 10).unwrap();
        let everybody = Share::default();
        let _places: Vec<_> = (0..100).map(|_| everybody.place().unwrap()).collect();
        everybody.grow(&mut everybody.no_bytes(), usize::MAX).unwrap();
    }
}
