//! The receiving side of one RTP stream: what is lost, double, late or out of order, how much the arrivals jitter,
//! and the audio in its right order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::rtp::RtpHeader;

/// Packets that may wait for one that is missing: 80 ms at 20 ms each, which covers the reordering of a network
/// with 30 ms of jitter.
const WINDOW: usize = 4;
/// A jump forward of this many packets or more is a restart, not loss (RFC 3550 appendix A.1).
const DROPOUT_MAX: i32 = 3000;
/// A jump back of this many packets or more is a restart, not reordering (RFC 3550 appendix A.1).
const MISORDER_MAX: i32 = 100;
/// Packets of the former source that still come after a change are stragglers for this long.
const STRAGGLERS: Duration = Duration::from_millis(200);
/// Longest payload kept back for reordering; longer ones pass at once.
const KEPT_MAX: usize = 960;

/// One audio payload in its order, or the place of a lost one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Payload type.
    pub payload_type: u8,
    /// RTP timestamp of its first sample.
    pub timestamp: u32,
    /// The octets.
    pub octets: Box<[u8]>,
}

/// How a packet fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is the next one: use it now, then ask [`Receiver::poll_audio`] for those that waited behind it.
    InOrder,
    /// It is new, and was kept until those before it come or are given up.
    Kept,
    /// Seen before.
    Duplicate,
    /// New, but those after it have been used already.
    Late,
    /// Not counted: of a source that has been left, or the first after a wild jump.
    Ignored,
}

/// Counts of one stream, over all its sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets received, without duplicates.
    pub received: u32,
    /// Packets that never came.
    pub lost: u32,
    /// Packets that came again.
    pub duplicates: u32,
    /// Packets that came too late to be of use; they are not lost.
    pub late: u32,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// First extended sequence number.
    base: i64,
    /// Highest extended sequence number.
    highest: i64,
    /// Extended sequence number of the next audio to use.
    next: i64,
    received: u32,
    /// Bit n: `highest - n` has come.
    seen: u64,
    /// The sequence number that would confirm a restart.
    restart: Option<u16>,
    kept: VecDeque<(i64, Audio)>,
}

impl Source {
    fn new(ssrc: u32, sequence: u16) -> Self {
        let base = i64::from(sequence);
        Self {
            ssrc,
            base,
            highest: base - 1,
            next: base,
            received: 0,
            seen: 0,
            restart: None,
            kept: VecDeque::new(),
        }
    }

    fn lost(&self) -> u32 {
        let expected = self.highest + 1 - self.base;
        u32::try_from(expected - i64::from(self.received)).unwrap_or(0)
    }
}

/// Receives one stream.
#[derive(Debug, Default)]
pub struct Receiver {
    source: Option<Source>,
    former: Option<(u32, Instant)>,
    past: Counts,
    jitter: Jitter,
}

impl Receiver {
    /// Places one packet. `audio` is its payload where it is audio, which may have to wait for its turn; payloads
    /// that need no order, such as key events, pass `None` and are placed for the counts alone.
    pub fn handle_packet(&mut self, header: &RtpHeader, audio: Option<&[u8]>, now: Instant) -> Arrival {
        if self.source.as_ref().is_none_or(|source| source.ssrc != header.ssrc) && !self.change(header, now) {
            return Arrival::Ignored;
        }
        let Some(source) = &mut self.source else { return Arrival::Ignored };
        let ahead = i32::from(header.sequence.wrapping_sub(source.highest as u16) as i16);
        if ahead >= DROPOUT_MAX || ahead <= -MISORDER_MAX {
            if source.restart != Some(header.sequence) {
                source.restart = Some(header.sequence.wrapping_add(1));
                return Arrival::Ignored;
            }
            let ssrc = source.ssrc;
            self.leave();
            self.source = Some(Source::new(ssrc, header.sequence));
        }
        let Some(source) = &mut self.source else { return Arrival::Ignored };
        let arrival = source.place(header, audio);
        match arrival {
            Arrival::Duplicate => self.past.duplicates += 1,
            Arrival::Late => self.past.late += 1,
            Arrival::InOrder | Arrival::Kept | Arrival::Ignored => {}
        }
        if arrival != Arrival::Duplicate && audio.is_some() {
            self.jitter.handle_arrival(header.timestamp, now);
        }
        arrival
    }

