//! RTCP of one leg: sender and receiver reports with a CNAME, BYE at the end (RFC 3550 §6), and what the far end
//! says about our stream.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, ReportBlockBuilder, RtcpPacketWriterExt, Sdes,
    SdesChunk, SdesItem, SenderReport,
};

use super::jitter::Receiver;

/// Largest compound packet that we build, in octets.
pub const RTCP_MAX: usize = 256;
/// Seconds from 1900, where NTP time begins, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
/// The SDES item type of the canonical name (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

/// Wall-clock time for sender reports, from one reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    at: Instant,
    ntp: u64,
}

impl WallClock {
    /// Ties the two clocks together.
    #[must_use]
    pub fn new(at: Instant, wall: SystemTime) -> Self {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ntp = ((since.as_secs() + NTP_TO_UNIX_S) << 32)
            | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000);
        Self { at, ntp }
    }

    /// NTP time: seconds since 1900 in the upper half, their fraction in the lower (RFC 3550 §4).
    fn ntp(&self, now: Instant) -> u64 {
        self.ntp.wrapping_add(ntp_interval(now.saturating_duration_since(self.at)))
    }
}

fn ntp_interval(duration: Duration) -> u64 {
    (duration.as_secs() << 32) | ((u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000)
}

/// What a sender report says about our own stream.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Our source.
    pub ssrc: u32,
    /// The RTP timestamp of now.
    pub timestamp: u32,
    /// Packets sent in all.
    pub packets: u32,
    /// Payload octets sent in all.
    pub octets: u32,
}

/// The reporting state of one leg.
#[derive(Debug)]
pub struct Reporter {
    cname: String,
    /// Packets sent by the time of the last report: without new ones we are no sender.
    sent_before: u32,
    expected_before: u32,
    received_before: u32,
    /// The middle of the far end's last NTP time, and when it came.
    last_report: Option<(u32, Instant)>,
    remote_lost: Option<u32>,
    remote_jitter_ticks: Option<u32>,
}

impl Reporter {
    /// A reporter under a canonical name that tells nothing about host or user.
    #[must_use]
    pub fn new(cname: String) -> Self {
        Self {
            cname,
            sent_before: 0,
            expected_before: 0,
            received_before: 0,
            last_report: None,
            remote_lost: None,
            remote_jitter_ticks: None,
        }
    }

    /// Writes a compound report, sender's or receiver's, and gives its length; 0 if it cannot be written.
    pub fn write_report(
        &mut self,
        sent: Sent,
        receiver: &Receiver,
        wall: WallClock,
        now: Instant,
        buffer: &mut [u8],
    ) -> usize {
        let block = self.block(receiver, now);
        let sends = sent.packets != self.sent_before;
        self.sent_before = sent.packets;
        let compound = if sends {
            let report = SenderReport::builder(sent.ssrc)
                .ntp_timestamp(wall.ntp(now))
                .rtp_timestamp(sent.timestamp)
                .packet_count(sent.packets)
                .octet_count(sent.octets);
            let report = block.into_iter().fold(report, |report, block| report.add_report_block(block));
            Compound::builder().add_packet(report)
        } else {
            let report = ReceiverReport::builder(sent.ssrc);
            let report = block.into_iter().fold(report, |report, block| report.add_report_block(block));
            Compound::builder().add_packet(report)
        };
        compound.add_packet(self.description(sent.ssrc)).write_into(buffer).unwrap_or(0)
    }

    /// Writes the farewell (RFC 3550 §6.6) and gives its length; 0 if it cannot be written.
    pub fn write_bye(&mut self, sent: Sent, receiver: &Receiver, now: Instant, buffer: &mut [u8]) -> usize {
        let report = ReceiverReport::builder(sent.ssrc);
        let report = self
            .block(receiver, now)
            .into_iter()
            .fold(report, |report, block| report.add_report_block(block));
        Compound::builder()
            .add_packet(report)
            .add_packet(self.description(sent.ssrc))
            .add_packet(Bye::builder().add_source(sent.ssrc))
            .write_into(buffer)
            .unwrap_or(0)
    }

