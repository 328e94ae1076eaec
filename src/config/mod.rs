//! Configuration: read once, checked, refused loudly.

mod api;
mod follow_up;
mod load;
mod media;
mod outgoing;
mod policy;
mod secrets;
mod selection;
mod service;
mod sip;
mod speech;
mod store;
mod web;

pub use api::ApiConfig;
pub use follow_up::{FollowUpConfig, LowScores};
pub use load::{ConfigError, Live, load, parse_text, read, speech_models};
pub use media::{InBand, MediaConfig};
pub use outgoing::{AlertsConfig, OutgoingConfig, Secret, SmtpConfig, SmtpTls, WebhookConfig};
pub use policy::{CommentAccess, PolicyConfig};
pub use selection::{Day, Decline, Hours, QueueRule, Rule, SelectionConfig};
pub use service::{Config, HttpConfig, LogConfig, LogFormat, ServiceConfig};
pub use sip::{
    AuthConfig, ContextMap, DigestAlgorithm, ListenerConfig, Provisional, SipConfig, Transport, TrunkConfig,
    UnknownSource,
};
pub use speech::{Listening, ModelConfig, SpeechConfig, SpeechModels};
pub use store::StoreConfig;
pub use web::{GroupRole, OidcConfig, TlsConfig, WebConfig};

/// A section that can tell whether its values make sense together.
pub trait Checked {
    /// Looks for a value out of range.
    ///
    /// # Errors
    /// The first key that is wrong, and what is wrong with it.
    fn check(&self) -> Result<(), Fault>;
}

/// One wrong value: the key inside its section, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, as written in the file.
    pub key: &'static str,
    /// What is wrong, to be read after the key.
    pub what: String,
}

impl Fault {
    /// A fault at a key.
    #[must_use]
    pub fn new(key: &'static str, what: impl Into<String>) -> Self {
        Self { key, what: what.into() }
    }
}
