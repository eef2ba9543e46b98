//! The FHIR servers that may be asked now. Others take their place when clients are registered or leave.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Client;

use super::base::{Base, Unfit};
use super::circuit::{Circuit, Circuits};
use super::{DAY, EhrError};
use crate::config::EhrSettings;
use crate::outbound::{self, OutboundError};

/// A server that may be asked.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) base: Base,
    pub(super) origin: String,
    /// Opens when connections to the origin fail: they fail for everybody.
    pub(super) connections: Arc<Circuit>,
    /// What else fails, fails for its caller.
    pub(super) circuits: Arc<Circuits>,
    pub(super) client: Client,
}

/// The servers that may be asked, for all who look at them.
#[derive(Debug, Clone)]
pub struct Servers {
    settings: EhrSettings,
    now: Arc<RwLock<Vec<Arc<Server>>>>,
}

impl Servers {
    pub(super) fn of(settings: &EhrSettings) -> Result<Self, EhrError> {
        let now = Arc::new(RwLock::new(servers(settings, &settings.servers, &[])?));
        Ok(Self { settings: settings.clone(), now })
    }

    pub(super) fn find(&self, base: &Base) -> Option<Arc<Server>> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.iter().find(|server| server.base == *base).cloned()
    }

    /// The origins that are left alone because they keep failing.
    #[must_use]
    pub fn left_alone(&self) -> BTreeSet<String> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        let failing = now.iter().filter(|server| server.circuits.any_open() || server.connections.is_open());
        failing.map(|server| server.origin.clone()).collect()
    }

    /// Takes these and no others from now on. What is known of those that stay is kept: whether they are left alone.
    ///
    /// # Errors
    /// [`EhrError`]: one of them is not one that may be asked. Then those before may be asked still.
    pub fn change(&self, texts: &[String]) -> Result<(), EhrError> {
        let before = self.now.read().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = servers(&self.settings, texts, &before)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = changed;
        Ok(())
    }
}

fn servers(settings: &EhrSettings, texts: &[String], before: &[Arc<Server>]) -> Result<Vec<Arc<Server>>, EhrError> {
    let bases = texts.iter().map(|text| {
        Base::parse(text, settings).map_err(|unfit| match unfit {
            Unfit::NotABase => EhrError::NotABase(text.clone()),
            Unfit::PlainHttp => EhrError::PlainHttp(text.clone()),
            Unfit::Private => EhrError::Private(text.clone()),
        })
    });
    let bases = bases.collect::<Result<Vec<_>, _>>()?;
    let client = outbound::builder(settings.allow_private, bases.iter().all(Base::is_http))?;
    let client = client.pool_max_idle_per_host(settings.concurrent).build().map_err(OutboundError::Http)?;
    let known = before.iter().map(|server| (server.origin.clone(), server.connections.clone()));
    let mut origins: HashMap<String, Arc<Circuit>> = known.collect();
    let pause = Duration::from_secs(settings.break_seconds.min(DAY));
    let server = |base: Base| {
        let origin = base.origin();
        let new = || Circuit::new(settings.break_after, pause).into();
        let connections = origins.entry(origin.clone()).or_insert_with(new).clone();
        let known = before.iter().find(|server| server.base == base).map(|server| server.circuits.clone());
        let circuits = known.unwrap_or_else(|| Circuits::new(settings.break_after, pause).into());
        Arc::new(Server { base, origin, connections, circuits, client: client.clone() })
    };
    Ok(bases.into_iter().map(server).collect())
}
