//! What a client configures for one call (`davinci-crd.configuration`): what is not known or makes no sense is ignored.

use serde_json::Value;

/// The options of a call (CRD dev-14, dev-15, dev-17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether coverage information is wanted.
    pub coverage_info: bool,
    /// Card topics that are not wanted.
    unwanted: Vec<String>,
    /// Whether a determination that nobody asked for, such as an authorisation that stands, is wanted (CRD found-35).
    pub unsolicited_determinations: bool,
    /// The most cards that are wanted.
    pub max_cards: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { coverage_info: true, unwanted: Vec::new(), unsolicited_determinations: true, max_cards: 10 }
    }
}

impl Options {
    /// Reads the options that a call sends.
    #[must_use]
    pub fn of(configuration: Option<&Value>) -> Self {
        let mut options = Self::default();
        for (code, value) in configuration.and_then(Value::as_object).into_iter().flatten() {
            match (code.as_str(), value) {
                ("max-cards", Value::Number(number)) => {
                    let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
                    options.max_cards = number.unwrap_or(options.max_cards);
                }
                ("coverage-info", Value::Bool(wanted)) => options.coverage_info = *wanted,
                ("unsolicited-determ", Value::Bool(wanted)) => options.unsolicited_determinations = *wanted,
                (_, Value::Bool(false)) => options.unwanted.push(code.clone()),
                _ => {}
            }
        }
        options
    }

    /// Whether cards of a topic are wanted.
    #[must_use]
    pub fn wants(&self, topic: &str) -> bool {
        !self.unwanted.iter().any(|unwanted| unwanted == topic)
    }
}
