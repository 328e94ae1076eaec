//! The way of a recording to a listener, as on a call: telephone line, G.711, RTP packets that are late, out of order
//! or lost, and a leg that puts them in order.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use clap::ValueEnum;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;

use crate::config::MediaConfig;
use crate::domain::{AgreedStream, AudioFrame, Codec, Direction, TelephoneEvent};
use crate::media::g711::Law;
use crate::media::leg::{LegCore, LegRules};
use crate::media::rtcp::WallClock;
use crate::media::rtp::{HEADER_LEN, RtpHeader, RtpPacket};

/// Samples of a packet: 20 ms.
const PACKET: usize = 160;
const PACKET_TIME: Duration = Duration::from_millis(20);
/// Quiet line before the recording at the least, and after it, in packets.
const BEFORE: usize = 25;
const AFTER: usize = 45;
/// A line's own noise, in 16-bit steps.
const LINE_NOISE: f32 = 3.0;
/// Packets come up to so much later than they might.
const JITTER_MAX_MS: u64 = 30;
/// Overload of a clipped recording: its loudest sample is this much above full scale (12 dB).
const OVERLOAD: f32 = 4.0;

/// Which law encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LawName {
    /// Mu-law (North America, Japan).
    Mu,
    /// A-law (the rest).
    A,
}

/// What the recording suffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    /// Level of speech over added noise, in dB.
    pub(super) noise_db: Option<f32>,
    /// Overload it.
    pub(super) clip: bool,
    /// Share of packets that are lost, in percent.
    pub(super) loss_percent: f64,
    pub(super) law: LawName,
    /// The caller says nothing for up to twice so long before, drawn at random.
    pub(super) pause: Duration,
}

/// What a listener at the leg gets. The same seed gives the same.
pub(super) fn frames(samples: &[i16], conditions: &Conditions, seed: u64) -> Vec<AudioFrame> {
    let mut random = SmallRng::seed_from_u64(seed);
    let line = line(samples, conditions, &mut random);
    let (law, codec, payload_type) = match conditions.law {
        LawName::Mu => (Law::Mu, Codec::Pcmu, 0),
        LawName::A => (Law::A, Codec::Pcma, 8),
    };
    let begun = Instant::now();
    let far = SocketAddr::from(([192, 0, 2, 7], 4000));
    let mut leg = LegCore::new(
        LegRules::from(&MediaConfig::default()),
        WallClock::new(begun, SystemTime::UNIX_EPOCH),
        seed,
    );
    leg.connect(
        AgreedStream {
            codec,
            payload_type,
            telephone_event: Some(TelephoneEvent { payload_type: 101, clock_hz: 8000 }),
            other_events: Vec::new(),
            ptime_ms: 20,
            remote: far,
            learnable: std::sync::Arc::default(),
            remote_rtcp: None,
            direction: Direction::SendRecv,
        },
        begun,
    );
    let mut arrivals: Vec<(Instant, Vec<u8>)> = Vec::new();
    for (number, chunk) in (0u16..).zip(line.chunks(PACKET)) {
        let late = Duration::from_millis(random.random_range(0..=JITTER_MAX_MS));
        if random.random_bool(conditions.loss_percent / 100.0) {
            continue;
        }
        let header = RtpHeader {
            payload_type,
            marker: number == 0,
            sequence: number.wrapping_add(1000),
            timestamp: u32::from(number) * PACKET as u32,
            ssrc: 77,
        };
        let payload = law.encode(chunk);
        let mut datagram = vec![0; HEADER_LEN + payload.len()];
        let written = RtpPacket { header, payload: &payload }.write(&mut datagram);
        datagram.truncate(written.expect("the buffer has room for the packet"));
        arrivals.push((begun + PACKET_TIME * u32::from(number) + late, datagram));
    }
    arrivals.sort_by_key(|(at, _)| *at);
    let packets = line.len().div_ceil(PACKET);
    // Silence that a leg fills in may come in more frames than there were packets.
    let (sink, mut tapped) = mpsc::channel(4 * packets + 100);
    leg.listen(sink);
    let mut frames = Vec::new();
    let mut arrivals = arrivals.into_iter().peekable();
    for tick in 0..(packets as u32 + 10) {
        let now = begun + PACKET_TIME * tick;
        while let Some((at, datagram)) = arrivals.next_if(|(at, _)| *at <= now) {
            leg.handle_rtp(&datagram, far, at);
        }
        leg.handle_timeout(now);
        while leg.poll_event().is_some() {}
        while let Ok(frame) = tapped.try_recv() {
            frames.push(frame);
        }
    }
    frames
}

