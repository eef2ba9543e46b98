//! The versions of the guide that are spoken, and how one is chosen.

use serde::{Deserialize, Serialize};

/// A CRD version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// 2.0.1, which certified EHRs speak.
    #[serde(rename = "2.0")]
    V2_0,
    /// 2.1, which is read and written as 2.2.
    #[serde(rename = "2.1")]
    V2_1,
    /// 2.2.
    #[serde(rename = "2.2")]
    V2_2,
}

impl Version {
    /// The version of a name in `davinci-crd.requestedVersion`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::V2_0, Self::V2_1, Self::V2_2].into_iter().find(|version| version.name() == name)
    }

    /// Its name in `davinci-crd.version`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V2_0 => "2.0",
            Self::V2_1 => "2.1",
            Self::V2_2 => "2.2",
        }
    }
}
