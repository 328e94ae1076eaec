//! One call's audio, without sockets: packets in, packets and events out, time as an argument.

mod payload;
mod reports;
mod sending;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;

use payload::{Payload, codec_of, ptime_ms};
use sending::Sending;

use super::ear::Ear;
use super::jitter::{Arrival, Receiver};
use super::keys::KeyMerge;
use super::player::{Play, Player};
use super::rtcp::{RTCP_MAX, Reporter, WallClock};
use super::rtp::{HEADER_LEN, PAYLOAD_MAX, RtpHeader, RtpPacket, is_rtcp};
use super::source::{SourceLock, Standing};
use super::talk::TalkChange;
use super::telephone_event::{EventReceiver, Meaning, Stamp};
use super::{DeadMedia, LegEvent};
use crate::config::{InBand, MediaConfig};
use crate::domain::{AgreedStream, AudioFrame, CallStats, Codec, Digit, KeyPath};

/// Octets of the largest packet that a leg gives out.
pub const PACKET_MAX: usize = HEADER_LEN + PAYLOAD_MAX;
const _: () = assert!(RTCP_MAX <= PACKET_MAX);

/// Events kept for an owner who does not take them. Talk is dropped from a quarter of it on; a key beyond it is
/// dropped too: nobody presses 64 keys in the time that a task may be late.
const EVENTS_MAX: usize = 64;

/// A far end that only listens sends reports at most. So many times the usual silence says that it is gone.
const ONE_WAY_TIMES: u32 = 4;

/// The rules of all legs, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct LegRules {
    start_silence: Duration,
    dead_after: Duration,
    in_band: InBand,
    rtcp_interval: Duration,
}

impl From<&MediaConfig> for LegRules {
    fn from(config: &MediaConfig) -> Self {
        Self {
            start_silence: config.start_silence,
            dead_after: config.dead_after,
            in_band: config.in_band,
            rtcp_interval: config.rtcp_interval,
        }
    }
}

/// Which of a leg's two sockets a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// One packet to send: the first `len` octets of the buffer given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From which socket.
    pub channel: Channel,
    /// Where to.
    pub to: SocketAddr,
    /// Its length.
    pub len: usize,
}

/// The audio of one call.
#[derive(Debug)]
pub struct LegCore {
    rules: LegRules,
    stream: Option<(AgreedStream, SourceLock)>,
    receiver: Receiver,
    key_events: EventReceiver,
    keys: KeyMerge,
    ear: Ear,
    player: Player,
    sending: Sending,
    reporter: Reporter,
    report_due: Option<Instant>,
    rtcp_source: Option<SocketAddr>,
    wall: WallClock,
    random: SmallRng,
    /// Since when silence counts, and whether it has been reported; `None` on hold, when nothing need come.
    silent_since: Option<(Instant, bool)>,
    heard: bool,
    /// Key packets under another source than the audio's.
    loose: u32,
    strangers: u32,
    malformed: u32,
    events: VecDeque<LegEvent>,
}

