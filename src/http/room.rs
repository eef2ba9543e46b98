//! How many bytes of bodies are in memory at once, over all requests: what has no room is refused, and nothing waits.

use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use super::share::{Part, Share};

/// Of all the room an eighth is for small bodies alone: who sends large ones cannot keep them out.
const RESERVE: usize = 8;

/// Room for so many bytes.
#[derive(Debug, Clone)]
pub(super) struct Room {
    /// What all bodies have together.
    all: Arc<Semaphore>,
    /// What large bodies have of it.
    large: Arc<Semaphore>,
    /// The longest body that is small.
    small: usize,
}

impl Room {
    /// Empty, for so many bytes. Longer bodies than `small` have no part in the reserve.
    pub(super) fn of(bytes: usize, small: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self { all: semaphore(bytes), large: semaphore(bytes - bytes / RESERVE), small }
    }

    /// Enters it, without a byte yet, if what is announced would find room now. It is not set aside: to announce costs
    /// nothing, and must not keep out who sends.
    ///
    /// # Errors
    /// [`Problem::NoRoom`]
    pub(super) fn enter(&self, announced: usize, share: Share) -> Result<Held, Problem> {
        let has_room = announced <= self.all.available_permits()
            && (announced <= self.small || announced <= self.large.available_permits());
        if !has_room {
            return Err(Problem::NoRoom);
        }
        Ok(Held { room: self.clone(), part: share.no_bytes(), share, permits: Vec::new(), bytes: 0 })
    }
}

/// Bytes that a body has in a room, and of its client's share. They are given back when it is gone, however that comes about.
#[derive(Debug)]
pub(super) struct Held {
    room: Room,
    share: Share,
    part: Part,
    permits: Vec<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Held {
    /// Takes what it lacks to so many bytes.
    ///
    /// # Errors
    /// [`Problem::NoRoom`]: there is none for it now. [`Problem::ShareTaken`]: its client has no more.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let Some(lacks) = bytes.checked_sub(self.bytes).filter(|lacks| *lacks > 0) else { return Ok(()) };
        // What was small until now has had nothing of what is for large ones.
        let had = if self.bytes > self.room.small { self.bytes } else { 0 };
        let large = if bytes > self.room.small { bytes - had } else { 0 };
        let taken = [take(&self.room.all, lacks)?, take(&self.room.large, large)?];
        self.share.grow(&mut self.part, lacks)?;
        for (index, more) in taken.into_iter().enumerate() {
            match self.permits.get_mut(index) {
                Some(permit) => permit.merge(more),
                None => self.permits.push(more),
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The body, whose bytes are held for as long as any part of it is used: by the answer to another caller who sent the
    /// same, or by the ledger's queue after a caller has hung up.
    pub(super) fn keeps(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Kept { body, _held: self })
    }
}

fn take(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let bytes = u32::try_from(bytes).map_err(|_| Problem::NoRoom)?;
    room.clone().try_acquire_many_owned(bytes).map_err(|_| Problem::NoRoom)
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

    fn enter(room: &Room, announced: usize) -> Result<Held, Problem> {
        room.enter(announced, Share::default())
    }

    #[test]
    fn t15_what_is_held_is_given_back_when_the_last_part_of_a_body_is_gone() {
        let room = Room::of(100, 100);
        let mut one = enter(&room, 0).unwrap();
        one.grow_to(30).unwrap();
        one.grow_to(60).unwrap();
        // It has these already.
        one.grow_to(10).unwrap();
        assert_eq!(room.all.available_permits(), 40);
        let body = one.keeps(Bytes::from_static(b"{}"));
        let part = body.slice(1..);
        drop(body);
        assert_eq!(enter(&room, 0).unwrap().grow_to(41), Err(Problem::NoRoom));
        enter(&room, 0).unwrap().grow_to(40).unwrap();
        assert_eq!(part, "}");
        drop(part);
        enter(&room, 0).unwrap().grow_to(100).unwrap();
        assert_eq!(room.all.available_permits(), 100);
    }

    #[test]
    fn t15_what_is_refused_takes_nothing_and_leaves_what_was_held() {
        let room = Room::of(100, 100);
        let (mut one, mut other) = (enter(&room, 0).unwrap(), enter(&room, 0).unwrap());
        one.grow_to(90).unwrap();
        assert_eq!(other.grow_to(11), Err(Problem::NoRoom));
        assert_eq!(one.grow_to(usize::MAX), Err(Problem::NoRoom));
        assert!(enter(&room, 11).is_err() && enter(&room, 10).is_ok());
        other.grow_to(10).unwrap();
        drop((one, other));
        assert_eq!(room.all.available_permits(), 100);
    }

    #[test]
    fn b04_large_bodies_leave_a_reserve_for_small_ones() {
        let room = Room::of(80, 5);
        let mut large = enter(&room, 60).unwrap();
        large.grow_to(4).unwrap();
        large.grow_to(70).unwrap();
        assert_eq!(large.grow_to(71), Err(Problem::NoRoom));
        assert!(enter(&room, 6).is_err());
        let (mut one, mut other) = (enter(&room, 5).unwrap(), enter(&room, 5).unwrap());
        one.grow_to(5).unwrap();
        other.grow_to(5).unwrap();
        // One that grows large while it comes is one of the large.
        drop(one);
        assert_eq!(other.grow_to(6), Err(Problem::NoRoom));
        drop((large, other));
        assert_eq!((room.all.available_permits(), room.large.available_permits()), (80, 70));
    }
}
