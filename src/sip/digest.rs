//! Digest authentication of a trunk (RFC 7616; SHA-256 in SIP by RFC 8760), the server's side.
//!
//! The nonce is a time stamp under a keyed hash over the source address, so that challenges need no memory. Replay of
//! one nonce is bounded by a small table of the highest nonce counts seen.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sipx_sip::auth::{Algorithm, Challenge, Credentials, respond};
use sipx_sip::{HeaderName, Request};

use super::raw::TagSecret;
use crate::config::{AuthConfig, DigestAlgorithm};

/// How long a nonce may be used.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Nonces whose counts are remembered.
const COUNTS_MAX: usize = 4096;

/// Checks requests of trunks that ask for a password.
pub(super) struct Authenticator {
    secret: TagSecret,
    epoch: Instant,
    counts: HashMap<String, (u32, Instant)>,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The caller knows the password.
    Pass,
    /// Answer 401 with these `WWW-Authenticate` values.
    Challenge(Vec<String>),
}

impl Authenticator {
    pub(super) fn new(secret: TagSecret, epoch: Instant) -> Self {
        Self { secret, epoch, counts: HashMap::new() }
    }

    /// Checks the `Authorization` header of a request against one trunk's user and password.
    pub(super) fn check(
        &mut self,
        request: &Request,
        auth: &AuthConfig,
        password: &str,
        source: IpAddr,
        now: Instant,
    ) -> Verdict {
        let given = request.headers.get_all(&HeaderName::Authorization).find_map(|header| {
            let fields = Fields::parse(&String::from_utf8_lossy(&header.value()))?;
            (fields.get("realm") == auth.realm).then_some(fields)
        });
        let Some(fields) = given else { return self.challenge(auth, source, now, false) };
        match self.age(fields.get("nonce"), source, now) {
            Some(age) if age <= NONCE_LIFE => {}
            Some(_) => return self.challenge(auth, source, now, true),
            None => return self.challenge(auth, source, now, false),
        }
        if !right(&fields, request, auth, password) {
            return self.challenge(auth, source, now, false);
        }
        if self.replayed(fields.get("nonce"), fields.count(), now) {
            return self.challenge(auth, source, now, true);
        }
        Verdict::Pass
    }

    fn challenge(&self, auth: &AuthConfig, source: IpAddr, now: Instant, stale: bool) -> Verdict {
        let nonce = self.nonce(now.duration_since(self.epoch).as_secs(), source);
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &str| {
            format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}",
                auth.realm
            )
        };
        Verdict::Challenge(auth.algorithms.iter().map(|algorithm| value(algorithm.name())).collect())
    }

    fn nonce(&self, seconds: u64, source: IpAddr) -> String {
        let stamp = format!("{seconds:x}");
        let mark = self.secret.tag(&[stamp.as_bytes(), source.to_string().as_bytes()]);
        format!("{stamp}-{mark}")
    }

    /// How old a nonce of ours is; `None` for one that is not ours.
    fn age(&self, nonce: &str, source: IpAddr, now: Instant) -> Option<Duration> {
        let (stamp, _) = nonce.split_once('-')?;
        let seconds = u64::from_str_radix(stamp, 16).ok()?;
        let now_s = now.duration_since(self.epoch).as_secs();
        (self.nonce(seconds, source) == nonce && seconds <= now_s)
            .then(|| Duration::from_secs(now_s - seconds))
    }

    /// Whether this count of this nonce was used before.
    fn replayed(&mut self, nonce: &str, count: u32, now: Instant) -> bool {
        if self.counts.len() >= COUNTS_MAX {
            self.counts.retain(|_, (_, at)| now.duration_since(*at) < NONCE_LIFE);
            if self.counts.len() >= COUNTS_MAX {
                return true;
            }
        }
        let last = self.counts.entry(nonce.to_owned()).or_insert((0, now));
        let replayed = count <= last.0;
        last.0 = last.0.max(count);
        replayed
    }
}

