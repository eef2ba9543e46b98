//! A core for the server and another for the load, where the system can tell processes apart by cores.

use std::process::{Command, Stdio};

/// The server's core.
pub const SERVER: &str = "0";

/// The load's core.
pub const LOAD: &str = "1";

/// Gives this process a core. False where that cannot be.
pub fn stay_on(core: &str) -> bool {
    let mut moves = Command::new("taskset");
    moves.args(["-a", "-c", "-p", core, &std::process::id().to_string()]);
    moves.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A command on a core, or on any where this process could not be given one.
pub fn command_on(core: Option<&str>, program: &str) -> Command {
    let Some(core) = core else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", core, program]);
    command
}

/// What is said of it.
pub fn said(alone: bool) -> &'static str {
    if alone { "the server has a core, the load another" } else { "the server and the load share all cores" }
}
