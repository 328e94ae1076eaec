//! How deep to read a leg's sockets at each visit. A far end that keeps its pace has one packet there each time; asking
//! again, to hear that there is no more, is a system call for nothing.

/// Datagrams taken from one socket in one visit; the rest waits for the next.
pub(super) const SWEEP_MAX: usize = 16;
/// A leg in step is read to the end of its queue at every this many visits only: what comes in a burst waits two
/// visits, 40 ms, more at most.
const CHECK_EVERY: u32 = 3;
/// RTCP sockets are swept at every this many visits.
const RTCP_EVERY: u32 = 16;

/// The visits to one leg.
#[derive(Debug)]
pub(super) struct Rounds {
    visits: u32,
    /// One packet was there at the last visit, and none behind it when last looked.
    in_step: bool,
}

impl Rounds {
    /// `seed` spreads the checks of legs that start together.
    pub(super) fn new(seed: u32) -> Self {
        Self { visits: seed, in_step: false }
    }

    /// Packets to ask the RTP socket for.
    pub(super) fn depth(&self) -> usize {
        if self.in_step && !self.visits.is_multiple_of(CHECK_EVERY) { 1 } else { SWEEP_MAX }
    }

    /// Whether the RTCP socket has its turn.
    pub(super) fn sweeps_rtcp(&self) -> bool {
        self.visits.is_multiple_of(RTCP_EVERY)
    }

    /// The next reading goes to the end of the queue.
    pub(super) fn check(&mut self) {
        self.in_step = false;
    }

    /// One visit is made, and so many packets were there.
    pub(super) fn visited(&mut self, taken: usize) {
        self.in_step = taken == 1;
        self.visits = self.visits.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_packet_waits_more_than_two_visits(arrivals in proptest::collection::vec(0usize..5, 0..200), seed: u32) {
            let mut rounds = Rounds::new(seed);
            let mut queue = VecDeque::new();
            for (visit, &count) in arrivals.iter().enumerate() {
                queue.extend(std::iter::repeat_n(visit, count));
                let taken = rounds.depth().min(queue.len());
                for came in queue.drain(..taken) {
                    prop_assert!(visit - came <= 2, "came at {} and was taken at {}", came, visit);
                }
                rounds.visited(taken);
            }
        }
    }

    #[test]
    fn a_leg_in_step_is_asked_for_one_packet_twice_of_three_times() {
        let mut rounds = Rounds::new(1);
        let mut depths = Vec::new();
        for _ in 0..7 {
            depths.push(rounds.depth());
            rounds.visited(1);
        }
        assert_eq!(depths, [16, 1, 16, 1, 1, 16, 1]);
        rounds.visited(0);
        assert_eq!(rounds.depth(), 16, "a packet is missing: two may come next");
    }
}
