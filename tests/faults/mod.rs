//! One test a row of FAULTS: what goes wrong, and the exact answer.

mod answer;
mod auth;
mod certificates;
mod cors;
mod costs;
mod coverage;
mod envelope;
mod facts;
mod feedback;
mod gathering;
mod json;
mod leaks;
mod ledger;
mod meeting;
mod orders;
mod outward;
mod policies;
mod rates;
mod reading;
mod secrets;
mod stops;
mod tenants;
mod tls;
mod transport;
