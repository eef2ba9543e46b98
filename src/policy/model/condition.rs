//! Conditions: what a rule looks for in a fact.

use super::Coding;

/// The facts that conditions speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactName {
    /// What is ordered.
    Code,
    /// The day of the service.
    Date,
    /// Where the ordered service will be done.
    Setting,
    /// The product line of the coverage.
    Plan,
    /// The diagnoses the order is for.
    Diagnosis,
    /// Who will do it, by the numbers that providers have.
    Performer,
    /// The patient's age on the day of the service, in whole years.
    Age,
    /// How much is ordered.
    Quantity,
    /// The medications that the patient has or had.
    History,
}

impl FactName {
    /// The facts that conditions of cases and notes can name; the code and the date choose the policy and its version.
    pub const CONDITIONS: [Self; 7] =
        [Self::Setting, Self::Plan, Self::Diagnosis, Self::Performer, Self::Age, Self::Quantity, Self::History];

    /// Whether its value is a number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Age | Self::Quantity)
    }
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Codes; none if there is known to be none.
    Codes(Vec<Coding>),
    /// A number, in thousandths.
    Number(i64),
}

/// No codes: what a fact says that says nothing.
pub static NO_CODES: Value = Value::Codes(Vec::new());

/// What a condition looks for in a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Any of these codes, sorted.
    AnyOf(Vec<Coding>),
    /// A number from the first to the second, both meant, in thousandths.
    Within(Option<i64>, Option<i64>),
}

/// Something that is to be so of one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The fact that is looked at.
    pub fact: FactName,
    /// What is looked for.
    pub test: Test,
    /// Whether it must not be found.
    pub not: bool,
}

impl Condition {
    /// Whether it holds for a value.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        let found = match (&self.test, value) {
            (Test::AnyOf(wanted), Value::Codes(codes)) => codes.iter().any(|code| wanted.binary_search(code).is_ok()),
            (Test::Within(low, high), Value::Number(number)) => {
                low.is_none_or(|low| low <= *number) && high.is_none_or(|high| *number <= high)
            }
            _ => false,
        };
        found != self.not
    }

    /// Whether it holds for a value of which only a part is known, if that part settles it.
    #[must_use]
    pub fn holds_whatever_else(&self, part: &Value) -> Option<bool> {
        let found = matches!(&self.test, Test::AnyOf(_)) && self.holds(part) != self.not;
        found.then_some(!self.not)
    }

    /// The codes it names.
    #[must_use]
    pub fn codes(&self) -> &[Coding] {
        match &self.test {
            Test::AnyOf(codes) => codes,
            Test::Within(..) => &[],
        }
    }
}
