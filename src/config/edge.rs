//! The settings of the public edge: TLS, and browsers from elsewhere.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::list;

/// TLS in the server itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// A PEM file with the certificate and those that lead to its root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub key: Option<PathBuf>,
    /// A PEM file with those who issue the certificates of clients. Without it clients are not asked for any.
    pub client_roots: Option<PathBuf>,
    /// The proxies before us, whose word is taken for whom they speak. Where we speak no TLS, nobody else is answered.
    #[serde(default)]
    pub proxies: Networks,
}

/// Addresses, and networks of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether an address is one of them. One of IPv4 is the same when it is written as one of IPv6.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong =
            |text: &String| D::Error::custom(format!("`{text}` is no address, and no network of some addresses"));
        let read = |text: &String| {
            let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            // A network of all addresses is everybody.
            address.or_else(|_| text.parse()).ok().filter(|it: &IpNet| it.prefix_len() > 0).ok_or_else(|| wrong(text))
        };
        list(deserializer)?.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}
