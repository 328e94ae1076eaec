//! What slows guessing of passwords. Two counts must both have room:
//!
//! - Wrong passwords for one user from one address make that pair wait, longer each time. The same user from elsewhere
//!   waits for nobody.
//! - Wrong passwords from one address, under whatever names, are few: changing names is no way around, and nobody keeps
//!   the processor busy with hashes.
//!
//! A browser in which that user has signed in before is known by a cookie, and has a count of its own: strangers behind
//! the same address, or behind a proxy that hides addresses, cannot shut it out.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::UserName;

/// Wrong passwords that cost no wait.
const FREE: u32 = 5;
/// The first wait; it doubles.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// After so long without a wrong password all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Wrong passwords that one address may send at once.
const ADDRESS_BURST: u32 = 20;
/// How often it may send one more after that.
const ADDRESS_EVERY: Duration = Duration::from_secs(5);
/// Entries of each table; the one that is silent for longest makes room.
const ENTRIES_MAX: usize = 10_000;

/// Who tries to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A browser in which the user of that name has signed in before.
    Device(Uuid),
    /// Anybody else, by address.
    Stranger(IpAddr),
}

/// Wrong passwords. Pure: `now` is an argument.
#[derive(Debug, Default)]
pub struct Guesses {
    pairs: HashMap<(String, Asker), Pair>,
    addresses: HashMap<IpAddr, Address>,
}

#[derive(Debug)]
struct Pair {
    wrong: u32,
    last: Instant,
}

impl Pair {
    fn open_at(&self) -> Instant {
        if self.wrong < FREE {
            return self.last;
        }
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow((self.wrong - FREE).min(16)));
        self.last + doubled.min(LONGEST)
    }
}

/// One address's allowance, as the time at which all of it is there again (GCRA).
#[derive(Debug)]
struct Address {
    whole_at: Instant,
}

impl Guesses {
    /// How long this user must wait there; `None` when not at all. A try is counted as wrong at once, so that many at the
    /// same time are no way around; [`Self::right`] forgets it.
    #[must_use]
    pub fn try_one(&mut self, user: &UserName, asker: Asker, now: Instant) -> Option<Duration> {
        let key = key(user, asker);
        let wait = self.pairs.get(&key).map(|pair| pair.open_at().saturating_duration_since(now));
        let wait = wait.unwrap_or_default();
        let wait = wait.max(match asker {
            Asker::Device(_) => Duration::ZERO,
            Asker::Stranger(address) => self.address_wait(address, now),
        });
        if wait > Duration::ZERO {
            return Some(wait);
        }
        if let Asker::Stranger(address) = asker {
            make_room(&mut self.addresses, &address, now, |address| address.whole_at);
            let entry = self.addresses.entry(address).or_insert(Address { whole_at: now });
            entry.whole_at = entry.whole_at.max(now) + ADDRESS_EVERY;
        }
        make_room(&mut self.pairs, &key, now, |pair| pair.last);
        let pair = self.pairs.entry(key).or_insert(Pair { wrong: 0, last: now });
        let old = now.saturating_duration_since(pair.last) > FORGOTTEN_AFTER;
        pair.wrong = if old { 1 } else { pair.wrong.saturating_add(1) };
        pair.last = now;
        None
    }

    /// The password was right: earlier wrong ones of the pair are forgotten, and this try costs the address nothing.
    pub fn right(&mut self, user: &UserName, asker: Asker) {
        self.pairs.remove(&key(user, asker));
        if let Asker::Stranger(address) = asker
            && let Some(entry) = self.addresses.get_mut(&address)
            && let Some(earlier) = entry.whole_at.checked_sub(ADDRESS_EVERY)
        {
            entry.whole_at = earlier;
        }
    }

    fn address_wait(&self, address: IpAddr, now: Instant) -> Duration {
        let Some(entry) = self.addresses.get(&address) else { return Duration::ZERO };
        // One more must still fit into the burst.
        entry.whole_at.saturating_duration_since(now).saturating_sub(ADDRESS_EVERY * (ADDRESS_BURST - 1))
    }
}