    /// The next audio that waited and whose turn has come.
    pub fn poll_audio(&mut self) -> Option<Audio> {
        let source = self.source.as_mut()?;
        let &(first, _) = source.kept.front()?;
        if first > source.next && source.kept.len() <= WINDOW {
            return None;
        }
        source.next = first + 1;
        source.kept.pop_front().map(|(_, audio)| audio)
    }

    /// The source heard now.
    #[must_use]
    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// Counts so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.past;
        if let Some(source) = &self.source {
            counts.received = counts.received.saturating_add(source.received);
            counts.lost = counts.lost.saturating_add(source.lost());
        }
        counts
    }

    /// The highest sequence number with its cycles, as receiver reports carry it (RFC 3550 §6.4.1).
    #[must_use]
    pub fn extended_highest(&self) -> u32 {
        self.source.as_ref().map_or(0, |source| source.highest as u32)
    }

    /// Interarrival jitter in ticks of 8 kHz (RFC 3550 §6.4.1).
    #[must_use]
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter.ticks()
    }

    /// Starts on a new source, unless the packet is a straggler of the former one.
    fn change(&mut self, header: &RtpHeader, now: Instant) -> bool {
        if let Some((former, left)) = self.former
            && former == header.ssrc
            && now.saturating_duration_since(left) < STRAGGLERS
        {
            return false;
        }
        self.former = self.source.as_ref().map(|source| (source.ssrc, now));
        self.leave();
        self.source = Some(Source::new(header.ssrc, header.sequence));
        true
    }

    fn leave(&mut self) {
        self.past = Counts { duplicates: self.past.duplicates, late: self.past.late, ..self.counts() };
        self.source = None;
        self.jitter.forget_transit();
    }
}

impl Source {
    fn place(&mut self, header: &RtpHeader, audio: Option<&[u8]>) -> Arrival {
        let ahead = i64::from(header.sequence.wrapping_sub(self.highest as u16) as i16);
        let sequence = self.highest + ahead;
        self.restart = None;
        if ahead > 0 {
            self.seen = self.seen.checked_shl(ahead as u32).unwrap_or(0) | 1;
            self.highest = sequence;
        } else {
            let bit = 1u64.checked_shl(-ahead as u32).unwrap_or(0);
            if self.seen & bit != 0 {
                return Arrival::Duplicate;
            }
            self.seen |= bit;
        }
        if sequence < self.base {
            self.base = sequence; // The stream began earlier than the first packet that came.
        }
        self.received += 1;
        if sequence < self.next {
            return Arrival::Late;
        }
        if sequence == self.next {
            self.next += 1;
            return Arrival::InOrder;
        }
        let audio = Audio {
            payload_type: header.payload_type,
            timestamp: header.timestamp,
            octets: audio.unwrap_or_default().get(..KEPT_MAX).or(audio).unwrap_or_default().into(),
        };
        let place = self.kept.partition_point(|&(other, _)| other < sequence);
        self.kept.insert(place, (sequence, audio));
        Arrival::Kept
    }
}

/// The interarrival jitter estimate (RFC 3550 §6.4.1 and appendix A.8), kept in sixteenths of a tick of 8 kHz.
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(u32, Instant)>,
    sixteenths: i64,
}

impl Jitter {
    fn handle_arrival(&mut self, timestamp: u32, now: Instant) {
        if let Some((last_timestamp, last_arrival)) = self.last.replace((timestamp, now)) {
            let sent = i64::from(timestamp.wrapping_sub(last_timestamp) as i32);
            let came = (now.saturating_duration_since(last_arrival).as_micros() * 8 / 1000) as i64;
            let deviation = (came - sent).abs();
            // A pause of the far end moves its timestamps or not, by taste: that is no jitter.
            if deviation < 8000 {
                self.sixteenths += deviation - ((self.sixteenths + 8) >> 4);
            }
        }
    }

    fn forget_transit(&mut self) {
        self.last = None;
    }

