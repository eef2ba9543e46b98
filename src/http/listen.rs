//! How many connections there may be, how many wait to be taken, and how long one may leave unread what it is sent.

use std::io;
use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::time::Duration;

use socket2::SockRef;

use crate::telemetry;

/// Connections that wait to be taken: as many as come in the time in which the busiest worker takes none.
const WAITING: i32 = 4096;

/// How long the other end may not take what was sent to it, be it gone or not reading. Then the system closes the
/// connection: actix has no timer for what it writes.
#[cfg(target_os = "linux")]
const UNTAKEN: Duration = Duration::from_secs(20);

/// Files that are left for the ledger, EHRs and operators.
const OTHERS: u64 = 1024;

/// Lets the process open as many files as it may, and as many connections wait as that takes: how many there may be of
/// those that are wanted.
///
/// # Errors
/// The socket cannot be listened on.
pub(super) fn prepare(listener: &TcpListener, wanted: usize, lines: usize) -> io::Result<usize> {
    let socket = SockRef::from(listener);
    socket.listen(WAITING)?;
    // Each connection has it from its listener.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNTAKEN))?;
    // Where it cannot be said, what is wanted is tried.
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let most = most(wanted, files, lines);
    if most < wanted {
        telemetry::fewer_connections(most);
    }
    Ok(most)
}

/// So many of what is wanted as leave the others their files, and some connections a second one each (`lines`).
fn most(wanted: usize, files: u64, lines: usize) -> usize {
    let others = OTHERS.saturating_add(u64::try_from(lines).unwrap_or(u64::MAX));
    let left = files.saturating_sub(others.min(files / 4));
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::most;

    #[test]
    fn t05_connections_leave_the_ledger_files_to_open() {
        assert_eq!(most(16_384, u64::MAX, 512), 16_384);
        assert_eq!(most(16_384, 10_000, 512), 8_464);
        assert_eq!(most(16_384, 1024, 512), 768);
        assert_eq!(most(16_384, 0, 512), 1);
        assert_eq!(most(100, 1024, 512), 100);
    }
}
