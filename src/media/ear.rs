//! What is heard in the audio of one leg: talk, and key tones where they are listened for.

use super::g711::Law;
use super::g722;
use super::prompt::TICKS_PER_MS;
use super::talk::{TalkChange, TalkDetector};
use super::tone::ToneDetector;
use crate::domain::{Codec, Digit};

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

/// Decodes no more than is needed: without tones to listen for, G.711 is measured by table.
#[derive(Debug, Default)]
pub struct Ear {
    tones: Option<Box<ToneDetector>>,
    g722: Option<g722::Decoder>,
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

    /// Hears one packet, in its order.
    pub fn handle_audio(&mut self, codec: Codec, octets: &[u8]) -> Heard {
        let mut heard = Heard::default();
        let level = match codec {
            Codec::Pcmu => self.handle_g711(Law::Mu, octets, &mut heard),
            Codec::Pcma => self.handle_g711(Law::A, octets, &mut heard),
            Codec::G722 => {
                let samples = self.g722.get_or_insert_default().decode(octets);
                self.handle_tones(samples.iter().copied(), &mut heard);
                let sum: u32 = samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
                sum.checked_div(samples.len() as u32).unwrap_or(0)
            }
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

    fn handle_g711(&mut self, law: Law, octets: &[u8], heard: &mut Heard) -> u32 {
        if self.tones.is_some() {
            self.handle_tones(law.decode(octets), heard);
        }
        law.mean_magnitude(octets)
    }

    fn handle_tones(&mut self, samples: impl Iterator<Item = i16>, heard: &mut Heard) {
        let Some(tones) = &mut self.tones else { return };
        let mut slots = heard.pressed.iter_mut();
        tones.handle_samples(samples, |digit| {
            if let Some(slot) = slots.next() {
                *slot = Some(digit);
            }
        });
        heard.held = tones.held();
    }
}
