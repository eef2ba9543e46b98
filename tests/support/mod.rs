//! The words the tests are written in: a server of one's own, what is sent to it, and what must come back.

mod app;
pub mod browser;
mod call;
mod certificates;
pub mod chaos;
mod child;
mod ehr;
mod keys;
mod ledgers;
mod policies;
pub mod postgres;
mod raw;
mod reached;
mod reply;
mod request;
pub mod tokens;
mod verified;

pub use app::{SECRET, TestApp, app_with, operated, token};
pub use call::Caller;
pub use certificates::{Authority, Certified};
pub use child::{Environment, Place, Ran, Served};
pub use ehr::{Behaviour, FakeEhr, RunningEhr};
pub use keys::{KeyServer, Serves};
pub use ledgers::TestLedger;
pub use policies::{PolicyFolder, RULES};
pub use raw::Connection;
pub use reached::{Reached, both};
pub use reply::{Refusal, Reply, assert_no_leak};
pub use request::{CANARY, ORDER, Request, held, order};
pub use verified::verified;
