//! The ids of an answer, all made from one seed, so that a recorded answer can be made again byte for byte.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// A source of ids.
#[derive(Debug)]
pub struct Ids {
    seed: Uuid,
    made: u64,
}

impl Ids {
    /// All ids of one answer.
    #[must_use]
    pub fn new(seed: Uuid) -> Self {
        Self { seed, made: 0 }
    }

    /// The next id: nobody who knows it can tell the seed or the others.
    pub fn next_id(&mut self) -> Uuid {
        self.made += 1;
        let digest = Sha256::new().chain_update(self.seed.as_bytes()).chain_update(self.made.to_be_bytes()).finalize();
        let bytes = digest.first_chunk().copied().unwrap_or_default();
        Builder::from_random_bytes(bytes).into_uuid()
    }
}
