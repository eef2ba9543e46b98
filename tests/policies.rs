//! The invented policy set of `tests/policies`: it is proved, it says everything that coverage information can say, and
//! offers everything that a card can offer. The data is there; what tests it is in `tests/policy_set`.

#[path = "policy_set/arrival.rs"]
mod arrival;
#[path = "policy_set/ask.rs"]
pub mod ask;
#[path = "policy_set/elements.rs"]
mod elements;
#[path = "policy_set/examples.rs"]
pub mod examples;
#[path = "policy_set/offers.rs"]
mod offers;
#[path = "policy_set/proofs.rs"]
mod proofs;
