//! Keeps what is in memory out of files: a core dump would hold requests, tokens and keys in the clear.

use super::CommandError;

/// Lets no core dump of this process be written, and nobody but the superuser read its memory.
pub(super) fn stays_in_memory() -> Result<(), CommandError> {
    #[cfg(unix)]
    rlimit::setrlimit(rlimit::Resource::CORE, 0, 0)
        .map_err(|error| CommandError::Other(format!("core dumps cannot be turned off: {error}")))?;
    // A program that dumps are piped to is given them whatever that limit is.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|error| CommandError::Other(format!("core dumps cannot be turned off: {error}")))?;
    Ok(())
}
