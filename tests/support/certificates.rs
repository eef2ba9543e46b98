//! Certificates, made when a test runs.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::Place;

/// A certificate for a name, with its key.
pub struct Certified {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Certified {
    /// A new one, which is its own root.
    pub fn new(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self { certificate: made.cert, key: made.signing_key }
    }

    /// Writes certificate and key to where a server finds them.
    pub fn writes(&self, place: &Place) -> [PathBuf; 2] {
        [place.write("tls.crt", self.certificate.pem()), place.write("tls.key", self.key.serialize_pem())]
    }

    /// What is sent of it.
    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A client of TLS that trusts it and nobody else.
    pub fn trusted(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        config.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth()
    }
}
