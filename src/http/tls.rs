//! TLS in the server itself: 1.2 and 1.3, with a certificate that is read again when its file changes.

mod clients;

use std::any::Any;
use std::fmt;
use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use socket2::SockRef;
use tokio::sync::Semaphore;

use super::admit::LetIn;
use super::doors::Doors;
use super::line::Line;
use super::rest::Rest;
use crate::auth::Fingerprint;
use crate::config::{Networks, TlsSettings};
use crate::telemetry;
use clients::Issuers;

/// How often it is looked whether the files have changed.
pub const LOOK: Duration = Duration::from_secs(5);

/// Why TLS cannot be spoken as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Only one of two files is named.
    #[error("tls.certificate and tls.key go together")]
    Half,
    /// Nobody could show a certificate.
    #[error("tls.client_roots is of use only with tls.certificate and tls.key: whoever ends the TLS sees certificates")]
    NoTls,
    /// A file cannot be read, or holds something else.
    #[error("{0} cannot be read: it must be a PEM file with {1}")]
    File(&'static str, &'static str),
    /// The certificate is not for the key.
    #[error("tls.key is not the key of tls.certificate, or of a kind that is not supported")]
    Pair,
    /// TLS cannot be had.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The certificate that serves, and where it comes from.
struct Certificates {
    files: [PathBuf; 2],
    serving: RwLock<Arc<CertifiedKey>>,
    /// Who may issue the certificates of clients, and the file that says so.
    issuers: Option<(PathBuf, Arc<Issuers>)>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.serving.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// How TLS is spoken; none where no certificate is named. The files are looked at so often.
///
/// # Errors
/// [`TlsError`]
pub fn config(settings: &TlsSettings, look: Duration) -> Result<Option<ServerConfig>, TlsError> {
    let files = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => [certificate.clone(), key.clone()],
        (None, None) if settings.client_roots.is_some() => return Err(TlsError::NoTls),
        (None, None) => return Ok(None),
        _ => return Err(TlsError::Half),
    };
    let serving = RwLock::new(read(&files)?);
    let provider = Arc::new(ring::default_provider());
    let issuers = settings.client_roots.as_ref().map(|file| {
        let issuers = Issuers::of(file, provider.clone())?;
        Ok::<_, TlsError>((file.clone(), Arc::new(issuers)))
    });
    let certificates = Arc::new(Certificates { files, serving, issuers: issuers.transpose()? });
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13, &TLS12])?;
    let config = match &certificates.issuers {
        None => config.with_no_client_auth().with_cert_resolver(certificates.clone()),
        Some((_, issuers)) => {
            let config = config.with_client_cert_verifier(issuers.clone());
            let mut config = config.with_cert_resolver(certificates.clone());
            // A session that is taken up again would not look at the client's certificate again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
    };
    watch(&certificates, look);
    Ok(Some(config))
}

/// Keeps what certificate a new connection has shown, beside it. One too many of an address is closed at once, unless a proxy
/// speaks there for others.
pub(super) fn seen(
    connection: &dyn Any,
    beside: &mut Extensions,
    (doors, lines): (&Doors, &Arc<Semaphore>),
    proxies: &Networks,
) {
    let (socket, tls) = match connection.downcast_ref::<TlsStream<TcpStream>>() {
        Some(stream) => (Some(stream.get_ref().0), Some(stream.get_ref().1)),
        None => (connection.downcast_ref::<TcpStream>(), None),
    };
    let peer = socket.and_then(|socket| socket.peer_addr().ok()).map(|peer| peer.ip());
    if let (Some(socket), Some(peer)) = (socket, peer.filter(|peer| !proxies.hold(*peer))) {
        match doors.enter(peer) {
            Some(door) => _ = beside.insert(door),
            // Whatever becomes of the connection, nothing can be read from it or written to it.
            None => _ = SockRef::from(socket).shutdown(Shutdown::Both),
        }
    }
    beside.insert(LetIn::default());
    beside.insert(Rest::default());
    if let Some(socket) = socket {
        beside.insert(Line::of(&SockRef::from(socket), lines));
    }
    if let Some(leaf) = tls.and_then(|tls| tls.peer_certificates()).and_then(<[_]>::first) {
        beside.insert(Fingerprint::of(leaf));
    }
}

fn read(files: &[PathBuf; 2]) -> Result<Arc<CertifiedKey>, TlsError> {
    let [certificate, key] = files;
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|_| TlsError::File("tls.certificate", "a certificate and those that lead to its root"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|_| TlsError::File("tls.key", "a private key"))?;
    let key = ring::sign::any_supported_type(&key).map_err(|_| TlsError::Pair)?;
    if chain.is_empty() {
        return Err(TlsError::File("tls.certificate", "a certificate and those that lead to its root"));
    }
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().map_err(|_| TlsError::Pair)?;
    Ok(Arc::new(pair))
}

/// Reads the files again when they have changed. What cannot be used leaves the certificate that serves.
fn watch(certificates: &Arc<Certificates>, look: Duration) {
    let changed = |certificates: &Certificates| {
        let files = certificates.files.iter().chain(certificates.issuers.iter().map(|(file, _)| file));
        files.map(|file| file.metadata().and_then(|it| it.modified()).ok()).collect::<Vec<_>>()
    };
    let mut seen = changed(certificates);
    let serving = Arc::downgrade(certificates);
    thread::spawn(move || {
        loop {
            thread::sleep(look);
            // Where nothing is served any more there is nothing to look at.
            let Some(certificates) = serving.upgrade() else { return };
            let now = changed(&certificates);
            if now == seen {
                continue;
            }
            seen = now;
            let issuers = certificates.issuers.as_ref().map_or(Ok(()), |(file, issuers)| issuers.read_again(file));
            match issuers.and_then(|()| read(&certificates.files)) {
                Ok(pair) => {
                    *certificates.serving.write().unwrap_or_else(PoisonError::into_inner) = pair;
                    telemetry::certificate_changed();
                }
                Err(error) => telemetry::certificate_kept(&error.to_string()),
            }
        }
    });
}