    fn description(&self, ssrc: u32) -> rtcp_types::SdesBuilder<'_> {
        Sdes::builder().add_chunk(SdesChunk::builder(ssrc).add_item(SdesItem::builder(CNAME, &self.cname)))
    }

    fn block(&mut self, receiver: &Receiver, now: Instant) -> Option<ReportBlockBuilder> {
        let ssrc = receiver.ssrc()?;
        let counts = receiver.counts();
        let expected = counts.received.saturating_add(counts.lost);
        let expected_since = expected.saturating_sub(self.expected_before);
        let received_since = counts.received.saturating_sub(self.received_before);
        (self.expected_before, self.received_before) = (expected, counts.received);
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (u64::from(lost_since) << 8).checked_div(u64::from(expected_since)).unwrap_or(0);
        let (last, delay) = self.last_report.map_or((0, 0), |(last, at)| {
            // Units of 1/65,536 s (RFC 3550 §6.4.1).
            (last, (ntp_interval(now.saturating_duration_since(at)) >> 16) as u32)
        });
        Some(
            ReportBlock::builder(ssrc)
                .fraction_lost(fraction.min(255) as u8)
                .cumulative_lost(counts.lost.min(0x7f_ffff))
                .extended_sequence_number(receiver.extended_highest())
                .interarrival_jitter(receiver.jitter_ticks())
                .last_sender_report_timestamp(last)
                .delay_since_last_sender_report_timestamp(delay),
        )
    }

    /// Reads a compound packet of the far end. False for what is not RTCP.
    pub fn handle_packet(&mut self, datagram: &[u8], our_ssrc: u32, now: Instant) -> bool {
        let Ok(compound) = Compound::parse(datagram) else { return false };
        let mut any = false;
        for packet in compound.flatten() {
            any = true;
            match packet {
                Packet::Sr(report) => {
                    self.last_report = Some(((report.ntp_timestamp() >> 16) as u32, now));
                    report.report_blocks().for_each(|block| self.handle_block(&block, our_ssrc));
                }
                Packet::Rr(report) => {
                    report.report_blocks().for_each(|block| self.handle_block(&block, our_ssrc))
                }
                _ => {}
            }
        }
        any
    }

    fn handle_block(&mut self, block: &ReportBlock<'_>, our_ssrc: u32) {
        if block.ssrc() != our_ssrc {
            return;
        }
        // The count is signed in 24 bits: duplicates can make it negative (RFC 3550 §6.4.1).
        let lost = block.cumulative_lost();
        self.remote_lost = Some(if lost & 0x80_0000 == 0 { lost } else { 0 });
        self.remote_jitter_ticks = Some(block.interarrival_jitter());
    }

    /// Packets of ours that the far end lost.
    #[must_use]
    pub fn remote_lost(&self) -> Option<u32> {
        self.remote_lost
    }

    /// Jitter of our stream at the far end, in ticks of 8 kHz.
    #[must_use]
    pub fn remote_jitter_ticks(&self) -> Option<u32> {
        self.remote_jitter_ticks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::rtp::{RtpHeader, is_rtcp};

    const SENT: Sent = Sent { ssrc: 1, timestamp: 8000, packets: 50, octets: 8000 };

    #[test]
    fn two_reporters_understand_each_other() {
        let now = Instant::now();
        let wall = WallClock::new(now, SystemTime::now());
        let mut receiver = Receiver::default();
        for sequence in [1, 2, 4] {
            let header = RtpHeader {
                payload_type: 0,
                marker: false,
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: 2,
            };
            receiver.handle_packet(&header, Some(&[]), now);
        }
        let (mut ours, mut theirs) = (Reporter::new("a".into()), Reporter::new("b".into()));
        let mut buffer = [0; RTCP_MAX];
        let len = ours.write_report(SENT, &receiver, wall, now, &mut buffer);
        assert!(is_rtcp(&buffer[..len]));
        assert_eq!(buffer[1], 200, "a sender report");
        theirs.handle_packet(&buffer[..len], 2, now);
        assert_eq!(theirs.remote_lost(), Some(1));
        assert!(theirs.last_report.is_some());
        let len = ours.write_report(SENT, &receiver, wall, now, &mut buffer);
        assert_eq!(buffer[1], 201, "nothing sent since: a receiver report");
        theirs.handle_packet(&buffer[..len], 3, now);
        assert!(ours.write_bye(SENT, &receiver, now, &mut buffer) > 0);
    }

    #[test]
    fn ntp_time_is_counted_from_1900() {
        let at = Instant::now();
        let wall = WallClock::new(at, UNIX_EPOCH + Duration::from_millis(1500));
        assert_eq!(wall.ntp(at + Duration::from_secs(1)), ((NTP_TO_UNIX_S + 2) << 32) | (1 << 31));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), shaped: bool) {
            if shaped && bytes.len() >= 8 {
                (bytes[0], bytes[1], bytes[2]) = (0x81, 200 + bytes[1] % 8, 0);
                bytes[3] %= 24;
            }
            Reporter::new("x".into()).handle_packet(&bytes, 1, Instant::now());
        }
    }
}
