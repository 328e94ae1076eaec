//! What a leg says and hears by RTCP (RFC 3550 §6), and its figures.

use std::net::SocketAddr;
use std::time::Instant;

use rand::Rng;

use super::payload::ticks_to_us;
use super::{Channel, LegCore, PACKET_MAX, Transmit};
use crate::domain::CallStats;
use crate::media::jitter::Receiver;
use crate::media::rtcp::{Reporter, Sent, WallClock};

impl LegCore {
    /// Takes one datagram from the RTCP socket.
    pub fn handle_rtcp(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        let Some((stream, lock)) = &self.stream else { return };
        if from.ip() != lock.target().ip() && Some(from) != stream.remote_rtcp {
            self.strangers = self.strangers.saturating_add(1);
            return;
        }
        if !self.reporter.handle_packet(datagram, self.sending.ssrc, now) {
            self.malformed = self.malformed.saturating_add(1);
            return;
        }
        self.rtcp_source = Some(from);
        self.shows_life(now);
    }

    /// Says goodbye by RTCP, if there is anyone to say it to.
    pub fn close(&mut self, now: Instant, buffer: &mut [u8; PACKET_MAX]) -> Option<Transmit> {
        self.sending.due = None;
        self.report_due = None;
        self.silent_since = None;
        if self.sending.packets == 0 && !self.heard {
            return None;
        }
        self.write_rtcp(buffer, |reporter, sent, receiver, _, buffer| {
            reporter.write_bye(sent, receiver, now, buffer)
        })
    }

    /// Figures so far.
    #[must_use]
    pub fn stats(&self) -> CallStats {
        let counts = self.receiver.counts();
        CallStats {
            received: counts.received.saturating_add(self.loose),
            sent: self.sending.packets,
            lost: counts.lost,
            duplicates: counts.duplicates,
            late: counts.late,
            malformed: self.malformed,
            strangers: self.strangers,
            jitter_us: ticks_to_us(self.receiver.jitter_ticks()),
            remote_lost: self.reporter.remote_lost(),
            remote_jitter_us: self.reporter.remote_jitter_ticks().map(ticks_to_us),
            talk_ms: self.ear.talk_ms(),
        }
    }

    pub(super) fn write_rtcp(
        &mut self,
        buffer: &mut [u8; PACKET_MAX],
        write: impl FnOnce(&mut Reporter, Sent, &Receiver, WallClock, &mut [u8]) -> usize,
    ) -> Option<Transmit> {
        let (stream, lock) = self.stream.as_ref()?;
        let (channel, to) = match (stream.remote_rtcp, self.rtcp_source) {
            (None, _) => (Channel::Rtp, lock.target()),
            (Some(_), Some(source)) if source.ip() == lock.target().ip() => (Channel::Rtcp, source),
            (Some(signalled), _) => (Channel::Rtcp, signalled),
        };
        if to.port() == 0 || to.ip().is_unspecified() {
            return None;
        }
        let sending = &self.sending;
        let sent = Sent {
            ssrc: sending.ssrc,
            timestamp: sending.timestamp,
            packets: sending.packets,
            octets: sending.octets,
        };
        let len = write(&mut self.reporter, sent, &self.receiver, self.wall, buffer);
        (len > 0).then_some(Transmit { channel, to, len })
    }

    /// Half to one and a half times the interval (RFC 3550 §6.3.1).
    pub(super) fn schedule_report(&mut self, now: Instant) {
        self.report_due = Some(now + self.rules.rtcp_interval.mul_f64(self.random.random_range(0.5..1.5)));
    }
}
