//! Digest authentication of a trunk (RFC 7616; SHA-256 in SIP by RFC 8760), the server's side.
//!
//! Each challenge has a nonce of its own: a time stamp and a random number under a keyed hash over the source address,
//! so that challenges need no memory. What is remembered is which counts of a nonce were used, of nonces that somebody
//! with the password has answered; when that is too much, the oldest nonces count as stale.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sipx_sip::auth::{Algorithm, Challenge, Credentials, respond};
use sipx_sip::{HeaderName, Request, Uri};

use super::lenient;
use super::raw::TagSecret;
use super::table::mark_of;
use crate::config::{AuthConfig, DigestAlgorithm};

/// How long a nonce may be used.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Nonces whose counts are remembered: 300 calls a second for as long as one may be used.
const COUNTS_MAX: usize = 100_000;

/// Checks requests of trunks that ask for a password.
pub(super) struct Authenticator {
    secret: TagSecret,
    epoch: Instant,
    counts: HashMap<u64, Counts>,
    /// The nonces of `counts` in the order of their first use, with the second in which they were made.
    order: VecDeque<(u64, u64)>,
    /// Nonces of earlier seconds are stale, since their counts are forgotten.
    floor_s: u64,
}

/// Which counts of one nonce were used: the highest, and of the 64 below it each one. Requests overtake each other.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    highest: u32,
    below: u64,
}

