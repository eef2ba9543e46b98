//! `covenant replay ID`: makes a recorded answer again, under the policy set that made it, and compares the bytes.

use std::io::Write;

use covenant::answer::{self, Manner, Moment};
use covenant::config::Settings;
use covenant::gather::learned::Learned;
use covenant::policy::SetError;
use covenant::policy::load;
use covenant::record::{self, Entry};
use covenant::request::hook;
use covenant::request::version::Version;
use fhir_resources::File;

use super::{CommandError, manner};

/// Runs the command: the answer on standard output, what it is compared with on standard error.
pub(super) fn run(settings: &Settings, assertion_id: &str) -> Result<(), CommandError> {
    let entry = super::explain::find(settings, assertion_id)?;
    let again = again(settings, &entry)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&again)?;
    writeln!(out)?;
    let same = again.iter().zip(&entry.response).take_while(|(made, recorded)| made == recorded).count();
    if again == entry.response {
        writeln!(std::io::stderr(), "the same {same} bytes as recorded")?;
        return Ok(());
    }
    Err(CommandError::Other(format!("differs from the recorded answer after {same} bytes")))
}

fn again(settings: &Settings, entry: &Entry) -> Result<Vec<u8>, CommandError> {
    let other = |what: &str| CommandError::Other(what.to_owned());
    let files = record::open(&settings.ledger)?.policy_set(&entry.policy_set)?;
    let files = files.ok_or_else(|| other("the ledger does not hold the policy set that answered"))?;
    let files: Vec<File> = files.into_iter().map(|(path, bytes)| File { path, bytes }).collect();
    if load::hash(&files) != entry.policy_set {
        return Err(other("the policy set in the ledger is not the one that answered"));
    }
    let draft = load::load(&files).map_err(SetError::Wrong)?;
    let service = hook::service(&entry.service).ok_or_else(|| other("this version has no such service"))?;
    let version = Version::named(&entry.crd_version).ok_or_else(|| other("this version speaks no such CRD version"))?;
    let learned: Learned =
        serde_json::from_str(&entry.learned).map_err(|_| other("what was learnt then cannot be read"))?;
    // It was answered, so it may be: that is not decided again.
    let manner = Manner { default_version: version, allow_http: true, ..manner(settings) };
    let moment = Moment { at: entry.at, today: entry.today, seed: entry.seed };
    let answer = answer::at_once(&entry.request, service, &draft.set, &manner, &moment, learned);
    Ok(answer.map_err(|refusal| CommandError::Other(format!("is refused now: {refusal}")))?.body)
}
