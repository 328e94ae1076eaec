//! `[web]`: the dashboard and the API.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{Checked, Fault};

/// The `[web]` section.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Where the dashboard and the API listen; nowhere, unless it is set.
    pub listen: Option<SocketAddr>,
    /// Certificate and key. Without them the address must be loopback: a proxy in front of it speaks TLS.
    pub tls: Option<TlsConfig>,
    /// The address that browsers know, `https://results.example.com`; needed for single sign-on and links in mail.
    pub public_url: Option<String>,
}

/// `[web] tls`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the certificate and those above it.
    pub certificate: PathBuf,
    /// PEM file of its key.
    pub key: PathBuf,
}

impl Checked for WebConfig {
    fn check(&self) -> Result<(), Fault> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() && self.tls.is_none() => Err(Fault::new(
                "listen",
                format!("{address} is no loopback address: set tls, or use a proxy"),
            )),
            _ => Ok(()),
        }
    }
}