impl Counts {
    /// Whether this count is new; from then on it is not.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            let used = if self.highest == 0 { self.below } else { (self.below << 1) | 1 };
            self.below = if step > 64 { 0 } else { used.checked_shl(step - 1).unwrap_or(0) };
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        if count == 0 || back == 0 || back > 64 || self.below & (1 << (back - 1)) != 0 {
            return false;
        }
        self.below |= 1 << (back - 1);
        true
    }
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
        Self { secret, epoch, counts: HashMap::new(), order: VecDeque::new(), floor_s: 0 }
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
        let Some(made_s) = self.made(fields.get("nonce"), source, now) else {
            return self.challenge(auth, source, now, false);
        };
        if made_s < self.floor_s || self.second(now) - made_s > NONCE_LIFE.as_secs() {
            return self.challenge(auth, source, now, true);
        }
        if !right(&fields, request, auth, password) {
            return self.challenge(auth, source, now, false);
        }
        if !self.is_new(fields.get("nonce"), made_s, fields.count(), now) {
            return self.challenge(auth, source, now, true);
        }
        Verdict::Pass
    }

    fn challenge(&self, auth: &AuthConfig, source: IpAddr, now: Instant, stale: bool) -> Verdict {
        let nonce = self.nonce(self.second(now), rand::random(), source);
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &str| {
            format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}",
                auth.realm
            )
        };
        Verdict::Challenge(auth.algorithms.iter().map(|algorithm| value(algorithm.name())).collect())
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_secs()
    }

    fn nonce(&self, second: u64, number: u64, source: IpAddr) -> String {
        let stamp = format!("{second:x}-{number:016x}");
        let mark = self.secret.tag(&[stamp.as_bytes(), source.to_string().as_bytes()]);
        format!("{stamp}-{mark}")
    }

    /// The second in which a nonce was made; `None` for one that is not ours.
    fn made(&self, nonce: &str, source: IpAddr, now: Instant) -> Option<u64> {
        let mut parts = nonce.split('-').map(|part| u64::from_str_radix(part, 16).ok());
        let (second, number) = (parts.next()??, parts.next()??);
        (self.nonce(second, number, source) == nonce && second <= self.second(now)).then_some(second)
    }

    /// Whether this count of this nonce was never used before.
    fn is_new(&mut self, nonce: &str, made_s: u64, count: u32, now: Instant) -> bool {
        let name = mark_of(nonce);
        let too_old = self.second(now).saturating_sub(NONCE_LIFE.as_secs());
        while self.order.len() >= COUNTS_MAX || self.order.front().is_some_and(|(_, made)| *made < too_old) {
            let Some((oldest, made)) = self.order.pop_front() else { break };
            self.counts.remove(&oldest);
            self.floor_s = self.floor_s.max(made + 1);
        }
        if made_s < self.floor_s {
            return false;
        }
        if !self.counts.contains_key(&name) {
            self.order.push_back((name, made_s));
        }
        self.counts.entry(name).or_default().take(count)
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
    if fields.get("username") != auth.user || !qop_auth || !names_target(fields.get("uri"), request) {
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

/// Whether the `uri` of the credentials is what the request asks for (RFC 7616 §3.4.6). Senders leave parameters, the
/// port and the user out; what they do name must be the same.
fn names_target(uri: &str, request: &Request) -> bool {
    let uri = lenient::uri(uri.as_bytes());
    let Ok(named) = Uri::parse(uri.into()) else { return false };
    let target = &request.uri;
    let same_host = match (named.host(), target.host()) {
        (Some(a), Some(b)) => a.equivalent(b),
        (None, None) => named.to_bytes() == target.to_bytes(),
        _ => false,
    };
    let same_port = named.port().zip(target.port()).is_none_or(|(a, b)| a == b);
    let user = named.decoded_user();
    same_host && same_port && (user.is_none() || user == target.decoded_user())
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

    #[test]
    fn ten_challenges_of_one_second_let_ten_in() {
        let (start, source) = (Instant::now(), "192.0.2.1".parse().unwrap());
        let mut authenticator = Authenticator::new(TagSecret::random(), start);
        let challenges: Vec<String> = (0..10)
            .map(|_| match authenticator.check(&request(None), &config(), "s3cret", source, start) {
                Verdict::Challenge(values) => values[0].clone(),
                Verdict::Pass => panic!("no password was given"),
            })
            .collect();
        for challenge in challenges.iter().rev() {
            let right = request(Some(&answer(challenge, "s3cret", 1)));
            assert_eq!(authenticator.check(&right, &config(), "s3cret", source, start), Verdict::Pass);
        }
    }

    #[test]
    fn credentials_for_another_target_are_refused() {
        let (start, source) = (Instant::now(), "192.0.2.1".parse().unwrap());
        let mut authenticator = Authenticator::new(TagSecret::random(), start);
        for (uri, lets_in) in [
            ("sip:other@us", false),
            ("sip:survey@them", false),
            ("", false),
            ("sip:survey@US:5060;x=1", true),
        ] {
            let Verdict::Challenge(values) =
                authenticator.check(&request(None), &config(), "s3cret", source, start)
            else {
                panic!("no challenge");
            };
            let challenge = Challenge::parse(values[0].as_bytes(), false).unwrap();
            let given = respond(&challenge, &Credentials::new("pbx", "s3cret"), "INVITE", uri, 1, "c1");
            let verdict = authenticator.check(&request(Some(&given)), &config(), "s3cret", source, start);
            assert_eq!(verdict == Verdict::Pass, lets_in, "{uri}");
        }
    }

    #[test]
    fn counts_may_overtake_each_other_and_count_once() {
        let mut counts = Counts::default();
        let taken: Vec<bool> = [1, 3, 2, 2, 3, 70, 4, 6, 7, 69, 70, 0].map(|count| counts.take(count)).into();
        assert_eq!(
            taken,
            [true, true, true, false, false, true, false, true, true, true, false, false],
            "1-5 are out of reach of 70, 6 is the last in it"
        );
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_what_is_forgotten_is_stale() {
        let (start, source) = (Instant::now(), "192.0.2.1".parse().unwrap());
        let mut authenticator = Authenticator::new(TagSecret::random(), start);
        for i in 0..COUNTS_MAX as u64 + 10 {
            let second = i / 1000;
            let nonce = authenticator.nonce(second, i, source);
            assert!(authenticator.is_new(&nonce, second, 1, start + Duration::from_secs(second)));
        }
        assert_eq!((authenticator.counts.len(), authenticator.order.len()), (COUNTS_MAX, COUNTS_MAX));
        let first = authenticator.nonce(0, 0, source);
        assert!(
            !authenticator.is_new(&first, 0, 1, start + Duration::from_secs(101)),
            "a replay of the first"
        );
    }
}