/// Whether the response is the one that somebody with the password computes.
fn right(fields: &Fields, request: &Request, auth: &AuthConfig, password: &str) -> bool {
    // RFC 7616 §3.3: without the parameter it is MD5.
    let named = Some(fields.get("algorithm")).filter(|name| !name.is_empty()).unwrap_or("MD5");
    let algorithm = match auth.algorithms.iter().find(|known| known.name().eq_ignore_ascii_case(named)) {
        Some(DigestAlgorithm::Sha256) => Algorithm::Sha256,
        Some(DigestAlgorithm::Md5) => Algorithm::Md5,
        None => return false,
    };
    let qop_auth = fields.get("qop") == "auth";
    if fields.get("username") != auth.user || !qop_auth {
        return false;
    }
    let challenge = Challenge {
        realm: auth.realm.clone(),
        nonce: fields.get("nonce").to_owned(),
        opaque: None,
        algorithm,
        qop_auth,
        stale: false,
        from_proxy: false,
    };
    let method = request.method.to_string();
    let credentials = Credentials::new(auth.user.clone(), password);
    let expected =
        respond(&challenge, &credentials, &method, fields.get("uri"), fields.count(), fields.get("cnonce"));
    let expected = Fields::parse(&expected);
    let same = |a: &str, b: &str| {
        a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |x, (a, b)| x | (a ^ b)) == 0
    };
    expected.is_some_and(|e| {
        same(&e.get("response").to_ascii_lowercase(), &fields.get("response").to_ascii_lowercase())
    })
}

/// The parameters of a Digest header.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(char::is_whitespace)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut fields = Vec::new();
        let mut rest = rest.trim();
        while !rest.is_empty() && fields.len() < 32 {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let (value, tail) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            rest = tail.trim_start().trim_start_matches(',').trim_start();
        }
        Some(Self(fields))
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    fn count(&self) -> u32 {
        u32::from_str_radix(self.get("nc"), 16).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipx_sip::{Limits, Message, parse_datagram};

    fn request(authorization: Option<&str>) -> Request {
        let auth = authorization.map(|a| format!("Authorization: {a}\r\n")).unwrap_or_default();
        let text =
            format!("INVITE sip:survey@us SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{auth}\r\n");
        match parse_datagram(text.into_bytes().into(), &Limits::datagram()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    fn config() -> AuthConfig {
        AuthConfig {
            realm: "aftercall".into(),
            user: "pbx".into(),
            password_file: "x".into(),
            algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        }
    }

    fn answer(challenge: &str, password: &str, count: u32) -> String {
        let challenge = Challenge::parse(challenge.as_bytes(), false).unwrap();
        respond(&challenge, &Credentials::new("pbx", password), "INVITE", "sip:survey@us", count, "c1")
    }

    #[test]
    fn both_algorithms_pass_with_the_password_and_only_once_per_count() {
        let start = Instant::now();
        let source = "192.0.2.1".parse().unwrap();
        let mut authenticator = Authenticator::new(TagSecret::random(), start);
        let Verdict::Challenge(values) =
            authenticator.check(&request(None), &config(), "s3cret", source, start)
        else {
            panic!("no challenge");
        };
        assert_eq!(values.len(), 2);
        for (count, challenge) in (1..).zip(&values) {
            let right = request(Some(&answer(challenge, "s3cret", count)));
            let wrong = request(Some(&answer(challenge, "guess", count)));
            assert_ne!(authenticator.check(&wrong, &config(), "s3cret", source, start), Verdict::Pass);
            assert_eq!(authenticator.check(&right, &config(), "s3cret", source, start), Verdict::Pass);
            assert_ne!(
                authenticator.check(&right, &config(), "s3cret", source, start),
                Verdict::Pass,
                "a replay"
            );
        }
        let late = start + NONCE_LIFE * 2;
        let old = request(Some(&answer(&values[0], "s3cret", 9)));
        let Verdict::Challenge(again) = authenticator.check(&old, &config(), "s3cret", source, late) else {
            panic!("an old nonce passed");
        };
        assert!(again[0].contains("stale=true"));
        let elsewhere = "192.0.2.2".parse().unwrap();
        assert_ne!(authenticator.check(&old, &config(), "s3cret", elsewhere, start), Verdict::Pass);
    }
}
