//! The certificates of clients: asked for, never demanded, and held to whoever may issue them now.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::TlsError;

/// Holds certificates to the issuers of a file, which may change.
#[derive(Debug)]
pub(super) struct Issuers {
    provider: Arc<CryptoProvider>,
    serving: RwLock<Arc<dyn ClientCertVerifier>>,
}

impl Issuers {
    /// Those of a PEM file.
    pub(super) fn of(file: &Path, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let serving = RwLock::new(read(file, &provider)?);
        Ok(Self { provider, serving })
    }

    /// Reads the file again. What cannot be used leaves those that serve.
    pub(super) fn read_again(&self, file: &Path) -> Result<(), TlsError> {
        let read = read(file, &self.provider)?;
        *self.serving.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

fn read(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let wrong = || TlsError::File("tls.client_roots", "the certificates of those who issue clients' certificates");
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(file).map_err(|_| wrong())? {
        roots.add(root.map_err(|_| wrong())?).map_err(|_| wrong())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    // A client that is bound to no certificate needs none.
    verifier.allow_unauthenticated().build().map_err(|_| wrong())
}

impl ClientCertVerifier for Issuers {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: they would outlive the issuers they name.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner).clone();
        serving.verify_client_cert(certificate, between, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
