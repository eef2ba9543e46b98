//! How the keys of the registered clients stand: for operators, who are told the clients' names.

use std::time::Duration;

use super::Doorman;

/// The keys of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeys {
    /// The client's name.
    pub client: String,
    /// Keys that could verify a token now.
    pub usable: usize,
    /// Where they are from.
    pub standing: Standing,
}

/// Where keys are from, and how that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// They stand in the registration.
    Registered,
    /// They are fetched when they are needed, and kept as long as their place allows.
    Fetched {
        /// How long ago they were; never if the client has not called.
        fetched: Option<Duration>,
        /// Why the last fetch failed and how long ago that was, if it did.
        failed: Option<(&'static str, Duration)>,
    },
}

impl Doorman {
    /// The keys of all registered clients, by their names.
    #[must_use]
    pub fn keys(&self) -> Vec<ClientKeys> {
        let mut all: Vec<ClientKeys> = self.clients().keys().collect();
        all.sort_unstable_by(|one, other| one.client.cmp(&other.client));
        all
    }
}
