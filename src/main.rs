//! The `covenant` command.

mod cli;

use std::process::ExitCode;

/// Halves what parsing costs, against the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
