//! `[web]`: the dashboard and the API.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::{Checked, Fault};

/// The `[web]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Where the dashboard and the API listen; nowhere, unless it is set. Loopback only: a proxy in front of it speaks
    /// TLS to browsers.
    pub listen: Option<SocketAddr>,
    /// The address that browsers know, `https://results.example.com`; needed for single sign-on and links in mail.
    pub public_url: Option<String>,
    /// Whether the address of who signs in is the last one in `X-Forwarded-For`, as a proxy in front of it writes it.
    pub forwarded: bool,
    /// How long a session lasts without a look at a page: 1 minute - 1 day.
    #[serde(with = "humantime_serde")]
    pub session_idle_max: Duration,
    /// How long it lasts in all: up to 30 days.
    #[serde(with = "humantime_serde")]
    pub session_max: Duration,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: None,
            public_url: None,
            forwarded: false,
            session_idle_max: Duration::from_secs(30 * 60),
            session_max: Duration::from_secs(12 * 3600),
        }
    }
}

impl WebConfig {
    /// Whether browsers speak TLS to the proxy in front of it.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

impl Checked for WebConfig {
    fn check(&self) -> Result<(), Fault> {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        if !(minute..=day).contains(&self.session_idle_max) {
            return Err(Fault::new("session_idle_max", "must lie in 1m-1d"));
        }
        if !(self.session_idle_max..=30 * day).contains(&self.session_max) {
            return Err(Fault::new("session_max", "must lie between session_idle_max and 30d"));
        }
        match self.listen {
            Some(address) if !address.ip().is_loopback() => Err(Fault::new(
                "listen",
                format!("{address} is no loopback address: put a TLS proxy before it"),
            )),
            _ => Ok(()),
        }
    }
}
