//! How many bytes of bodies are in memory at once, over all requests: what has no room is refused, and nothing waits.

use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// Room for so many bytes.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    /// Empty, for so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Enters it, without a byte yet, if what is announced would find room now. It is not set aside: to announce costs
    /// nothing, and must not keep out who sends.
    ///
    /// # Errors
    /// [`Problem::NoRoom`]
    pub(super) fn enter(&self, announced: usize) -> Result<Held, Problem> {
        if announced > self.0.available_permits() {
            return Err(Problem::NoRoom);
        }
        Ok(Held { room: self.0.clone(), permit: None, bytes: 0 })
    }
}

/// Bytes that a body has in a room. They are given back when it is gone, however that comes about.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Held {
    /// Takes what it lacks to so many bytes.
    ///
    /// # Errors
    /// [`Problem::NoRoom`]: there is none for it now.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let lacks = bytes.saturating_sub(self.bytes);
        let lacks = u32::try_from(lacks).map_err(|_| Problem::NoRoom)?;
        let more = self.room.clone().try_acquire_many_owned(lacks).map_err(|_| Problem::NoRoom)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        self.bytes = self.bytes.max(bytes);
        Ok(())
    }

    /// The body, whose bytes are held for as long as any part of it is used: by the answer to another caller who sent the
    /// same, or by the ledger's queue after a caller has hung up.
    pub(super) fn keeps(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Kept { body, _held: self })
    }
}

struct Kept {
    body: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn t15_what_is_held_is_given_back_when_the_last_part_of_a_body_is_gone() {
        let room = Room::of(100);
        let mut one = room.enter(0).unwrap();
        one.grow_to(30).unwrap();
        one.grow_to(60).unwrap();
        // It has these already.
        one.grow_to(10).unwrap();
        assert_eq!(room.0.available_permits(), 40);
        let body = one.keeps(Bytes::from_static(b"{}"));
        let part = body.slice(1..);
        drop(body);
        assert_eq!(room.enter(0).unwrap().grow_to(41), Err(Problem::NoRoom));
        room.enter(0).unwrap().grow_to(40).unwrap();
        assert_eq!(part, "}");
        drop(part);
        room.enter(0).unwrap().grow_to(100).unwrap();
        assert_eq!(room.0.available_permits(), 100);
    }

    #[test]
    fn t15_what_is_refused_takes_nothing_and_leaves_what_was_held() {
        let room = Room::of(100);
        let (mut one, mut other) = (room.enter(0).unwrap(), room.enter(0).unwrap());
        one.grow_to(90).unwrap();
        assert_eq!(other.grow_to(11), Err(Problem::NoRoom));
        assert_eq!(one.grow_to(usize::MAX), Err(Problem::NoRoom));
        assert!(room.enter(11).is_err() && room.enter(10).is_ok());
        other.grow_to(10).unwrap();
        drop((one, other));
        assert_eq!(room.0.available_permits(), 100);
    }
}
