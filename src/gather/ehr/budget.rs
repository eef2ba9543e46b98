//! What one EHR may still send for a request, over all questions and rounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Limits;

/// Bytes of replies that may still come.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    /// What the limits allow one request.
    pub(super) fn of(limits: &Limits) -> Self {
        Self(AtomicUsize::new(limits.reply_bytes))
    }

    /// Takes so many bytes, if there are as many left.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}
