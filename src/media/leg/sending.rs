//! The frames that a leg sends, each at its time.

use std::time::{Duration, Instant};

use super::payload::ptime_ms;
use super::{Channel, LegCore, PACKET_MAX, Transmit};
use crate::media::prompt::TICKS_PER_MS;
use crate::media::rtp::{HEADER_LEN, RtpHeader};

/// A sender that is later than this leaves audio out, with a jump of the timestamp that says so, instead of sending
/// a burst.
const LATE_MAX: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// When the next frame is due; `None` before the first connect.
    pub(super) due: Option<Instant>,
    /// The next packet is the first after a pause.
    pub(super) marker: bool,
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl LegCore {
    pub(super) fn poll_frame(&mut self, due: Instant, buffer: &mut [u8; PACKET_MAX]) -> Option<Transmit> {
        let (stream, lock) = self.stream.as_ref()?;
        let ptime = ptime_ms(stream);
        let step = Duration::from_millis(u64::from(ptime));
        let ticks = u32::from(ptime) * TICKS_PER_MS;
        let (to, codec, payload_type) = (lock.target(), stream.codec, stream.payload_type);
        let sends = stream.direction.sends() && !stream.remote.ip().is_unspecified() && to.port() != 0;
        let sending = &mut self.sending;
        let frame_due = sending.due?;
        let late = due.checked_duration_since(frame_due)?;
        // What cannot be sent, or is too late to be, leaves a gap in the timestamps and none in the numbers.
        let passed = if late > LATE_MAX || !sends { late.as_nanos() / step.as_nanos() } else { 0 };
        if passed > 0 || !sends {
            let passed = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(u32::from(!sends));
            sending.due = Some(frame_due + step * passed);
            sending.timestamp = sending.timestamp.wrapping_add(ticks.wrapping_mul(passed));
            sending.marker = true;
        }
        if !sends {
            return None;
        }
        let len = HEADER_LEN + ticks as usize;
        self.player.fill(codec, &mut buffer[HEADER_LEN..len]);
        let header = RtpHeader {
            payload_type,
            marker: std::mem::take(&mut sending.marker),
            sequence: sending.sequence,
            timestamp: sending.timestamp,
            ssrc: sending.ssrc,
        };
        let written = header.write(buffer);
        sending.sequence = sending.sequence.wrapping_add(1);
        sending.timestamp = sending.timestamp.wrapping_add(ticks);
        sending.due = sending.due.map(|at| at + step);
        sending.packets = sending.packets.saturating_add(1);
        sending.octets = sending.octets.wrapping_add(ticks);
        self.report_done();
        written.ok().map(|()| Transmit { channel: Channel::Rtp, to, len })
    }
}
