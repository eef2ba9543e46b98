//! The same server, reached by TCP and reached by TLS.

use std::ops::Deref;

use covenant::config::Settings;

use super::call::Caller;
use super::{Certified, Place, TestApp, TestLedger};

/// A server, and who calls it.
pub struct Reached {
    /// The server.
    pub app: TestApp,
    caller: Caller,
    _place: Place,
}

/// Two servers with these settings: one that speaks TLS, and one that does not.
pub fn both(change: impl Fn(&mut Settings)) -> [Reached; 2] {
    [false, true].map(|tls| Reached::with(TestLedger::ordinary(), tls, &change))
}

impl Reached {
    /// One with this ledger.
    pub fn with(ledger: TestLedger, tls: bool, change: impl FnOnce(&mut Settings)) -> Self {
        let (place, certified) = (Place::empty(), Certified::new("localhost"));
        let [certificate, key] = certified.writes(&place);
        let app = TestApp::with(ledger, |settings| {
            if tls {
                (settings.tls.certificate, settings.tls.key) = (Some(certificate), Some(key));
            }
            change(settings);
        });
        let caller = if tls { app.by_tls(&certified) } else { app.caller() };
        Self { app, caller, _place: place }
    }
}

impl Deref for Reached {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}
