//! Calls as an EHR makes them.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::HeaderValue;
use rustls::ClientConfig;
use serde_json::Value;

use super::tokens::bearer;
use super::{Certified, Connection, Reply};

/// An EHR that calls one server.
#[derive(Clone)]
pub struct Caller {
    /// Where the server listens.
    pub address: SocketAddr,
    base: String,
    client: Client,
    tls: Option<Arc<ClientConfig>>,
}

impl Caller {
    /// An EHR that calls the server at this address.
    pub fn of(address: SocketAddr) -> Self {
        // It trusts nobody, and has nobody to trust: the server speaks plain http.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let client = Client::builder().tls_backend_preconfigured(tls).build().unwrap();
        Self { address, base: format!("http://{address}"), client, tls: None }
    }

    /// An EHR that calls the server at this address by TLS, as `localhost`, and trusts its certificate.
    pub fn by_tls(address: SocketAddr, certified: &Certified) -> Self {
        Self::by_tls_showing(address, certified, None)
    }

    /// An EHR that calls by TLS and shows a certificate of its own, if it has one.
    pub fn by_tls_showing(address: SocketAddr, certified: &Certified, own: Option<&Certified>) -> Self {
        let tls = certified.trusted_by(rustls::ALL_VERSIONS, own);
        let client = Client::builder().tls_backend_preconfigured(tls.clone()).resolve("localhost", address);
        let base = format!("https://localhost:{}", address.port());
        Self { address, base, client: client.pool_max_idle_per_host(0).build().unwrap(), tls: Some(Arc::new(tls)) }
    }

    /// Calls order-sign with a token.
    pub fn sign_as_client(&self, token: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.sign_with_header("Authorization", &bearer(token), body)
    }

    /// Posts JSON to a page with headers.
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        let call = self.client.post(format!("{}{path}", self.base)).header("Content-Type", "application/json");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(*name, *value));
        reply(call.body(body.into())).unwrap()
    }

    /// Calls order-sign.
    pub fn sign(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.try_sign(body).unwrap()
    }

    /// Calls order-sign, of a server that may die while it answers.
    pub fn try_sign(&self, body: impl Into<Vec<u8>>) -> reqwest::Result<Reply> {
        reply(self.call("application/json").body(body.into()))
    }

    /// Calls the service of the hook that the body is of.
    pub fn invoke(&self, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let hook = serde_json::from_slice::<Value>(&body).unwrap()["hook"].as_str().unwrap().to_owned();
        reply(self.post(&format!("{hook}-crd"), "application/json").body(body)).unwrap()
    }

    /// Calls the service of the hook that the body is of, with headers more.
    pub fn invoke_with_headers(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let hook = serde_json::from_slice::<Value>(&body).unwrap()["hook"].as_str().unwrap().to_owned();
        let call = self.post(&format!("{hook}-crd"), "application/json");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(*name, *value));
        reply(call.body(body)).unwrap()
    }

    /// Calls order-sign with a body that says it is of this type.
    pub fn sign_as(&self, media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        reply(self.call(media_type).body(body.into())).unwrap()
    }

    /// Calls order-sign with a header more.
    pub fn sign_with_header(&self, name: &str, value: &str, body: impl Into<Vec<u8>>) -> Reply {
        reply(self.call("application/json").header(name, value).body(body.into())).unwrap()
    }

    /// Tells what became of cards that order-sign showed.
    pub fn tell(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.tell_of("order-sign-crd", body)
    }

    /// Tells what became of cards that a service showed.
    pub fn tell_of(&self, service: &str, body: impl Into<Vec<u8>>) -> Reply {
        let url = format!("{}/cds-services/{service}/feedback", self.base);
        reply(self.client.post(url).header("Content-Type", "application/json").body(body.into())).unwrap()
    }

    /// Gets a page.
    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    /// Gets a page with headers.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let call = self.client.get(format!("{}{path}", self.base));
        reply(headers.iter().fold(call, |call, (name, value)| call.header(*name, *value))).unwrap()
    }

    /// Asks for the headers of a page, with headers.
    pub fn head_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let call = self.client.head(format!("{}{path}", self.base));
        reply(headers.iter().fold(call, |call, (name, value)| call.header(*name, *value))).unwrap()
    }

    /// Gets a page with an operator's secret.
    pub fn get_as_operator(&self, path: &str, secret: &str) -> Reply {
        self.get_with(path, &[("Authorization", &format!("Bearer {secret}"))])
    }

    /// Posts nothing to a page with an operator's secret.
    pub fn post_as_operator(&self, path: &str, secret: &str) -> Reply {
        let call = self.client.post(format!("http://{}{path}", self.address));
        reply(call.header("Authorization", format!("Bearer {secret}")).header("Content-Length", "0")).unwrap()
    }

    /// Posts JSON to a page.
    pub fn post_to(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        let call = self.client.post(format!("{}{path}", self.base));
        reply(call.header("Content-Type", "application/json").body(body.into())).unwrap()
    }

    /// A connection on which every byte is ours.
    pub fn connect(&self) -> Connection {
        match &self.tls {
            Some(tls) => Connection::by_tls(self.address, tls.clone()),
            None => Connection::to(self.address),
        }
    }

    fn call(&self, media_type: &str) -> RequestBuilder {
        self.post("order-sign-crd", media_type)
    }

    fn post(&self, service: &str, media_type: &str) -> RequestBuilder {
        let url = format!("{}/cds-services/{service}", self.base);
        self.client.post(url).header("Content-Type", media_type)
    }
}

fn reply(call: RequestBuilder) -> reqwest::Result<Reply> {
    let response = call.send()?;
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Ok(Reply { status: response.status().as_u16(), headers, body: response.bytes()?.to_vec() })
}
