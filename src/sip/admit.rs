//! Who may send us what, decided before any state is made.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::config::TrunkConfig;

/// Sources that are remembered at once. A new one over this drops the ones whose bucket is full again.
const SOURCES_MAX: usize = 4096;

/// The trunk whose network holds `source`; the longest prefix wins.
pub(super) fn trunk_of(trunks: &[TrunkConfig], source: IpAddr) -> Option<usize> {
    let source = source.to_canonical();
    let matches = trunks.iter().enumerate().flat_map(|(i, trunk)| {
        trunk.sources.iter().filter(move |net| net.contains(&source)).map(move |net| (net.prefix_len(), i))
    });
    matches.max_by_key(|&(prefix, i)| (prefix, std::cmp::Reverse(i))).map(|(_, i)| i)
}

/// A token bucket per source address.
pub(super) struct Buckets {
    rate: f64,
    burst: f64,
    sources: HashMap<IpAddr, Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    /// `rate` requests a second after a burst of `burst`; a rate of 0 lets everything through.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        Self { rate: rate.into(), burst: burst.into(), sources: HashMap::new() }
    }

    /// Takes a token for `source`, or says that there is none.
    pub(super) fn take(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.rate == 0.0 {
            return true;
        }
        let (rate, burst) = (self.rate, self.burst);
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            self.sources.retain(|_, b| b.tokens + now.duration_since(b.at).as_secs_f64() * rate < burst);
            if self.sources.len() >= SOURCES_MAX {
                return false;
            }
        }
        let bucket = self.sources.entry(source).or_insert(Bucket { tokens: burst, at: now });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * rate).min(burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

/// What one call may send in its dialog: far more than a telephone does, and far less than a flood.
#[derive(Debug)]
pub(super) struct Measure {
    requests: f64,
    octets: f64,
    at: Instant,
}

/// Requests at once, and in a second.
const CALL_REQUESTS: (f64, f64) = (60.0, 20.0);
/// Octets at once, and in a second.
const CALL_OCTETS: (f64, f64) = (131_072.0, 32_768.0);

impl Measure {
    pub(super) fn new(now: Instant) -> Self {
        Self { requests: CALL_REQUESTS.0, octets: CALL_OCTETS.0, at: now }
    }

    /// Takes one request of so many octets, or says that it is too much.
    pub(super) fn take(&mut self, octets: usize, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.requests = (self.requests + passed * CALL_REQUESTS.1).min(CALL_REQUESTS.0);
        self.octets = (self.octets + passed * CALL_OCTETS.1).min(CALL_OCTETS.0);
        if self.requests < 1.0 || self.octets < octets as f64 {
            return false;
        }
        self.requests -= 1.0;
        self.octets -= octets as f64;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_longest_prefix_names_the_trunk() {
        let trunk = |name: &str, net: &str| -> TrunkConfig {
            toml::from_str(&format!("name = \"{name}\"\nsources = [\"{net}\"]")).unwrap()
        };
        let trunks = [trunk("all", "10.0.0.0/8"), trunk("one", "10.1.2.3/32"), trunk("six", "::1/128")];
        assert_eq!(trunk_of(&trunks, "10.1.2.3".parse().unwrap()), Some(1));
        assert_eq!(trunk_of(&trunks, "::ffff:10.9.9.9".parse().unwrap()), Some(0));
        assert_eq!(trunk_of(&trunks, "::1".parse().unwrap()), Some(2));
        assert_eq!(trunk_of(&trunks, "192.0.2.1".parse().unwrap()), None);
    }

    #[test]
    fn a_source_gets_its_burst_and_then_its_rate() {
        let mut buckets = Buckets::new(10, 5);
        let start = Instant::now();
        let source = "192.0.2.1".parse().unwrap();
        assert_eq!((0..20).filter(|_| buckets.take(source, start)).count(), 5);
        let later = start + Duration::from_millis(300);
        assert_eq!((0..20).filter(|_| buckets.take(source, later)).count(), 3);
        assert!(buckets.take("192.0.2.2".parse().unwrap(), later));
    }

    #[test]
    fn a_million_sources_leave_memory_flat() {
        let mut buckets = Buckets::new(10, 5);
        let start = Instant::now();
        for i in 0..20_000_u32 {
            buckets.take(IpAddr::from(i.to_be_bytes()), start);
        }
        assert!(buckets.sources.len() <= SOURCES_MAX);
    }

    #[test]
    fn a_call_may_send_what_a_telephone_sends() {
        let start = Instant::now();
        let mut measure = Measure::new(start);
        assert!((0..50).all(|_| measure.take(700, start)), "fifty keys at once");
        let mut measure = Measure::new(start);
        assert_eq!((0..4000).filter(|_| measure.take(60_000, start)).count(), 2);
        let later = start + Duration::from_secs(10);
        assert!(measure.take(700, later));
    }
}
