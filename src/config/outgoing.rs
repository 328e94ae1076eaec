//! `[[webhook]]`, `[alerts]` and `[outgoing]`: who is told what, and how stubbornly.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::Certificate;
use serde::Deserialize;
use url::Url;

use super::{Checked, Fault};
use crate::domain::EventKind;

/// Longest list of events or mailboxes.
const LIST_MAX: usize = 50;

/// A system that is told of events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name in rows, lists and logs: 1-32 letters, digits, '-', '_' or '.'.
    pub name: String,
    /// Where messages go: https, or http to a loopback address.
    pub url: Url,
    /// The file with the secret that messages are signed with: `whsec_` and 24-64 octets in base64.
    pub secret_file: PathBuf,
    /// Which events.
    pub events: Vec<EventKind>,
    /// Whether http is good enough for another address than loopback.
    #[serde(default)]
    pub plain_http: bool,
    /// The secret, once its file was read.
    #[serde(skip)]
    pub secret: Secret,
}

/// Something that never shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The secret of a webhook, as Standard Webhooks 1.0.0 writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_webhook(text: &str) -> Result<Self, String> {
        use base64::Engine as _;
        let encoded = text.trim().strip_prefix("whsec_").ok_or("does not begin with whsec_")?;
        let octets = base64::engine::general_purpose::STANDARD.decode(encoded);
        let octets = octets.map_err(|_| "is no base64 after whsec_")?;
        if !(24..=64).contains(&octets.len()) {
            return Err(format!("holds {} octets, not 24-64", octets.len()));
        }
        Ok(Self(octets))
    }
}

impl WebhookConfig {
    fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Checked for WebhookConfig {
    fn check(&self) -> Result<(), Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !(1..=32).contains(&self.name.len()) || !self.name.chars().all(plain) {
            return Err(Fault::new("name", "is 1-32 letters, digits, '-', '_' or '.'"));
        }
        match self.url.scheme() {
            "https" => {}
            "http" if self.plain_http || self.is_loopback() => {}
            "http" => {
                return Err(Fault::new(
                    "url",
                    "is http and no loopback address: plain_http = true allows it",
                ));
            }
            other => return Err(Fault::new("url", format!("has the scheme {other}, not https"))),
        }
        if self.events.is_empty() || self.events.len() > LIST_MAX {
            return Err(Fault::new("events", "names no event, or too many"));
        }
        Ok(())
    }
}

/// The `[alerts]` section: mail to those who may see single calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// The mail server; no mail is sent without one.
    pub smtp: Option<SmtpConfig>,
    /// The sender, `Aftercall <aftercall@example.com>`.
    pub from: Option<Mailbox>,
    /// The receivers: mailboxes of people in the role of quality.
    pub to: Vec<Mailbox>,
    /// Which events.
    pub events: Vec<EventKind>,
    /// How long events are gathered for one mail: 0 s - 45 s, so that each is told within the minute.
    #[serde(with = "humantime_serde")]
    pub gather: Duration,
}

/// A mail server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port; that of the kind of TLS, unless it is given.
    pub port: Option<u16>,
    /// How the connection is kept private.
    #[serde(default)]
    pub tls: SmtpTls,
    /// A file with the certificates, in PEM, of authorities that its own may be signed by, beside those that the system
    /// trusts.
    pub ca_file: Option<PathBuf>,
    /// What is in it, once it was read.
    #[serde(skip)]
    pub authorities: Option<Certificate>,
    /// The user to sign in as.
    pub user: Option<String>,
    /// The file with the user's password.
    pub password_file: Option<PathBuf>,
    /// The password, once its file was read.
    #[serde(skip)]
    pub password: Secret,
}

/// How a connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// STARTTLS, required (RFC 3207): port 587.
    #[default]
    Starttls,
    /// TLS from the start (RFC 8314): port 465.
    Tls,
    /// Not at all, to a loopback address only: port 25.
    None,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            smtp: None,
            from: None,
            to: Vec::new(),
            events: vec![EventKind::LowScore, EventKind::Callback],
            gather: Duration::from_secs(15),
        }
    }
}

impl AlertsConfig {
    /// Whether mail is sent for these events.
    #[must_use]
    pub fn tells(&self, kind: EventKind) -> bool {
        self.smtp.is_some() && self.events.contains(&kind)
    }
}

impl Checked for AlertsConfig {
    fn check(&self) -> Result<(), Fault> {
        if self.gather > Duration::from_secs(45) {
            return Err(Fault::new("gather", "is 0-45 s"));
        }
        let Some(smtp) = &self.smtp else { return Ok(()) };
        if self.from.is_none() {
            return Err(Fault::new("from", "is needed to send mail"));
        }
        if self.to.is_empty() || self.to.len() > LIST_MAX {
            return Err(Fault::new("to", format!("names 1-{LIST_MAX} receivers")));
        }
        let loopback = smtp.host == "localhost"
            || smtp.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if smtp.tls == SmtpTls::None && !loopback {
            return Err(Fault::new("smtp", "tls = \"none\" is for loopback addresses alone"));
        }
        if smtp.tls == SmtpTls::None && smtp.ca_file.is_some() {
            return Err(Fault::new("smtp", "a ca_file is for tls"));
        }
        if smtp.user.is_some() != smtp.password_file.is_some() {
            return Err(Fault::new("smtp", "a user has a password_file, and the other way round"));
        }
        Ok(())
    }
}

/// The `[outgoing]` section: how messages are sent, and how often a failed one is tried again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutgoingConfig {
    /// How long one try may take: 1-60 s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Tries at once to one receiver: 1-64.
    pub at_once: usize,
    /// The wait after the first failure; it doubles, and each wait is drawn from its upper half: 10 ms - 1 h.
    #[serde(with = "humantime_serde")]
    pub retry_first: Duration,
    /// The longest wait: up to 24 h.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// Tries before a message is given up as a dead letter, which can be replayed: 1-50.
    pub attempts_max: u32,
    /// How long messages are kept once they are delivered or given up: 1 h - 1 year.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for OutgoingConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            at_once: 4,
            retry_first: Duration::from_secs(5),
            retry_max: Duration::from_secs(6 * 3600),
            attempts_max: 16,
            keep: Duration::from_secs(7 * 86_400),
        }
    }
}

impl Checked for OutgoingConfig {
    fn check(&self) -> Result<(), Fault> {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        if !(second..=60 * second).contains(&self.timeout) {
            return Err(Fault::new("timeout", "is 1-60 s"));
        }
        if !(1..=64).contains(&self.at_once) {
            return Err(Fault::new("at_once", "is 1-64"));
        }
        if !(Duration::from_millis(10)..=hour).contains(&self.retry_first) {
            return Err(Fault::new("retry_first", "is 10 ms - 1 h"));
        }
        if !(self.retry_first..=24 * hour).contains(&self.retry_max) {
            return Err(Fault::new("retry_max", "lies between retry_first and 24 h"));
        }
        if !(1..=50).contains(&self.attempts_max) {
            return Err(Fault::new("attempts_max", "is 1-50"));
        }
        if !(hour..=366 * 24 * hour).contains(&self.keep) {
            return Err(Fault::new("keep", "is 1 h - 1 year"));
        }
        Ok(())
    }
}