    fn ticks(&self) -> u32 {
        (self.sixteenths >> 4).max(0) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(ssrc: u32, sequence: u16) -> RtpHeader {
        RtpHeader { payload_type: 0, marker: false, sequence, timestamp: u32::from(sequence) * 160, ssrc }
    }

    /// Feeds sequence numbers and gives the order in which their audio came out.
    fn order(receiver: &mut Receiver, sequences: &[u16], start: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, &sequence) in sequences.iter().enumerate() {
            let now = start + Duration::from_millis(20 * i as u64);
            if receiver.handle_packet(&header(1, sequence), Some(&[sequence as u8]), now) == Arrival::InOrder
            {
                out.push(sequence as u8);
            }
            out.extend(std::iter::from_fn(|| receiver.poll_audio()).map(|audio| audio.octets[0]));
        }
        out
    }

    #[test]
    fn reordered_packets_come_out_in_order_over_the_wrap() {
        let mut receiver = Receiver::default();
        let out = order(&mut receiver, &[65_534, 0, 65_535, 1, 1, 3, 2], Instant::now());
        assert_eq!(out, [254, 255, 0, 1, 2, 3]);
        assert_eq!(receiver.counts(), Counts { received: 6, lost: 0, duplicates: 1, late: 0 });
    }

    #[test]
    fn a_lost_packet_is_given_up_and_comes_late() {
        let mut receiver = Receiver::default();
        let out = order(&mut receiver, &[1, 3, 4, 5, 6, 7, 8, 2], Instant::now());
        assert_eq!(out, [1, 3, 4, 5, 6, 7, 8]);
        assert_eq!(receiver.counts(), Counts { received: 8, lost: 0, duplicates: 0, late: 1 });
    }

    #[test]
    fn a_new_source_starts_over_and_keeps_the_counts() {
        let start = Instant::now();
        let mut receiver = Receiver::default();
        order(&mut receiver, &[1, 2, 4], start);
        assert_ne!(receiver.handle_packet(&header(9, 5000), Some(&[0]), start), Arrival::Ignored);
        assert_eq!(receiver.handle_packet(&header(1, 5), Some(&[0]), start), Arrival::Ignored, "a straggler");
        let later = start + Duration::from_secs(1);
        assert_ne!(
            receiver.handle_packet(&header(1, 6), Some(&[0]), later),
            Arrival::Ignored,
            "it came back"
        );
        assert_eq!(receiver.counts(), Counts { received: 5, lost: 1, duplicates: 0, late: 0 });
    }

    #[test]
    fn a_wild_jump_needs_two_in_a_row() {
        let mut receiver = Receiver::default();
        let out = order(&mut receiver, &[1, 2, 30_000, 3, 20_000, 20_001, 20_002], Instant::now());
        assert_eq!(out, [1, 2, 3, 20_001u16 as u8, 20_002u16 as u8]);
        assert_eq!(receiver.counts().lost, 0);
    }

    #[test]
    fn steady_arrivals_do_not_jitter() {
        let mut receiver = Receiver::default();
        let start = Instant::now();
        for i in 0..100u16 {
            receiver.handle_packet(
                &header(1, i),
                Some(&[]),
                start + Duration::from_millis(20 * u64::from(i)),
            );
        }
        assert_eq!(receiver.jitter_ticks(), 0);
        for i in 100..400u16 {
            let wobble = u64::from(i % 2) * 10;
            let now = start + Duration::from_millis(20 * u64::from(i) + wobble);
            receiver.handle_packet(&header(1, i), Some(&[]), now);
        }
        assert!((75..=85).contains(&receiver.jitter_ticks()), "10 ms: {}", receiver.jitter_ticks());
    }

    proptest! {
        #[test]
        fn any_sequence_counts_each_packet_once(sequences in proptest::collection::vec(any::<u16>(), 0..300)) {
            let mut receiver = Receiver::default();
            let now = Instant::now();
            let mut ignored = 0;
            for &sequence in &sequences {
                ignored += u32::from(
                    receiver.handle_packet(&header(1, sequence), Some(&[0; 160]), now) == Arrival::Ignored);
                while receiver.poll_audio().is_some() {}
                prop_assert!(receiver.source.as_ref().unwrap().kept.len() <= WINDOW);
            }
            let counts = receiver.counts();
            prop_assert_eq!(counts.received + counts.duplicates + ignored, sequences.len() as u32);
        }
    }
}
