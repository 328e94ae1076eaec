//! `[sip]`, `[[listener]]` and `[[trunk]]`: where we listen, and whose calls we take.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::{Checked, Fault};
use crate::domain::{Codec, Country, Language, Numbering, SurveyId, TrunkId};
use crate::sip::SourceExpr;

/// Limits and timers of the SIP side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipConfig {
    /// Calls that may be up or being set up at once, over all trunks: 1-100000.
    pub calls_max: usize,
    /// Answered calls of one address whose ACK has not come yet: 1-100000; a quarter of `calls_max` unless it is set.
    /// More are refused with 503, for nobody may have asked for them: a forged source never sends an ACK.
    pub unconfirmed_max: Option<usize>,
    /// RFC 3261 T1, the round-trip estimate that all retransmission starts from: 50 ms - 2 s.
    #[serde(with = "humantime_serde")]
    pub t1: Duration,
    /// New requests per second that one source address may send: 0 is no limit. More than this get a 503 (INVITE) or
    /// silence.
    pub source_rate: u32,
    /// Requests that a source may send at once before its rate counts.
    pub source_burst: u32,
    /// What a source that no trunk allows gets.
    pub unknown_source: UnknownSource,
    /// Whether responses go to the port a UDP request came from even when its Via has no `rport` (RFC 3581). Almost
    /// every peer behind a NAT wants this.
    pub force_rport: bool,
    /// Shortest session interval that we accept (RFC 4028 Min-SE): 90 s or more.
    #[serde(with = "humantime_serde")]
    pub session_min: Duration,
    /// Whether calls without session timer get one from us when the peer supports it.
    pub session_timers: bool,
    /// TCP connections at once: 1-10000.
    pub connections_max: usize,
    /// TCP connections of one address at once: 1-10000.
    pub connections_per_source: usize,
    /// A TCP connection without traffic and without calls is closed after this long.
    #[serde(with = "humantime_serde")]
    pub connection_idle: Duration,
    /// Codecs that we speak; among them the offer's own order decides.
    pub codecs: Vec<Codec>,
    /// Name in the `Server` and `User-Agent` headers; empty leaves them out. It never carries a version.
    pub server_name: String,
    /// Seconds named in `Retry-After` of a 503: a number drawn from the upper half of 1..this.
    pub retry_after_max: u32,
}

impl Default for SipConfig {
    fn default() -> Self {
        Self {
            calls_max: 2000,
            unconfirmed_max: None,
            t1: Duration::from_millis(500),
            source_rate: 200,
            source_burst: 400,
            unknown_source: UnknownSource::Drop,
            force_rport: true,
            session_min: Duration::from_secs(90),
            session_timers: true,
            connections_max: 256,
            connections_per_source: 64,
            connection_idle: Duration::from_secs(300),
            codecs: Codec::ALL.to_vec(),
            server_name: "Aftercall".into(),
            retry_after_max: 20,
        }
    }
}

impl Checked for SipConfig {
    fn check(&self) -> Result<(), Fault> {
        let within = |key, ok, what: &str| if ok { Ok(()) } else { Err(Fault::new(key, what)) };
        within("calls_max", (1..=100_000).contains(&self.calls_max), "must lie in 1-100000")?;
        let t1 = self.t1.as_millis();
        within("t1", (50..=2000).contains(&t1), "must lie between 50 ms and 2 s")?;
        within("session_min", self.session_min.as_secs() >= 90, "must be at least 90 s (RFC 4028 §5)")?;
        within("connections_max", (1..=10_000).contains(&self.connections_max), "must lie in 1-10000")?;
        let each = (1..=10_000).contains(&self.connections_per_source);
        within("connections_per_source", each, "must lie in 1-10000")?;
        let unconfirmed = self.unconfirmed_max.is_none_or(|most| (1..=100_000).contains(&most));
        within("unconfirmed_max", unconfirmed, "must lie in 1-100000")?;
        within("codecs", !self.codecs.is_empty(), "names no codec")?;
        within("source_burst", self.source_rate == 0 || self.source_burst > 0, "must be above 0")?;
        within("retry_after_max", (2..=3600).contains(&self.retry_after_max), "must lie in 2-3600")
    }
}

impl SipConfig {
    /// Answered calls of one address that may wait for their ACK.
    #[must_use]
    pub fn unconfirmed_max(&self) -> usize {
        self.unconfirmed_max.unwrap_or(self.calls_max.div_ceil(4))
    }
}

/// What a request from an address that no trunk allows is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownSource {
    /// Nothing: a scanner learns nothing. Counted.
    Drop,
    /// 403, which helps while setting up. Counted.
    Forbid,
}

/// One address that we listen on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// UDP or TCP.
    pub transport: Transport,
    /// Address and port, IPv4 or IPv6.
    pub bind: SocketAddr,
    /// The address that others reach us by, where a NAT stands between: written into Contact, Via and SDP.
    pub public: Option<IpAddr>,
}

/// A transport that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

