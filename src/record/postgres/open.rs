//! Reaches the database, refuses one that durability or history cannot rest on, and makes the tables where there are none.

use std::net::IpAddr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Server;
use super::shelf;
use crate::record::chain::NOTHING_BEFORE;
use crate::record::keyring::{Keyring, MasterKeys};
use crate::record::{LedgerError, Trouble};

/// The version of `schema.sql`.
const SCHEMA_VERSION: i64 = 1;

/// Held by whoever changes tables: `cvnt`. No two nodes make them at once.
pub(super) const LOCK: i64 = 0x6376_6e74;

/// What the server must say of settings that durability rests on.
const SETTINGS: [(&str, &[&str]); 3] =
    [("fsync", &["on"]), ("full_page_writes", &["on"]), ("synchronous_commit", &["on", "remote_apply"])];

/// A way to connections. Nothing is reached yet.
pub(super) fn pool(server: &Server) -> Result<Pool, LedgerError> {
    let mut config: Config = server.url.parse().map_err(|_| LedgerError::Url)?;
    // Patients' data goes in the clear to nobody but this machine, unless the address says so.
    if config.get_ssl_mode() == SslMode::Prefer {
        let here = config.get_hosts().iter().all(is_this_machine);
        config.ssl_mode(if here { SslMode::Disable } else { SslMode::Require });
    }
    config.application_name("covenant").connect_timeout(server.patience).tcp_user_timeout(server.patience);
    // A server that is gone without a word is noticed though nobody asks.
    config.keepalives_idle(Duration::from_secs(5));
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, MakeRustlsConnect::new(tls()?), recycling);
    Pool::builder(manager)
        .max_size(server.connections.max(2))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(server.patience))
        .create_timeout(Some(server.patience))
        .recycle_timeout(Some(server.patience))
        .build()
        .map_err(|_| LedgerError::Unavailable(Trouble::Connection))
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

/// Makes a connection ready for writing: what it does lasts, and nothing in it waits for ever.
pub(super) async fn settle(client: &Client, patience: Duration) -> Result<(), LedgerError> {
    let millis = patience.as_millis();
    client
        .batch_execute(&format!(
            "SET synchronous_commit = on; SET statement_timeout = {millis}; SET lock_timeout = {millis};
             SET idle_in_transaction_session_timeout = {millis}; SET default_transaction_isolation = 'read committed'"
        ))
        .await?;
    for (name, good) in SETTINGS {
        let taken: String = client.query_one(&format!("SHOW {name}"), &[]).await?.try_get(0)?;
        if !good.contains(&taken.as_str()) {
            return Err(LedgerError::Setting(name));
        }
    }
    Ok(())
}

/// Makes the tables, if there are none, refuses those of another version, and enters the node: its number and the keys.
pub(super) async fn enter(
    client: &mut Client,
    server: &Server,
    masters: &MasterKeys,
) -> Result<(i64, Keyring), LedgerError> {
    let transaction = client.transaction().await?;
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
        Some(SCHEMA_VERSION) => Ok(()),
        Some(_) => Err(LedgerError::Foreign),
        None => {
            transaction.batch_execute(include_str!("schema.sql")).await?;
            transaction.execute("INSERT INTO ledger_versions VALUES ($1)", &[&SCHEMA_VERSION]).await?;
            Ok(())
        }
    }
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
