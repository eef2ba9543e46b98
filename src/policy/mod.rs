//! Medical policies: loaded whole or not at all, proved before they serve, then an immutable snapshot.
//!
//! It decides nothing: that is `decide`.

pub mod check;
pub mod load;
pub mod model;
pub mod number;
pub mod template;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use fhir_resources::File;
use jiff::Timestamp;

use check::Proof;
use load::Problem;
use model::PolicySet;

/// A set that may serve, with the files it was made of.
#[derive(Debug)]
pub struct Proved {
    /// The set.
    pub set: PolicySet,
    /// What was looked at.
    pub proof: Proof,
    /// Its files.
    pub files: Vec<File>,
}

/// Why there is no set to serve.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// Files that cannot be read.
    #[error("{} problems in reading the policy folder", .0.len())]
    Unreadable(Vec<Problem>),
    /// Everything that is wrong with it.
    #[error("{} problems in the policy set", .0.len())]
    Wrong(Vec<Problem>),
}

/// The set that serves now. A request takes it once, at its beginning, and keeps it to its end.
#[derive(Debug, Clone)]
pub struct Serving(Arc<RwLock<Served>>);

/// A set that serves, and what an operator asks of it.
#[derive(Debug, Clone)]
pub struct Served {
    /// The set.
    pub set: Arc<PolicySet>,
    /// What was looked at before it was let serve.
    pub proof: Proof,
    /// Since when it serves.
    pub since: Timestamp,
}

impl Served {
    fn from_now_on(set: Arc<PolicySet>, proof: Proof) -> Self {
        Self { set, proof, since: Timestamp::now() }
    }
}

impl Serving {
    /// Serves with a set.
    #[must_use]
    pub fn new(set: Arc<PolicySet>, proof: Proof) -> Self {
        Self(Arc::new(RwLock::new(Served::from_now_on(set, proof))))
    }

    /// The set.
    #[must_use]
    pub fn now(&self) -> Arc<PolicySet> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).set.clone()
    }

    /// The set, its proof, and since when it serves: all of one moment.
    #[must_use]
    pub fn served(&self) -> Served {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Serves with another set from now on.
    pub fn change(&self, set: Arc<PolicySet>, proof: Proof) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Served::from_now_on(set, proof);
    }
}

impl SetError {
    /// Everything that is wrong, each with its place.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unreadable(problems) | Self::Wrong(problems) => problems,
        }
    }
}

/// Loads and proves the set of a folder, or the embedded one.
///
/// # Errors
/// [`SetError`]
pub fn open(folder: Option<&Path>) -> Result<Proved, SetError> {
    let files = match folder {
        Some(folder) => load::folder(folder).map_err(SetError::Unreadable)?,
        None => fhir_resources::embedded(),
    };
    let draft = load::load(&files).map_err(SetError::Wrong)?;
    let (set, proof) = check::prove(draft).map_err(SetError::Wrong)?;
    Ok(Proved { set, proof, files })
}
