//! Ids that sort by the time they were made and carry the node that made them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

/// Makes UUIDs version 7 (RFC 9562 §5.7), each greater than the one before.
///
/// The 12 bits of `rand_a` count within a millisecond; a count that overflows borrows from the next millisecond. The
/// first 16 bits of `rand_b` below the variant are the node, the other 46 are random.
#[derive(Debug)]
pub(super) struct Ids {
    node: u16,
    /// Milliseconds since 1970 in the upper 52 bits, the count in the lower 12.
    last: AtomicU64,
}

impl Ids {
    pub(super) fn new(node: u16) -> Self {
        Self { node, last: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> Uuid {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_epoch.as_millis()).unwrap_or(0) << 12;
        let step = |last: u64| now.max(last + 1);
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(step(last)));
        let (Ok(last) | Err(last)) = last;
        self.of(step(last))
    }

    /// The id of something of an earlier time. It sorts there; its place within the millisecond is random.
    pub(super) fn of_time(&self, at: jiff::Timestamp) -> Uuid {
        let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
        self.of(ms << 12 | getrandom::u64().unwrap_or(0) >> 52)
    }

    fn of(&self, stamp: u64) -> Uuid {
        let random = getrandom::u64().unwrap_or(stamp); // Uniqueness rests on the count; the random part is a spare.
        let upper = (stamp >> 12) << 16 | 0x7000 | (stamp & 0xfff);
        let lower = 0b10 << 62 | u64::from(self.node) << 46 | random >> 18;
        Uuid::from_u64_pair(upper, lower)
    }
}

/// The node that made an id.
#[cfg(test)]
fn node_of(id: Uuid) -> u16 {
    let (_, lower) = id.as_u64_pair();
    u16::try_from(lower >> 46 & 0xffff).expect("16 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_rise_and_carry_the_node() {
        let ids = Ids::new(0xbeef);
        let made: Vec<Uuid> = (0..10_000).map(|_| ids.next()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        let past = ids.of_time("2026-01-02T03:04:05.006Z".parse().unwrap());
        assert_eq!(past.get_timestamp().unwrap().to_unix(), (1_767_323_045, 6_000_000));
        for id in [made[0], made[9_999], past] {
            assert_eq!((id.get_version_num(), node_of(id)), (7, 0xbeef));
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        }
    }
}
