//! `covenant check [DIR]`: proves a policy set and says what was proved.

use std::io::Write;
use std::path::Path;

use covenant::policy;

use super::CommandError;

/// Runs the command.
pub(super) fn run(dir: Option<&Path>) -> Result<(), CommandError> {
    let proved = policy::open(dir)?;
    let (proof, hash) = (proved.proof, &proved.set.hash);
    writeln!(std::io::stdout(), "policy set {hash}")?;
    writeln!(
        std::io::stdout(),
        "{} policy versions, {} combinations of facts with exactly one case each, {} cases as expected",
        proof.policies,
        proof.combinations,
        proof.cases
    )?;
    Ok(())
}
