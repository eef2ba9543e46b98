//! `covenant decide FILE`: answers one request file on standard output.

use std::io::Write;
use std::path::Path;

use covenant::answer::{self, Moment};
use covenant::config::Settings;
use covenant::gather::learned::Nobody;
use covenant::http::problem::Problem;
use covenant::policy;
use covenant::request::hook;

use super::{CommandError, manner, zone};

/// Runs the command.
pub(super) fn run(settings: &Settings, file: &Path, service: Option<&str>) -> Result<(), CommandError> {
    let body = std::fs::read(file)?;
    let service = match service {
        Some(id) => hook::service(id),
        // A body that does not say is refused by any service, and told why.
        None => hook::of_request(&body).or(hook::SERVICES.first()),
    };
    let service = service.ok_or_else(|| CommandError::Other("there is no such service".to_owned()))?;
    let moment = Moment::now(&zone(settings)?);
    let proved = policy::open(settings.policies.as_deref())?;
    let answer =
        answer::at_once(&body, service, &proved.set, &manner(settings)?, &moment, Nobody).map_err(|refusal| {
            let row = Problem::Refused(refusal).row();
            let place = if row.place.is_empty() { String::new() } else { format!(" ({})", row.place) };
            CommandError::Other(format!("{} {}: {}{place}", row.status, row.issue, row.text))
        })?;
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.body)?;
    writeln!(out)?;
    Ok(())
}
