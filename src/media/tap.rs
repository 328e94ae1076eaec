//! Hands the caller's audio to a listener, as one unbroken stream: packets in their order, silence where one was
//! lost or where the far end sends nothing because nobody speaks.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::domain::{AudioFrame, LISTEN_RATE};

/// A jump of the timestamp up to this is a gap to fill; beyond it the sender began anew.
const GAP_MAX: u32 = LISTEN_RATE;
/// Without a packet for so long, silence is handed on in its place.
const QUIET_AFTER: Duration = Duration::from_millis(120);
/// What is filled in stays this far behind the present, so that a packet that is only late still finds its place.
const QUIET_LAG: Duration = Duration::from_millis(80);
/// Length of a frame of silence, in samples: 20 ms.
const QUIET_FRAME: usize = 160;
/// A key counts as down for so long after its last packet: the reordering window, and a report that was lost.
const KEY_TAIL: Duration = Duration::from_millis(100);

/// One listener at one leg.
#[derive(Debug)]
pub(super) struct Tap {
    sink: mpsc::Sender<AudioFrame>,
    /// RTP timestamp of the next sample.
    next: Option<u32>,
    /// Up to when audio has been handed on.
    until: Option<Instant>,
    key_at: Option<Instant>,
    lost: u32,
}

impl Tap {
    pub(super) fn new(sink: mpsc::Sender<AudioFrame>) -> Self {
        Self { sink, next: None, until: None, key_at: None, lost: 0 }
    }

    /// A key is down, by a path outside the audio.
    pub(super) fn handle_key(&mut self, now: Instant) {
        self.key_at = Some(now);
    }

    /// Hands on one packet. `key_down`: a key tone is heard in it.
    pub(super) fn handle_audio(&mut self, timestamp: u32, samples: &[i16], key_down: bool, now: Instant) {
        let gap = self.next.map_or(0, |next| timestamp.wrapping_sub(next));
        if (1..=GAP_MAX).contains(&gap) {
            self.silence(gap as usize, now);
        }
        self.next = Some(timestamp.wrapping_add(samples.len() as u32));
        self.until = Some(now);
        if key_down {
            self.key_at = Some(now);
        }
        self.send(samples.into(), now);
    }

    /// Time has passed. Called about every 20 ms.
    pub(super) fn handle_time(&mut self, now: Instant) {
        let until = *self.until.get_or_insert(now);
        let behind = now.saturating_duration_since(until);
        if behind < QUIET_AFTER {
            return;
        }
        let fill = (behind - QUIET_LAG).min(Duration::from_secs(1));
        let samples = (fill.as_millis() as u32).saturating_mul(LISTEN_RATE / 1000);
        self.next = self.next.map(|next| next.wrapping_add(samples));
        self.until = Some(until + fill);
        self.silence(samples as usize, now);
    }

    /// Whether the listener has left.
    pub(super) fn is_over(&self) -> bool {
        self.sink.is_closed()
    }

    /// Frames that the listener was too slow for.
    #[cfg(test)]
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    fn silence(&mut self, mut samples: usize, now: Instant) {
        while samples > 0 {
            let length = samples.min(QUIET_FRAME);
            self.send(vec![0; length].into(), now);
            samples -= length;
        }
    }

    /// A listener who does not keep up loses audio; the leg never waits.
    fn send(&mut self, samples: Box<[i16]>, now: Instant) {
        let key_down = self.key_at.is_some_and(|at| now.saturating_duration_since(at) < KEY_TAIL);
        if let Err(TrySendError::Full(_)) = self.sink.try_send(AudioFrame { samples, at: now, key_down }) {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(frames: &mut mpsc::Receiver<AudioFrame>) -> Vec<(usize, bool)> {
        std::iter::from_fn(|| frames.try_recv().ok())
            .map(|frame| (frame.samples.len(), frame.samples.iter().any(|&sample| sample != 0)))
            .collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lost_packet_leaves_its_place() {
        let (sink, mut frames) = mpsc::channel(64);
        let (mut tap, start) = (Tap::new(sink), Instant::now());
        tap.handle_audio(u32::MAX - 159, &[5; 160], false, start);
        tap.handle_audio(160, &[5; 160], false, start + ms(40));
        assert_eq!(lengths(&mut frames), [(160, true), (160, false), (160, true)]);
        tap.handle_audio(90_000, &[5; 160], false, start + ms(60));
        assert_eq!(lengths(&mut frames), [(160, true)], "a sender that begins anew left no gap");
    }

    #[test]
    fn a_sender_that_stops_in_silence_is_heard_as_silence() {
        let (sink, mut frames) = mpsc::channel(64);
        let (mut tap, start) = (Tap::new(sink), Instant::now());
        tap.handle_audio(0, &[5; 160], false, start);
        for at in (20..=1000).step_by(20) {
            tap.handle_time(start + ms(at));
        }
        let heard = lengths(&mut frames);
        let quiet: usize = heard.iter().filter(|(_, sound)| !sound).map(|(length, _)| length).sum();
        assert!((880 * 8..=920 * 8).contains(&quiet), "{quiet}");
        tap.handle_audio(8000, &[5; 160], false, start + ms(1000));
        let heard = lengths(&mut frames);
        let filled: usize = heard.iter().filter(|(_, sound)| !sound).map(|(length, _)| length).sum();
        assert_eq!(quiet + filled, 8000 - 160, "the stream's own clock counts in the end");
    }

    #[test]
    fn a_slow_listener_loses_audio_and_a_key_marks_its_frames() {
        let (sink, mut frames) = mpsc::channel(2);
        let (mut tap, start) = (Tap::new(sink), Instant::now());
        tap.handle_key(start);
        for n in 0..4 {
            tap.handle_audio(n * 160, &[5; 160], false, start + ms(u64::from(n) * 20));
        }
        assert_eq!(tap.lost(), 2);
        assert!(frames.try_recv().unwrap().key_down);
        drop(frames);
        assert!(tap.is_over());
    }
}
