//! What a policy says in each of its cases: a table of product lines and settings where its cases turn on these alone, else
//! a table of the cases in words; and the answers that the cells stand for, each once.

use serde::Serialize;

use super::asked::{Asked, Said};
use super::words::{Mark, when};
use crate::decide::condition;
use crate::policy::model::{Case, Coding, FactName, NO_CODES, Value};
use crate::render::RenderError;

/// The tables of a policy's cases, and what would be answered.
#[derive(Debug, Default, Serialize)]
pub(super) struct Cases {
    /// The settings, where the table is one of product lines and settings.
    pub(super) columns: Vec<String>,
    /// The product lines; or the cases, each with one cell.
    rows: Vec<Row>,
    /// The answers.
    pub(super) answers: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    mark: Mark,
    /// The anchor of the answer.
    answer: String,
}

/// What would be answered in some cases.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    id: String,
    title: String,
    said: Said,
    /// The cells that it is the answer of: row and column.
    #[serde(skip)]
    cells: Vec<(usize, usize)>,
    /// The actions that it rests on.
    #[serde(skip)]
    pub(super) actions: Vec<String>,
    /// Where their passages are: anchor and label.
    pub(super) rests: Vec<(String, String)>,
}

/// Facts that are known.
type Known = Vec<(FactName, Value)>;

/// What a setting is called that an order does not say.
const NOT_STATED: &str = "Setting not stated";

impl Cases {
    pub(super) fn of(asked: &Asked<'_>) -> Result<Self, RenderError> {
        let domains = &asked.policy.domains;
        let grid = !domains.is_empty() && domains.keys().all(|name| matches!(name, FactName::Setting | FactName::Plan));
        if grid { Self::grid(asked) } else { Self::listed(asked) }
    }

    /// Product lines and settings.
    fn grid(asked: &Asked<'_>) -> Result<Self, RenderError> {
        let set = asked.set;
        let code = |coding: &Coding| Value::Codes(vec![coding.clone()]);
        let settings: Vec<Option<&Coding>> = set.settings.iter().map(Some).chain([None]).collect();
        let name = |setting: &Option<&Coding>| {
            setting.map_or(NOT_STATED, |setting| set.words(setting).unwrap_or(&setting.code)).to_owned()
        };
        let mut cases = Self { columns: settings.iter().map(name).collect(), ..Self::default() };
        for plan in &set.plans {
            let known = settings.iter().map(|setting| {
                let setting = setting.map(|setting| (FactName::Setting, code(setting)));
                std::iter::once((FactName::Plan, code(&plan.coding))).chain(setting).collect::<Known>()
            });
            let known: Vec<Known> = known.collect();
            cases.row(plan.name.to_string(), asked, &known)?;
        }
        let plans: Vec<String> = cases.rows.iter().map(|row| row.name.clone()).collect();
        for answer in &mut cases.answers {
            answer.title = title(&answer.cells, &plans, &cases.columns);
        }
        Ok(cases)
    }

    /// The cases in words, and first what is said where nothing is known but the code.
    fn listed(asked: &Asked<'_>) -> Result<Self, RenderError> {
        let mut cases = Self::default();
        let policy = asked.policy;
        if policy.domains.is_empty() {
            cases.row("In every case".to_owned(), asked, &[Known::new()])?;
        } else {
            cases.row("If nothing more is stated".to_owned(), asked, &[Known::new()])?;
            for case in &policy.cases {
                let name = when(case.action.when.as_deref(), &case.action.conditions, asked.set);
                cases.row(name, asked, &[example(case, asked)])?;
            }
        }
        for answer in &mut cases.answers {
            let names = answer.cells.iter().filter_map(|(row, _)| Some(cases.rows.get(*row)?.name.as_str()));
            answer.title = names.collect::<Vec<_>>().join("; ");
        }
        Ok(cases)
    }

    fn row(&mut self, name: String, asked: &Asked<'_>, known: &[Known]) -> Result<(), RenderError> {
        let mut cells = Vec::new();
        for (column, known) in known.iter().enumerate() {
            let Some(mut said) = asked.say(known)? else { continue };
            let (mark, place) = (said.mark.clone(), (self.rows.len(), column));
            let actions = std::mem::take(&mut said.actions);
            let id = format!("part-answer-{}", self.answers.len() + 1);
            // What is said word for word in several cases is shown once.
            let answer = match self.answers.iter_mut().position(|answer| answer.said == said) {
                Some(index) => self.answers.get_mut(index),
                None => {
                    let (cells, rests) = (Vec::new(), Vec::new());
                    self.answers.push(Answer { id, title: String::new(), said, cells, actions: Vec::new(), rests });
                    self.answers.last_mut()
                }
            };
            let Some(answer) = answer else { continue };
            answer.cells.push(place);
            answer.actions.extend(actions);
            cells.push(Cell { mark, answer: answer.id.clone() });
        }
        self.rows.push(Row { name, cells });
        Ok(())
    }
}

/// Values of the facts that the cases tell apart, under which this case holds. That there are some is proved at load.
fn example(case: &Case, asked: &Asked<'_>) -> Known {
    let domains = &asked.policy.domains;
    let count = domains.values().map(Vec::len).product::<usize>();
    let combination = |mut index: usize| {
        let value = |(name, values): (&FactName, &Vec<Value>)| {
            let value = values.get(index % values.len().max(1))?.clone();
            index /= values.len().max(1);
            Some((*name, value))
        };
        domains.iter().filter_map(value).collect::<Known>()
    };
    let holds = |known: &Known| {
        let value = |name| known.iter().find(|(other, _)| *other == name).map_or(&NO_CODES, |(_, value)| value);
        condition::all_known(&case.action.conditions, value)
    };
    (0..count).map(combination).find(holds).unwrap_or_default()
}

/// `Inpatient, any product line; Outpatient: Example HMO, Example PPO`
fn title(cells: &[(usize, usize)], plans: &[String], settings: &[String]) -> String {
    let of = |(column, setting): (usize, &String)| {
        let rows = cells.iter().filter(|(_, other)| *other == column);
        let named: Vec<&str> = rows.filter_map(|(row, _)| plans.get(*row).map(String::as_str)).collect();
        match named.len() {
            0 => None,
            count if count == plans.len() => Some(format!("{setting}, any product line")),
            _ => Some(format!("{setting}: {}", named.join(", "))),
        }
    };
    if cells.len() == plans.len() * settings.len() {
        return "Any setting, any product line".to_owned();
    }
    settings.iter().enumerate().filter_map(of).collect::<Vec<_>>().join("; ")
}
