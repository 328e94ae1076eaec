//! Whom to listen to and where to send: symmetric RTP with a source lock.
//!
//! The address that SIP gave is trusted at once. Behind NAT packets come from elsewhere: then the first address that
//! shows a coherent stream is learnt, and from there on packets of all others are strangers'. Only an address of the
//! peer's host, of the signalled host or of the trunk's media networks can be learnt: a stranger who sends over the
//! whole port range must not become the far end of a call whose own audio has not come yet. Only SIP (a re-INVITE or
//! UPDATE with a new address), or the address that SIP gave, can move the lock.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::rtp::RtpHeader;

/// Packets in sequence that an address other than the signalled one must show.
const PROOF: u8 = 3;
/// As many when it is the address that a re-INVITE has just left: its last packets must not win it back.
const PROOF_FORMER: u8 = 50;

/// Whether a packet counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the far end's.
    Ours,
    /// Not known yet: it does not count, but the next ones from there may.
    Candidate,
    /// Somebody else's.
    Stranger,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    sequence: u16,
    proof: u8,
}

/// The lock of one leg.
#[derive(Debug)]
pub struct SourceLock {
    signalled: SocketAddr,
    learnable: Arc<[IpNet]>,
    locked: Option<SocketAddr>,
    former: Option<SocketAddr>,
    candidate: Option<Candidate>,
}

impl SourceLock {
    /// Expects a far end at the signalled address, or else in one of these networks.
    #[must_use]
    pub fn new(signalled: SocketAddr, learnable: &Arc<[IpNet]>) -> Self {
        Self { signalled, learnable: Arc::clone(learnable), locked: None, former: None, candidate: None }
    }

    /// SIP gave an address again. A new one opens the lock; the same one leaves it alone.
    pub fn signal(&mut self, address: SocketAddr, learnable: &Arc<[IpNet]>) {
        self.learnable = Arc::clone(learnable);
        if address != self.signalled {
            self.former = self.locked.or(Some(self.signalled));
            *self = Self { former: self.former, ..Self::new(address, learnable) };
        }
    }

    fn may_learn(&self, ip: IpAddr) -> bool {
        ip == self.signalled.ip() || self.learnable.iter().any(|net| net.contains(&ip.to_canonical()))
    }

    /// Judges one well-formed packet.
    pub fn judge(&mut self, from: SocketAddr, header: &RtpHeader) -> Standing {
        if self.locked == Some(from) {
            return Standing::Ours;
        }
        if from == self.signalled {
            self.locked = Some(from);
            self.candidate = None;
            return Standing::Ours;
        }
        if self.locked.is_some() || !self.may_learn(from.ip()) {
            return Standing::Stranger;
        }
        let proof = match self.candidate {
            Some(known) if known.address == from && known.ssrc == header.ssrc => {
                match header.sequence.wrapping_sub(known.sequence) {
                    0 => return Standing::Candidate,
                    1..=16 => known.proof.saturating_add(1),
                    _ => 1,
                }
            }
            // A second address does not push the first one out while that goes on; it has to wait for a gap.
            Some(known) if known.proof > 1 && known.address != from => {
                self.candidate = Some(Candidate { proof: known.proof - 1, ..known });
                return Standing::Stranger;
            }
            _ => 1,
        };
        let needed = if self.former == Some(from) { PROOF_FORMER } else { PROOF };
        if proof >= needed {
            self.locked = Some(from);
            self.candidate = None;
            return Standing::Ours;
        }
        self.candidate =
            Some(Candidate { address: from, ssrc: header.ssrc, sequence: header.sequence, proof });
        Standing::Candidate
    }

    /// Where our packets go: to the address learnt, or until then to the signalled one.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.locked.unwrap_or(self.signalled)
    }

    /// The address that only SIP can move from: the signalled one, once it has shown itself.
    #[must_use]
    pub fn settled(&self) -> Option<SocketAddr> {
        self.locked.filter(|locked| *locked == self.signalled)
    }

    /// The address learnt, where one was.
    #[must_use]
    pub fn learnt(&self) -> Option<SocketAddr> {
        self.locked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn packet(sequence: u16) -> RtpHeader {
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc: 7 }
    }

    #[test]
    fn the_signalled_address_counts_at_once() {
        let mut lock = SourceLock::new(at(4000), &Arc::default());
        assert_eq!(lock.judge(at(4000), &packet(1)), Standing::Ours);
        assert_eq!(lock.judge(at(5000), &packet(2)), Standing::Stranger);
        assert_eq!((lock.target(), lock.settled()), (at(4000), Some(at(4000))));
        lock.signal(at(6000), &Arc::default());
        assert_eq!(lock.settled(), None);
    }

    #[test]
    fn another_address_is_learnt_from_three_packets_in_sequence() {
        let mut lock = SourceLock::new(at(4000), &Arc::default());
        assert_eq!(lock.judge(at(5000), &packet(1)), Standing::Candidate);
        assert_eq!(lock.judge(at(5000), &packet(900)), Standing::Candidate, "not in sequence");
        assert_eq!(lock.judge(at(5000), &packet(901)), Standing::Candidate);
        assert_eq!(lock.target(), at(4000));
        assert_eq!(lock.judge(at(5000), &packet(902)), Standing::Ours);
        assert_eq!((lock.target(), lock.settled()), (at(5000), None), "the signalled one may still come");
        assert_eq!(lock.judge(at(6000), &packet(903)), Standing::Stranger);
        assert_eq!(lock.judge(at(4000), &packet(904)), Standing::Ours, "the signalled one has precedence");
    }

    #[test]
    fn a_re_invite_moves_the_lock_and_the_old_address_does_not_win_it_back() {
        let mut lock = SourceLock::new(at(4000), &Arc::default());
        lock.judge(at(4000), &packet(1));
        lock.signal(at(4000), &Arc::default());
        assert_eq!(lock.judge(at(5000), &packet(1)), Standing::Stranger, "the same address changes nothing");
        lock.signal(at(6000), &Arc::default());
        for sequence in 2..20 {
            assert_ne!(lock.judge(at(4000), &packet(sequence)), Standing::Ours);
        }
        assert_eq!(lock.judge(at(6000), &packet(20)), Standing::Ours);
        assert_eq!(lock.judge(at(4000), &packet(21)), Standing::Stranger);
    }

    #[test]
    fn a_stranger_is_never_learnt() {
        let mut lock = SourceLock::new(at(4000), &vec!["198.51.100.0/24".parse().unwrap()].into());
        let stranger = SocketAddr::from(([203, 0, 113, 5], 4000));
        for sequence in 0..200 {
            assert_eq!(lock.judge(stranger, &packet(sequence)), Standing::Stranger);
        }
        let relay = SocketAddr::from(([198, 51, 100, 9], 7000));
        let learnt = (0..3).map(|sequence| lock.judge(relay, &packet(sequence))).last();
        assert_eq!((learnt, lock.target()), (Some(Standing::Ours), relay));
    }
}