impl LegCore {
    /// A leg that waits to be connected. `seed` draws its source, its first sequence number and its times.
    #[must_use]
    pub fn new(rules: LegRules, wall: WallClock, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let cname = format!("{:016x}{:08x}", random.random::<u64>(), random.random::<u32>());
        Self {
            rules,
            stream: None,
            receiver: Receiver::default(),
            key_events: EventReceiver::default(),
            keys: KeyMerge::default(),
            ear: Ear::default(),
            player: Player::default(),
            sending: Sending {
                ssrc: random.random(),
                sequence: random.random(),
                timestamp: random.random(),
                due: None,
                marker: true,
                packets: 0,
                octets: 0,
            },
            reporter: Reporter::new(cname),
            report_due: None,
            rtcp_source: None,
            wall,
            random,
            silent_since: None,
            heard: false,
            loose: 0,
            strangers: 0,
            malformed: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes what offer and answer agreed on, the first time and each time anew.
    pub fn connect(&mut self, stream: AgreedStream, now: Instant) {
        let lock = match self.stream.take() {
            Some((_, mut lock)) => {
                lock.signal(stream.remote, &stream.learnable);
                lock
            }
            None => SourceLock::new(stream.remote, &stream.learnable),
        };
        let in_band = match self.rules.in_band {
            InBand::Auto => stream.telephone_event.is_none(),
            InBand::Always => true,
            InBand::Never => false,
        };
        // What comes on hold is the PBX's music, and music holds key tones.
        self.ear.listen_for_tones(in_band && stream.direction.sends());
        self.silent_since = stream.direction.sends().then_some((now, false));
        self.sending.due.get_or_insert(now);
        if self.report_due.is_none() {
            self.schedule_report(now);
        }
        self.stream = Some((stream, lock));
    }

    /// Puts prompts at the end of what plays. On hold they wait.
    pub fn play(&mut self, play: Play) {
        self.player.play(play);
        self.report_done();
    }

    /// Stops at the next frame and drops what waits.
    pub fn stop(&mut self) {
        self.player.stop();
    }

    /// Hands the caller's audio to a listener from now on, in place of the one before.
    pub fn listen(&mut self, sink: mpsc::Sender<AudioFrame>) {
        self.ear.listen(Some(sink));
    }

    /// Hands on no more audio.
    pub fn deafen(&mut self) {
        self.ear.listen(None);
    }

    /// A key on a path outside the audio.
    pub fn press(&mut self, digit: Digit, path: KeyPath, now: Instant) {
        self.shows_life(now);
        if self.keys.handle_press(digit, path, now) {
            self.push(LegEvent::Key { digit, path, at: now });
        }
    }

    /// Takes one datagram from the RTP socket.
    pub fn handle_rtp(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        let Some((stream, lock)) = &mut self.stream else { return };
        if is_rtcp(datagram) {
            return self.handle_rtcp(datagram, from, now);
        }
        let Ok(packet) = RtpPacket::read(datagram) else {
            self.malformed = self.malformed.saturating_add(1);
            return;
        };
        match lock.judge(from, &packet.header) {
            Standing::Ours => {}
            Standing::Candidate => return,
            Standing::Stranger => {
                self.strangers = self.strangers.saturating_add(1);
                return;
            }
        }
        let meaning = Payload::of(&packet.header, stream);
        self.shows_life(now);
        if !std::mem::replace(&mut self.heard, true) {
            self.push(LegEvent::Heard);
        }
        match meaning {
            Payload::KeyEvent { clock_hz } => self.handle_key_event(&packet, clock_hz, now),
            Payload::Audio(codec) => {
                if self.receiver.handle_packet(&packet.header, Some(packet.payload), now) == Arrival::InOrder
                {
                    self.handle_audio(codec, packet.header.timestamp, packet.payload, now);
                }
                self.handle_kept(now);
            }
            Payload::Other => {
                self.receiver.handle_packet(&packet.header, None, now);
                self.handle_kept(now);
            }
        }
    }

    /// The far end is there: by a packet of its own, a report or a key.
    pub(super) fn shows_life(&mut self, now: Instant) {
        if let Some(silence) = &mut self.silent_since {
            *silence = (now, false);
        }
    }

    /// The only address that packets of ours can come from until SIP says otherwise, once that is known.
    pub fn settled(&self) -> Option<SocketAddr> {
        self.stream.as_ref().and_then(|(_, lock)| lock.settled())
    }

    /// The next packet that is due at `due`; ask until there is none. `due` is the time at which the packet should
    /// leave, not the time at which a late thread comes to ask.
    pub fn poll_packet(&mut self, due: Instant, buffer: &mut [u8; PACKET_MAX]) -> Option<Transmit> {
        if self.report_due.is_some_and(|at| at <= due) {
            self.schedule_report(due);
            if let Some(transmit) = self.write_rtcp(buffer, |reporter, sent, receiver, wall, buffer| {
                reporter.write_report(sent, receiver, wall, due, buffer)
            }) {
                return Some(transmit);
            }
        }
        self.poll_frame(due, buffer)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_packet`] next has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.sending.due, self.report_due, self.dead_at()].into_iter().flatten().min()
    }

    /// Looks whether the far end has gone silent.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ear.handle_time(now);
        if self.dead_at().is_some_and(|at| at <= now)
            && let Some((_, reported)) = &mut self.silent_since
        {
            *reported = true;
            let dead = if self.heard { DeadMedia::WentSilent } else { DeadMedia::NeverHeard };
            self.push(LegEvent::Dead(dead));
        }
    }

    /// The last event, with the figures of the whole call.
    pub fn close_events(&mut self) -> CallStats {
        let stats = self.stats();
        self.events.push_back(LegEvent::Closed(Box::new(stats)));
        stats
    }

    /// Time between two frames: 10-60 ms.
    #[must_use]
    pub fn ptime_ms(&self) -> u8 {
        self.stream.as_ref().map_or(20, |(stream, _)| ptime_ms(stream))
    }

    fn handle_key_event(&mut self, packet: &RtpPacket<'_>, clock_hz: u32, now: Instant) {
        // Some senders give their keys a source of their own: that must not throw the audio's order away.
        if self.receiver.ssrc().is_none_or(|ssrc| ssrc == packet.header.ssrc) {
            self.receiver.handle_packet(&packet.header, None, now);
        } else {
            self.loose = self.loose.saturating_add(1);
        }
        self.ear.handle_key(now);
        let (keys, events) = (&mut self.keys, &mut self.events);
        let RtpHeader { ssrc, sequence, marker, timestamp, .. } = packet.header;
        let stamp = Stamp { ssrc, sequence, marker, timestamp, ticks_per_ms: clock_hz / 1000, at: now };
        self.key_events.handle_payload(stamp, packet.payload, |meaning| match meaning {
            Meaning::Pressed(digit) => {
                let path = KeyPath::Rfc4733;
                if keys.handle_press(digit, path, now) && events.len() < EVENTS_MAX {
                    events.push_back(LegEvent::Key { digit, path, at: now });
                }
            }
            Meaning::Known(digit) => keys.handle_held(digit, KeyPath::Rfc4733, now),
        });
        self.handle_kept(now);
    }

    fn handle_kept(&mut self, now: Instant) {
        while let Some(audio) = self.receiver.poll_audio() {
            let codec = self.stream.as_ref().and_then(|(stream, _)| codec_of(audio.payload_type, stream));
            if let Some(codec) = codec.filter(|_| !audio.octets.is_empty()) {
                self.handle_audio(codec, audio.timestamp, &audio.octets, now);
            }
        }
    }

    fn handle_audio(&mut self, codec: Codec, timestamp: u32, octets: &[u8], now: Instant) {
        let heard = self.ear.handle_audio(codec, timestamp, octets, now);
        if let Some(digit) = heard.held {
            self.keys.handle_held(digit, KeyPath::InBand, now);
        }
        for digit in heard.pressed.into_iter().flatten() {
            self.press(digit, KeyPath::InBand, now);
        }
        if let Some(change) = heard.talk.filter(|_| self.events.len() < EVENTS_MAX / 4) {
            self.events.push_back(LegEvent::Talk { on: change == TalkChange::Began });
        }
    }

    fn dead_at(&self) -> Option<Instant> {
        let (since, reported) = self.silent_since?;
        let one_way = self.stream.as_ref().is_some_and(|(stream, _)| !stream.direction.receives());
        let limit = match (one_way, self.heard) {
            (true, _) => self.rules.dead_after * ONE_WAY_TIMES,
            (false, true) => self.rules.dead_after,
            (false, false) => self.rules.start_silence,
        };
        (!reported).then(|| since + limit)
    }

    fn report_done(&mut self) {
        while let Some(id) = self.player.poll_done() {
            self.events.push_back(LegEvent::PlayDone(id));
        }
    }

    fn push(&mut self, event: LegEvent) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }
}

#[cfg(test)]
#[path = "leg_tests.rs"]
mod tests;
