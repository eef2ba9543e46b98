//! Reaches the database, refuses one that durability or history cannot rest on, and makes the tables where there are none.

use std::net::IpAddr;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{READ, Server, shelf, tokens};
use crate::record::chain::NOTHING_BEFORE;
use crate::record::keyring::{Keyring, MasterKeys};
use crate::record::{LedgerError, Trouble};

/// The version of `schema.sql`.
const SCHEMA_VERSION: i64 = 2;

/// What makes the next version of an earlier one, which is kept in place: the earlier version, and the statements.
const UPGRADES: [(i64, &str); 1] = [(1, include_str!("from_1.sql"))];

/// Held by whoever changes tables: `cvnt`. No two nodes make them at once.
pub(super) const LOCK: i64 = 0x6376_6e74;

/// What the server must say of settings that durability rests on. `synchronous_commit` is set to `on` where it is less;
/// a server where it is `off` is one whose owner has given durability up.
const SETTINGS: [(&str, &[&str]); 4] = [
    ("fsync", &["on"]),
    ("full_page_writes", &["on"]),
    ("synchronous_commit", &["on", "remote_apply", "remote_write", "local"]),
    // A standby, or a server that is being moved. Where several hosts are named, the next one may take writes.
    ("transaction_read_only", &["off"]),
];

/// Ways to connections: the one that writes has its own, so that no reader stands in its way. Nothing is reached yet.
pub(super) struct Pools {
    pub(super) write: Pool,
    pub(super) read: Pool,
    /// For what a caller waits for who is not let in yet.
    pub(super) tokens: Pool,
}

/// Makes ways to connections.
pub(super) fn pools(server: &Server) -> Result<Pools, LedgerError> {
    let mut config: Config = server.url.parse().map_err(|_| LedgerError::Url)?;
    // Patients' data goes in the clear to nobody but this machine, unless the address says so.
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if stays_here(&config) { SslMode::Disable } else { SslMode::Require });
    }
    // A host that is silent leaves time for the next one.
    let each = server.patience / u32::try_from(config.get_hosts().len().max(1)).unwrap_or(u32::MAX);
    config.application_name("covenant").connect_timeout(each).tcp_user_timeout(server.patience);
    // A server that is gone without a word is noticed though nobody asks.
    config.keepalives_idle(Duration::from_secs(5));
    let tls = MakeRustlsConnect::new(tls()?);
    let pool = |recycling_method, size| {
        let manager = Manager::from_config(config.clone(), tls.clone(), ManagerConfig { recycling_method });
        let pool = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1);
        // Each is bounded from outside too, and by less where somebody waits for the writer.
        let pool = pool.wait_timeout(Some(READ)).create_timeout(Some(OPENING));
        pool.recycle_timeout(Some(server.patience))
    };
    let bounded = Hook::async_fn(|client, _| Box::pin(async { bound(client, READ).await.map_err(HookError::Backend) }));
    // A reader asks too seldom to know whether its connection still stands.
    let read = pool(RecyclingMethod::Verified, server.connections.saturating_sub(1).max(1)).post_create(bounded);
    let patience = server.patience;
    let unsynced = Hook::async_fn(move |client, _| {
        Box::pin(async move { tokens::prepare(client, patience).await.map_err(HookError::Backend) })
    });
    let tokens = pool(RecyclingMethod::Fast, tokens::CONNECTIONS).post_create(unsynced);
    let built =
        |pool: deadpool_postgres::PoolBuilder| pool.build().map_err(|_| LedgerError::Unavailable(Trouble::Connection));
    Ok(Pools { write: built(pool(RecyclingMethod::Fast, 1))?, read: built(read)?, tokens: built(tokens)? })
}

/// How long it may take to connect before there is a ledger.
pub(super) const OPENING: Duration = Duration::from_secs(5);

/// How long it may take to connect while nobody waits for it: a database that has just come back has others to greet too.
pub(super) fn connecting(patience: Duration) -> Duration {
    patience.max(Duration::from_secs(1))
}

/// Whether every address that is connected to is this machine's. Where there is a `hostaddr` it is connected to, and the
/// host is only the name that its certificate is for.
fn stays_here(config: &Config) -> bool {
    config.get_hosts().iter().all(is_this_machine) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Unix(_) => true,
    }
}

fn tls() -> Result<ClientConfig, LedgerError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| LedgerError::Unavailable(Trouble::Connection))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What a connection does lasts, and nothing in it waits for ever.
pub(super) async fn bound(client: &Client, patience: Duration) -> Result<(), tokio_postgres::Error> {
    // Another one's lock is told apart from silence, so it is waited for a little less.
    let (millis, lock) = (patience.as_millis().max(1), (patience * 3 / 4).as_millis().max(1));
    let sql = format!(
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply';
         SET statement_timeout = {millis}; SET lock_timeout = {lock};
         SET idle_in_transaction_session_timeout = {millis}; SET default_transaction_isolation = 'read committed'"
    );
    client.batch_execute(&sql).await
}

/// Makes a connection ready for writing, if the server is one that a ledger can rest on.
async fn settle(client: &Client, patience: Duration) -> Result<(), LedgerError> {
    for (name, good) in SETTINGS {
        let taken: String = client.query_one(&format!("SHOW {name}"), &[]).await?.try_get(0)?;
        if !good.contains(&taken.as_str()) {
            return Err(LedgerError::Setting(name));
        }
    }
    Ok(bound(client, patience).await?)
}

