//! What fuzzing calls: packets at a connected leg, and keys in both of their forms.

use std::time::{Duration, Instant, SystemTime};

use super::leg::{LegCore, LegRules, PACKET_MAX};
use super::rtcp::WallClock;
use super::telephone_event::Report;
use super::tone::ToneDetector;
use crate::config::MediaConfig;
use crate::domain::{AgreedStream, Codec, Direction, TelephoneEvent};

fn leg(now: Instant) -> LegCore {
    let mut leg =
        LegCore::new(LegRules::from(&MediaConfig::default()), WallClock::new(now, SystemTime::UNIX_EPOCH), 1);
    let remote = crate::fuzz::peer();
    leg.connect(
        AgreedStream {
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(TelephoneEvent { payload_type: 101, clock_hz: 8000 }),
            other_events: Vec::new(),
            ptime_ms: 20,
            remote,
            learnable: std::sync::Arc::default(),
            remote_rtcp: Some(remote),
            direction: Direction::SendRecv,
        },
        now,
    );
    leg
}

/// Each chunk is `[which, length, bytes..]`: RTP for an even first byte, RTCP for an odd one. 20 ms pass between
/// chunks.
pub(crate) fn fuzz_packets(data: &[u8]) {
    let mut now = Instant::now();
    let mut leg = leg(now);
    let mut buffer = [0; PACKET_MAX];
    let mut rest = data;
    while let [which, length, after @ ..] = rest {
        let (packet, left) = after.split_at(usize::from(*length).min(after.len()));
        if which & 1 == 0 {
            leg.handle_rtp(packet, crate::fuzz::peer(), now);
        } else {
            leg.handle_rtcp(packet, crate::fuzz::peer(), now);
        }
        now += Duration::from_millis(20);
        leg.handle_timeout(now);
        while leg.poll_packet(now, &mut buffer).is_some() {}
        while leg.poll_event().is_some() {}
        rest = left;
    }
}

/// The bytes as a telephone-event payload, and as samples.
pub(crate) fn fuzz_keys(data: &[u8]) {
    for report in Report::read(data) {
        assert!(Report::read(&report.write()).next().is_some(), "a report cannot be read back");
    }
    let samples = data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    ToneDetector::default().handle_samples(samples, |_| ());
}
