//! The whole file, and the sections that are no module's own: `[service]`, `[log]`, `[http]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::{Country, Numbering};

use super::{AlertsConfig, FollowUpConfig, OutgoingConfig, WebhookConfig};
use super::{
    ApiConfig, Checked, Fault, ListenerConfig, MediaConfig, PolicyConfig, SelectionConfig, SipConfig,
    SpeechConfig, StoreConfig, TrunkConfig, WebConfig,
};

/// Everything that a configuration file may say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names, folders and time limits of the service as a whole.
    #[serde(default)]
    pub service: ServiceConfig,
    /// Log output.
    #[serde(default)]
    pub log: LogConfig,
    /// Health and metrics.
    #[serde(default)]
    pub http: HttpConfig,
    /// Limits and timers of signalling.
    #[serde(default)]
    pub sip: SipConfig,
    /// Addresses that we listen on.
    pub listener: Vec<ListenerConfig>,
    /// Peers that may send us calls.
    pub trunk: Vec<TrunkConfig>,
    /// Audio.
    #[serde(default)]
    pub media: MediaConfig,
    /// Who is surveyed.
    #[serde(default)]
    pub selection: SelectionConfig,
    /// Listening to callers.
    #[serde(default)]
    pub speech: SpeechConfig,
    /// The database.
    #[serde(default)]
    pub store: StoreConfig,
    /// The dashboard and the API.
    #[serde(default)]
    pub web: WebConfig,
    /// What other systems may do.
    #[serde(default)]
    pub api: ApiConfig,
    /// Which answers ask for somebody's attention.
    #[serde(default)]
    pub follow_up: FollowUpConfig,
    /// Systems that are told of events.
    #[serde(default)]
    pub webhook: Vec<WebhookConfig>,
    /// Mail about events.
    #[serde(default)]
    pub alerts: AlertsConfig,
    /// How messages are sent.
    #[serde(default)]
    pub outgoing: OutgoingConfig,
    /// Who may see what.
    #[serde(default)]
    pub policy: PolicyConfig,
}

/// `[service]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// Folder of the survey files, relative to the configuration file.
    pub surveys: PathBuf,
    /// Folder of the prompts, relative to the configuration file.
    pub prompts: PathBuf,
    /// Folder of the grammars of spoken answers, relative to the configuration file.
    pub grammars: PathBuf,
    /// How long running surveys may go on after SIGTERM before they are ended politely: 0 s - 1 h.
    #[serde(with = "humantime_serde")]
    pub drain_max: Duration,
    /// The country whose way of writing numbers is meant where one names none: in lists, reservations and erasures, and
    /// on trunks that name no country of their own. Two letters, as `"NL"`.
    pub country: Option<Country>,
}

impl ServiceConfig {
    /// How people write numbers here.
    #[must_use]
    pub fn numbering(&self) -> Numbering {
        Numbering { country: self.country, international_prefix: None }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            surveys: "surveys".into(),
            prompts: "../prompts".into(),
            grammars: "../grammars".into(),
            drain_max: Duration::from_secs(180),
            country: None,
        }
    }
}

impl Checked for ServiceConfig {
    fn check(&self) -> Result<(), Fault> {
        if self.drain_max > Duration::from_secs(3600) {
            return Err(Fault::new("drain_max", "must be at most 1 h"));
        }
        Ok(())
    }
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// What to log, in the words of `tracing`'s `EnvFilter`: `info`, or `info,aftercall::sip=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object per line.
    Json,
}

/// `[http]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where `/healthz`, `/readyz` and `/metrics` are served. Must be a loopback address; `None` serves nothing.
    pub listen: Option<SocketAddr>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9091))) }
    }
}

impl Checked for HttpConfig {
    fn check(&self) -> Result<(), Fault> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() => Err(Fault::new(
                "listen",
                format!("{address} is no loopback address; these pages ask for no password"),
            )),
            _ => Ok(()),
        }
    }
}