impl Transport {
    /// The name in a Via.
    #[must_use]
    pub fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// A peer that may send us calls: a PBX, an ACD or an SBC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    /// Its name in rows, logs and metrics.
    pub name: TrunkId,
    /// Networks whose requests are this trunk's. The longest match over all trunks wins.
    pub sources: Vec<IpNet>,
    /// Networks, beside the sources, that this trunk's media may come from and go to: media servers, or phones that
    /// speak to us directly. Media addresses outside of both are refused with 488.
    #[serde(default)]
    pub media_sources: Vec<IpNet>,
    /// Calls at once; none means the overall limit alone.
    pub calls_max: Option<usize>,
    /// Digest authentication (RFC 7616, RFC 8760); none means that the address is enough.
    pub auth: Option<AuthConfig>,
    /// Language of callers whose context names none.
    pub language: Option<Language>,
    /// The country whose way of writing numbers this peer has, as `"NL"`; `[service] country` otherwise.
    pub country: Option<Country>,
    /// What this peer puts before international numbers, where it is neither the country's prefix nor `00`.
    pub international_prefix: Option<String>,
    /// Where each part of the call's context is found.
    #[serde(default)]
    pub context: ContextMap,
    /// Request-URI user to survey. A user that is not listed leaves the choice to the queue's rule.
    #[serde(default)]
    pub surveys: BTreeMap<String, SurveyId>,
    /// Request-URI users by which an agent sends a caller on purpose.
    #[serde(default)]
    pub agent_users: Vec<String>,
    /// Whether this trunk carries our own trial calls only: their responses have the origin `test`.
    #[serde(default)]
    pub test: bool,
    /// Provisional response before the answer.
    #[serde(default)]
    pub provisional: Provisional,
}

impl TrunkConfig {
    /// What metrics call the trunk of sources that belong to none.
    pub const UNKNOWN: &str = "unknown";

    /// How this peer writes numbers.
    #[must_use]
    pub fn numbering(&self) -> Numbering {
        Numbering { country: self.country, international_prefix: self.international_prefix.clone() }
    }
}

/// The provisional response that a trunk's callers get (beside the 100 that a slow answer brings by itself).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provisional {
    /// None, unless the peer requires reliable ones (RFC 3262): then a 180.
    #[default]
    None,
    /// 180 Ringing.
    Ringing,
    /// 183 Session Progress with our SDP.
    Progress,
}

/// Who may call by name and password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The protection space named in the challenge.
    pub realm: String,
    /// The one user name.
    pub user: String,
    /// File that holds the password and nothing else.
    pub password_file: PathBuf,
    /// Hashes that we challenge with, best first. Older PBXs know MD5 alone, and some look at the first challenge only.
    #[serde(default = "both")]
    pub algorithms: Vec<DigestAlgorithm>,
}

fn both() -> Vec<DigestAlgorithm> {
    vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5]
}

/// A hash for digest authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum DigestAlgorithm {
    /// SHA-256 (RFC 7616).
    #[serde(rename = "SHA-256")]
    Sha256,
    /// MD5, for older peers.
    #[serde(rename = "MD5")]
    Md5,
}

impl DigestAlgorithm {
    /// The token in challenges.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }
}

impl Checked for TrunkConfig {
    fn check(&self) -> Result<(), Fault> {
        if self.sources.is_empty() {
            return Err(Fault::new("sources", "allows nobody: name at least one network"));
        }
        if self.auth.as_ref().is_some_and(|auth| auth.algorithms.is_empty()) {
            return Err(Fault::new("auth", "names no algorithm"));
        }
        let digits =
            |prefix: &String| (1..=8).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit());
        if self.international_prefix.as_ref().is_some_and(|prefix| !digits(prefix)) {
            return Err(Fault::new("international_prefix", "is 1-8 digits"));
        }
        if self.calls_max == Some(0) {
            return Err(Fault::new("calls_max", "must be at least 1"));
        }
        Ok(())
    }
}

/// Where each part of the context comes from: for each the first source that gives something counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContextMap {
    /// The agent to be rated.
    pub agent: Vec<SourceExpr>,
    /// The queue.
    pub queue: Vec<SourceExpr>,
    /// The contact centre's call reference.
    pub call_ref: Vec<SourceExpr>,
    /// The caller's number.
    pub caller: Vec<SourceExpr>,
    /// The caller's language.
    pub language: Vec<SourceExpr>,
    /// `agent` here means that the agent asked for the survey.
    pub trigger: Vec<SourceExpr>,
    /// Talk time in seconds.
    pub talk_seconds: Vec<SourceExpr>,
    /// `agent` or `caller`.
    pub first_hang_up: Vec<SourceExpr>,
    /// The survey's name.
    pub survey: Vec<SourceExpr>,
    /// A mystery caller's token.
    pub mystery: Vec<SourceExpr>,
    /// The token of a reservation.
    pub reservation: Vec<SourceExpr>,
}

impl Default for ContextMap {
    fn default() -> Self {
        let list = |names: &[&str]| {
            names.iter().map(|name| name.parse().expect("the default mapping is well formed")).collect()
        };
        Self {
            agent: list(&["header:X-Agent-Id", "uui:agent", "param:agent"]),
            queue: list(&["header:X-Queue", "uui:queue", "param:queue"]),
            call_ref: list(&["header:X-Call-Ref", "uui:call", "param:call", "call-id"]),
            caller: list(&["p-asserted-identity", "remote-party-id", "from"]),
            language: list(&["header:X-Language", "uui:lang", "param:lang"]),
            trigger: list(&["header:X-Survey-Trigger", "uui:trigger", "param:trigger"]),
            talk_seconds: list(&["header:X-Talk-Seconds", "uui:talk", "param:talk"]),
            first_hang_up: list(&["header:X-Hangup-By", "uui:hangup", "param:hangup"]),
            survey: list(&["header:X-Survey", "uui:survey", "param:survey"]),
            mystery: list(&["header:X-Mystery", "uui:mystery"]),
            reservation: list(&["header:X-Reservation", "uui:reservation", "param:reservation", "user:rsv-"]),
        }
    }
}
