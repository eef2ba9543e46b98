//! Certificates, made when a test runs.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::Place;

/// A certificate for a name, with its key.
pub struct Certified {
    certificate: rcgen::Certificate,
    key: KeyPair,
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

    /// What a registration binds a client to it by.
    pub fn fingerprint(&self) -> String {
        let hash = ::ring::digest::digest(&::ring::digest::SHA256, self.certificate.der());
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A client of TLS that trusts it and nobody else.
    pub fn trusted(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        self.trusted_by(versions, None)
    }

    /// A client of TLS that trusts it and nobody else, and shows a certificate of its own if it has one.
    pub fn trusted_by(&self, versions: &[&'static SupportedProtocolVersion], own: Option<&Self>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
        match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let key = PrivatePkcs8KeyDer::from(own.key.serialize_der());
                config.with_client_auth_cert(vec![own.der()], key.into()).unwrap()
            }
        }
    }
}

/// Whoever issues the certificates of clients.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(parameters, key) }
    }

    /// Writes it to where a server finds whom it believes of its clients.
    pub fn writes(&self, place: &Place) -> PathBuf {
        place.write("clients.crt", self.certificate.pem())
    }

    /// A certificate of a client.
    pub fn issues(&self, name: &str) -> Certified {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        Certified { certificate: parameters.signed_by(&key, &self.issuer).unwrap(), key }
    }
}
