//! What is heard in the audio of one leg: talk, key tones where they are listened for, and all of it for a listener.

use std::time::Instant;

use tokio::sync::mpsc;

use super::g711::Law;
use super::g722;
use super::prompt::TICKS_PER_MS;
use super::talk::{TalkChange, TalkDetector};
use super::tap::Tap;
use super::tone::ToneDetector;
use crate::domain::{AudioFrame, Codec, Digit};

/// Keys that one packet can complete: at 60 ms there is room for two.
const PRESSED_MAX: usize = 4;

/// What one packet told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Keys that went down in it.
    pub pressed: [Option<Digit>; PRESSED_MAX],
    /// The key that is down at its end.
    pub held: Option<Digit>,
    /// Talk began or stopped.
    pub talk: Option<TalkChange>,
}

/// Decodes no more than is needed: with no tones to find and nobody listening, G.711 is measured by table.
#[derive(Debug, Default)]
pub struct Ear {
    tones: Option<Box<ToneDetector>>,
    g722: Option<g722::Decoder>,
    tap: Option<Tap>,
    talk: TalkDetector,
}

impl Ear {
    /// Listens for key tones from now on, or no more.
    pub fn listen_for_tones(&mut self, on: bool) {
        match (on, &self.tones) {
            (true, None) => self.tones = Some(Box::default()),
            (false, Some(_)) => self.tones = None,
            _ => {}
        }
    }

    /// Hands the audio to a listener from now on, in place of the one before; `None` to nobody.
    pub fn listen(&mut self, sink: Option<mpsc::Sender<AudioFrame>>) {
        self.tap = sink.map(Tap::new);
    }

    /// A key is down, by a path outside the audio.
    pub fn handle_key(&mut self, now: Instant) {
        if let Some(tap) = &mut self.tap {
            tap.handle_key(now);
        }
    }

    /// Time has passed. Called about every 20 ms.
    pub fn handle_time(&mut self, now: Instant) {
        self.tap.take_if(|tap| tap.is_over());
        if let Some(tap) = &mut self.tap {
            tap.handle_time(now);
        }
    }

    /// Hears one packet, in its order.
    pub fn handle_audio(&mut self, codec: Codec, timestamp: u32, octets: &[u8], now: Instant) -> Heard {
        let mut heard = Heard::default();
        let law = match codec {
            Codec::Pcmu => Some(Law::Mu),
            Codec::Pcma => Some(Law::A),
            Codec::G722 => None,
        };
        let level = if let (Some(law), None, None) = (law, &self.tones, &self.tap) {
            law.mean_magnitude(octets)
        } else {
            let samples = match law {
                Some(law) => law.decode(octets).collect(),
                None => self.g722.get_or_insert_default().decode(octets),
            };
            self.handle_tones(&samples, &mut heard);
            if let Some(tap) = &mut self.tap {
                tap.handle_audio(timestamp, &samples, heard.held.is_some(), now);
            }
            let sum: u32 = samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
            sum.checked_div(samples.len() as u32).unwrap_or(0)
        };
        if heard.held.is_none() {
            // A key tone is not talk.
            heard.talk = self.talk.handle_frame(level, octets.len() as u32 / TICKS_PER_MS);
        }
        heard
    }

    /// Talk so far in ms.
    #[must_use]
    pub fn talk_ms(&self) -> u32 {
        self.talk.talk_ms()
    }

    fn handle_tones(&mut self, samples: &[i16], heard: &mut Heard) {
        let Some(tones) = &mut self.tones else { return };
        let mut slots = heard.pressed.iter_mut();
        tones.handle_samples(samples.iter().copied(), |digit| {
            if let Some(slot) = slots.next() {
                *slot = Some(digit);
            }
        });
        heard.held = tones.held();
    }
}