/// A connection that is fit to write with; where a node is given, to its chain, whose lock is there to be had.
pub(super) async fn reach(
    pool: &Pool,
    patience: Duration,
    node: Option<i64>,
    until: Instant,
) -> Result<Object, LedgerError> {
    let silence = LedgerError::Unavailable(Trouble::Silence);
    let client = timeout_at(until, async { Ok(pool.get().await?) }).await.unwrap_or(Err(silence))?;
    let fit = async {
        settle(&client, patience).await?;
        match node {
            Some(node) => prove(&client, node).await,
            None => Ok(()),
        }
    };
    let fit = timeout_at(until, fit).await.unwrap_or(Err(silence));
    match fit {
        Ok(()) => Ok(client),
        Err(error) => {
            // The pool would hand it out again.
            drop(Object::take(client));
            Err(error)
        }
    }
}

/// Writes to a node what is there already: whether a batch can be hoped to be kept.
pub(super) async fn prove(client: &Client, node: i64) -> Result<(), LedgerError> {
    match client.execute("UPDATE ledger_nodes SET seq = seq WHERE node = $1", &[&node]).await? {
        1 => Ok(()),
        _ => Err(LedgerError::Corrupt),
    }
}

/// Makes the tables, if there are none, refuses those of another version, and enters the node: its number and the keys.
pub(super) async fn enter(
    client: &mut Client,
    server: &Server,
    masters: &MasterKeys,
) -> Result<(i64, Keyring), LedgerError> {
    let entered = timeout(READ, enter_now(client, server, masters));
    entered.await.unwrap_or(Err(LedgerError::Unavailable(Trouble::Silence)))
}

async fn enter_now(client: &mut Client, server: &Server, masters: &MasterKeys) -> Result<(i64, Keyring), LedgerError> {
    let transaction = client.transaction().await?;
    // Other nodes that start at the same time are waited for, and the tables are made, with more patience than a batch has.
    let millis = READ.as_millis();
    let sql = format!("SET LOCAL lock_timeout = {millis}; SET LOCAL statement_timeout = {millis}");
    transaction.batch_execute(&sql).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    migrate(&transaction).await?;
    let node = node(&transaction, &server.node).await?;
    let (keyring, new) = Keyring::to_write(masters, &shelf::keys(transaction.client()).await?)?;
    for key in new {
        let sql = "INSERT INTO ledger_keys (number, master, wrapped) VALUES ($1, $2, $3)
                   ON CONFLICT (number) DO UPDATE SET master = excluded.master, wrapped = excluded.wrapped";
        transaction.execute(sql, &[&key.number, &key.master, &key.bytes]).await?;
    }
    transaction.commit().await?;
    Ok((node, keyring))
}

async fn migrate(transaction: &Transaction<'_>) -> Result<(), LedgerError> {
    transaction.batch_execute("CREATE TABLE IF NOT EXISTS ledger_versions (version BIGINT PRIMARY KEY)").await?;
    let version = transaction.query_one("SELECT max(version) FROM ledger_versions", &[]).await?;
    match version.try_get::<_, Option<i64>>(0)? {
        Some(SCHEMA_VERSION) => {}
        Some(version) => upgrade(transaction, version).await?,
        None => {
            transaction.batch_execute(include_str!("schema.sql")).await?;
            transaction.execute("INSERT INTO ledger_versions VALUES ($1)", &[&SCHEMA_VERSION]).await?;
        }
    }
    Ok(transaction.batch_execute(include_str!("tokens.sql")).await?)
}

/// Makes this version of an earlier one, in the transaction that enters the node. A later one is refused.
async fn upgrade(transaction: &Transaction<'_>, version: i64) -> Result<(), LedgerError> {
    let first = UPGRADES.iter().position(|(from, _)| *from == version).ok_or(LedgerError::Foreign)?;
    for (from, sql) in UPGRADES.iter().skip(first) {
        transaction.batch_execute(sql).await?;
        transaction.execute("INSERT INTO ledger_versions VALUES ($1)", &[&from.saturating_add(1)]).await?;
    }
    crate::telemetry::ledger::upgraded();
    Ok(())
}

async fn node(transaction: &Transaction<'_>, name: &str) -> Result<i64, LedgerError> {
    let known = transaction.query_opt("SELECT node FROM ledger_nodes WHERE name = $1", &[&name]).await?;
    if let Some(known) = known {
        return Ok(known.try_get(0)?);
    }
    let sql = "INSERT INTO ledger_nodes (node, name, seq, hash, pruned)
               SELECT coalesce(max(node), 0) + 1, $1, 0, $2, 0 FROM ledger_nodes RETURNING node";
    Ok(transaction.query_one(sql, &[&name, &NOTHING_BEFORE.as_slice()]).await?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::{Config, stays_here};

    #[test]
    fn an_address_is_held_to_the_rules_of_a_host_whatever_the_host_is_called() {
        let stays = |url: &str| url.parse::<Config>().is_ok_and(|config| stays_here(&config));
        for here in [
            "postgres://a:b@localhost/ledger",
            "postgres://a:b@127.0.0.1,[::1]/ledger",
            "postgres://a:b@localhost/ledger?hostaddr=127.0.0.1",
            "postgres://a:b@localhost,localhost/ledger?hostaddr=127.0.0.1,::1",
            "host=/var/run/postgresql user=a",
        ] {
            assert!(stays(here), "{here}");
        }
        for elsewhere in [
            "postgres://a:b@db.example.org/ledger",
            "postgres://a:b@localhost/ledger?hostaddr=192.0.2.1",
            "postgres://a:b@localhost,localhost/ledger?hostaddr=127.0.0.1,192.0.2.1",
            "postgres://a:b@db.example.org/ledger?hostaddr=127.0.0.1",
            "host=localhost hostaddr=2001:db8::1 user=a",
        ] {
            assert!(!stays(elsewhere), "{elsewhere}");
        }
    }
}