/// The recording on a line: quiet around it, noise under it, clipped where it should be.
fn line(samples: &[i16], conditions: &Conditions, random: &mut SmallRng) -> Vec<i16> {
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).max(1);
    let gain = if conditions.clip { OVERLOAD * 32_767.0 / f32::from(loudest) } else { 1.0 };
    let loud: Vec<f32> = samples
        .iter()
        .map(|sample| f32::from(*sample))
        .filter(|sample| sample.abs() > f32::from(loudest) * 0.05)
        .collect();
    let pause_max = 2 * conditions.pause.as_millis() / PACKET_TIME.as_millis();
    let pause = if pause_max > 0 { random.random_range(0..=pause_max) as usize } else { 0 };
    let speech = (loud.iter().map(|sample| sample * sample).sum::<f32>() / loud.len().max(1) as f32).sqrt();
    let noise = conditions.noise_db.map_or(0.0, |db| gain.min(1.0) * speech * 10f32.powf(-db / 20.0));
    let quiet = |packets: usize| std::iter::repeat_n(0, packets * PACKET);
    let mut pink = Pink::default();
    quiet(BEFORE + pause)
        .chain(samples.iter().copied())
        .chain(quiet(AFTER))
        .map(|sample| {
            let line = random.random_range(-LINE_NOISE..=LINE_NOISE);
            let under = pink.next(random) * noise;
            (f32::from(sample) * gain + line + under).clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

/// Noise with as much energy in each octave (P. Kellet's economy filter), root mean square about 1.
#[derive(Default)]
struct Pink([f32; 3]);

impl Pink {
    fn next(&mut self, random: &mut SmallRng) -> f32 {
        let white = random.random_range(-1.732f32..1.732);
        let [a, b, c] = &mut self.0;
        *a = 0.997_65 * *a + white * 0.099_046;
        *b = 0.963 * *b + white * 0.296_516_4;
        *c = 0.57 * *c + white * 1.052_691_3;
        (*a + *b + *c + white * 0.1848) / 2.3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Conditions = Conditions {
        noise_db: None,
        clip: false,
        loss_percent: 0.0,
        law: LawName::Mu,
        pause: Duration::ZERO,
    };

    fn heard(conditions: &Conditions, seed: u64) -> Vec<i16> {
        let samples: Vec<i16> = (0..8000).map(|n| if n % 40 < 20 { 4000 } else { -4000 }).collect();
        frames(&samples, conditions, seed).iter().flat_map(|frame| frame.samples.to_vec()).collect()
    }

    #[test]
    fn all_of_it_arrives_in_order_and_in_its_place() {
        for law in [LawName::Mu, LawName::A] {
            let heard = heard(&Conditions { law, ..GOOD }, 3);
            let first = heard.iter().position(|sample| sample.abs() > 2000).unwrap();
            assert_eq!(first, BEFORE * PACKET);
            let loud = heard.iter().filter(|sample| sample.abs() > 2000).count();
            assert_eq!(loud, 8000);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_and_loss_leaves_silence() {
        let lossy = Conditions { loss_percent: 20.0, noise_db: Some(15.0), ..GOOD };
        assert_eq!(heard(&lossy, 5), heard(&lossy, 5));
        assert_ne!(heard(&lossy, 5), heard(&lossy, 6));
        let loud = heard(&Conditions { loss_percent: 20.0, ..GOOD }, 5);
        let loud = loud.iter().filter(|sample| sample.abs() > 2000).count();
        assert!((5500..7500).contains(&loud), "{loud}");
    }

    #[test]
    fn callers_are_silent_for_different_times() {
        let pausing = Conditions { pause: Duration::from_secs(2), ..GOOD };
        let silent = |seed| {
            let begins = heard(&pausing, seed).iter().position(|sample| sample.abs() > 2000).unwrap();
            begins - BEFORE * PACKET
        };
        let pauses: Vec<usize> = (0..8).map(silent).collect();
        assert!(pauses.iter().all(|pause| *pause <= 32_000), "{pauses:?}");
        let (shortest, longest) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(longest - shortest > 8_000, "{pauses:?}");
    }

    #[test]
    fn noise_has_the_level_that_is_asked_for() {
        let noisy = heard(&Conditions { noise_db: Some(20.0), ..GOOD }, 9);
        let quiet = &noisy[..BEFORE * PACKET];
        let level = (quiet.iter().map(|s| f32::from(*s).powi(2)).sum::<f32>() / quiet.len() as f32).sqrt();
        assert!((280.0..560.0).contains(&level), "{level}");
    }
}
