//! `[web]`: the dashboard and the API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Checked, Fault};
use crate::domain::{Role, TeamId};

/// The `[web]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// Where the dashboard and the API listen; nowhere, unless it is set. Without [`Self::tls`] loopback only: a proxy in
    /// front of it speaks TLS to browsers.
    pub listen: Option<SocketAddr>,
    /// Certificate and key, to speak TLS ourselves.
    pub tls: Option<TlsConfig>,
    /// The address that browsers know, `https://results.example.com`; needed for single sign-on and links in mail.
    pub public_url: Option<String>,
    /// Single sign-on.
    pub oidc: Option<OidcConfig>,
    /// Most connections at once: 1-10,000. Further ones are closed.
    pub connections_max: usize,
    /// Most of them from one address (of IPv6: from one /64): 1-10,000. It does not hold for a proxy ([`Self::forwarded`]).
    pub connections_per_client_max: usize,
    /// Whether the address of who asks is the last one in `X-Forwarded-For`, as a proxy in front of it writes it. Must be
    /// set behind a proxy, and only there: without it all who come through the proxy count as one.
    pub forwarded: bool,
    /// How long a session lasts without a look at a page: 1 minute - 1 day.
    #[serde(with = "humantime_serde")]
    pub session_idle_max: Duration,
    /// How long it lasts in all: up to 30 days.
    #[serde(with = "humantime_serde")]
    pub session_max: Duration,
}

/// `[web.tls]`: PEM files, which are read again when they change.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate, with those between it and the root after it.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// `[web.oidc]`: single sign-on by OpenID Connect (authorization code with PKCE).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The provider; its `/.well-known/openid-configuration` says the rest.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// A file with our secret there; none for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// What to ask for beside `openid`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim that names the person.
    #[serde(default = "default_name_claim")]
    pub name_claim: String,
    /// The claim that lists the groups which [`Self::roles`] knows.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// The claim that names the agent, for the role of agent.
    #[serde(default = "default_agent_claim")]
    pub agent_claim: String,
    /// Which group has which role. The first that fits counts, with the teams of all groups of the same role that fit
    /// too; who is in none may not come in.
    pub roles: Vec<GroupRole>,
}

/// What a group of the provider is here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// The group.
    pub group: String,
    /// The role.
    pub role: Role,
    /// For supervisors: the teams that they see; all when empty.
    #[serde(default)]
    pub teams: Vec<TeamId>,
}

fn default_scopes() -> Vec<String> {
    vec!["profile".into()]
}

fn default_name_claim() -> String {
    "preferred_username".into()
}

fn default_groups_claim() -> String {
    "groups".into()
}

fn default_agent_claim() -> String {
    "agent_id".into()
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            public_url: None,
            oidc: None,
            connections_max: 500,
            connections_per_client_max: 100,
            forwarded: false,
            session_idle_max: Duration::from_secs(30 * 60),
            session_max: Duration::from_secs(12 * 3600),
        }
    }
}

impl WebConfig {
    /// Whether browsers speak TLS, to us or to the proxy in front of us.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// What is allowed and yet worth a loud word at the start.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let Some(address) = self.listen else { return Vec::new() };
        let proxied = self.public_url.is_some() && self.tls.is_none();
        let checks = [
            (
                proxied && !self.forwarded,
                "[web] public_url is set and forwarded is not: if a proxy stands in front, everybody comes from its one \
                 address, so that somebody who guesses passwords makes all others wait, and the log names the proxy \
                 alone. Let the proxy append X-Forwarded-For, and set forwarded = true",
            ),
            (
                self.forwarded && !address.ip().is_loopback(),
                "[web] forwarded is set and listen is no loopback address: whoever reaches it past the proxy can name any \
                 address in X-Forwarded-For and guess passwords without end. Let only the proxy reach it",
            ),
        ];
        checks.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text).collect()
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
        if !(1..=10_000).contains(&self.connections_max) {
            return Err(Fault::new("connections_max", "must lie in 1-10000"));
        }
        if !(1..=10_000).contains(&self.connections_per_client_max) {
            return Err(Fault::new("connections_per_client_max", "must lie in 1-10000"));
        }
        if let Some(oidc) = &self.oidc {
            let local =
                |url: &str| url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:");
            if self.public_url.is_none() {
                return Err(Fault::new(
                    "public_url",
                    "is needed for single sign-on: the provider sends people back to it",
                ));
            }
            if !oidc.issuer.starts_with("https://") && !local(&oidc.issuer) {
                return Err(Fault::new("oidc", "issuer: must begin with https://"));
            }
            if oidc.roles.is_empty() {
                return Err(Fault::new("oidc", "roles: nobody could come in without any"));
            }
        }
        match self.listen {
            Some(address) if !address.ip().is_loopback() && self.tls.is_none() => Err(Fault::new(
                "listen",
                format!(
                    "{address} is no loopback address: set [web.tls], or put a TLS proxy before a loopback address"
                ),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_hides_addresses_is_told_of() {
        let listening = WebConfig { listen: "127.0.0.1:8080".parse().ok(), ..WebConfig::default() };
        assert_eq!(listening.warnings(), [""; 0]);
        let proxied = WebConfig { public_url: Some("https://results.example.com".into()), ..listening };
        assert!(matches!(proxied.warnings()[..], [one] if one.contains("forwarded = true")));
        let told = WebConfig { forwarded: true, ..proxied };
        assert_eq!(told.warnings(), [""; 0]);
        let open = WebConfig { listen: "192.0.2.1:8080".parse().ok(), ..told };
        assert!(matches!(open.warnings()[..], [one] if one.contains("no loopback address")));
    }
}
