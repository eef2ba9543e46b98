//! What the guide wants to be known of how it is used (CRD 2.2.1, Metrics): its metric data of each invocation, and its
//! measures over many of them.
//!
//! It is computed from the ledger's entries and keeps nothing. Codes, counts, types and ids of ours go out, and the NPI of
//! who asked; nothing of a patient, and no words that a client wrote.

mod code;
mod data;
mod known;
mod latency;
mod order;
mod period;
mod responses;
mod tally;
mod written;

pub use code::{Coding, Concept, Identifier};
pub use data::{Accessed, Issue, MetricData, Requested, TokenUse, Unreadable};
pub use period::{Period, PeriodError};
pub use responses::{CoverageInfo, Engagement, Form, Response};
pub use tally::{Figures, Share, Tally};