fn key(user: &UserName, asker: Asker) -> (String, Asker) {
    (user.to_string().to_lowercase(), asker)
}

/// Lets go of the oldest entries where a new key finds the table full.
fn make_room<K: Eq + Hash + Clone, V>(
    table: &mut HashMap<K, V>,
    key: &K,
    now: Instant,
    last: impl Fn(&V) -> Instant,
) {
    if table.len() < ENTRIES_MAX || table.contains_key(key) {
        return;
    }
    table.retain(|_, entry| now.saturating_duration_since(last(entry)) <= FORGOTTEN_AFTER);
    if table.len() < ENTRIES_MAX {
        return;
    }
    let oldest = table.iter().min_by_key(|(_, entry)| last(entry)).map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn at(last: u8) -> Asker {
        Asker::Stranger(IpAddr::from([192, 0, 2, last]))
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn wrong_ones_wait_longer_each_time_and_others_do_not() {
        let (here, there) = (at(1), at(2));
        let mut guesses = Guesses::default();
        let mut now = now();
        for _ in 0..FREE {
            assert_eq!(guesses.try_one(&user("Anna"), here, now), None);
        }
        assert_eq!(guesses.try_one(&user("anna"), here, now), Some(FIRST));
        assert_eq!(guesses.try_one(&user("anna"), there, now), None, "the user is not locked out elsewhere");
        assert_eq!(guesses.try_one(&user("ben"), here, now), None, "nor is anybody else");
        now += FIRST;
        assert_eq!(guesses.try_one(&user("anna"), here, now), None);
        assert_eq!(guesses.try_one(&user("anna"), here, now), Some(2 * FIRST));
        for _ in 0..40 {
            now += LONGEST;
            assert_eq!(guesses.try_one(&user("anna"), here, now), None, "no wait is longer than the longest");
        }
        guesses.right(&user("anna"), here);
        assert_eq!(guesses.try_one(&user("anna"), here, now), None);
        assert_eq!(guesses.try_one(&user("anna"), here, now), None);
    }

    #[test]
    fn changing_names_is_no_way_around() {
        let (mut guesses, now) = (Guesses::default(), now());
        let passed = (0..500).filter(|n| guesses.try_one(&user(&format!("user-{n}")), at(1), now).is_none());
        assert_eq!(passed.count(), ADDRESS_BURST as usize);
        assert_eq!(guesses.try_one(&user("anna"), at(1), now), Some(ADDRESS_EVERY));
        assert_eq!(guesses.try_one(&user("anna"), at(1), now + ADDRESS_EVERY), None);
        assert_eq!(guesses.try_one(&user("anna"), at(2), now), None, "other addresses have their own");
    }

    #[test]
    fn right_passwords_cost_an_address_nothing() {
        let (mut guesses, now) = (Guesses::default(), now());
        for n in 0..200 {
            let name = user(&format!("user-{n}"));
            assert_eq!(guesses.try_one(&name, at(1), now), None, "{n}");
            guesses.right(&name, at(1));
        }
    }

    #[test]
    fn a_known_browser_is_not_shut_out_by_strangers() {
        let (mut guesses, now) = (Guesses::default(), now());
        for n in 0..100 {
            let _wait = guesses.try_one(&user("anna"), at(1), now);
            let _wait = guesses.try_one(&user(&format!("user-{n}")), at(1), now);
        }
        assert!(guesses.try_one(&user("anna"), at(1), now).is_some());
        let known = Asker::Device(Uuid::from_u128(7));
        for _ in 0..FREE {
            assert_eq!(guesses.try_one(&user("anna"), known, now), None);
        }
        assert_eq!(guesses.try_one(&user("anna"), known, now), Some(FIRST), "it has a count of its own");
    }

    #[test]
    fn memory_has_a_bound() {
        let (mut guesses, now) = (Guesses::default(), now());
        for n in 0..u32::try_from(ENTRIES_MAX).unwrap() + 5 {
            let _wait = guesses.try_one(&user("anna"), Asker::Stranger(n.to_be_bytes().into()), now);
        }
        assert_eq!((guesses.pairs.len(), guesses.addresses.len()), (ENTRIES_MAX, ENTRIES_MAX));
    }
}
