//! G.722 at 64 kbit/s over `ezk-g722`: 16 kHz audio in one octet per two samples.
//!
//! Its RTP clock runs at 8 kHz for historical reasons (RFC 3551 §4.5.2), so one octet is one tick, as in G.711.

use std::fmt;
use std::sync::LazyLock;

use ezk_g722::libg722::{Bitrate, decoder, encoder};

/// Encodes samples at 16 kHz. An odd last sample is dropped.
#[must_use]
pub fn encode(samples: &[i16]) -> Vec<u8> {
    let whole = samples.len() / 2 * 2;
    encoder::Encoder::new(Bitrate::Mode1_64000, false, false).encode(&samples[..whole])
}

/// Octets of silence as the encoder gives them once it has settled, enough for the longest frame.
#[must_use]
pub fn silence() -> &'static [u8] {
    static SILENCE: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&[0; 1920]).split_off(480));
    &SILENCE
}

/// Decodes one stream to samples at 8 kHz (the lower band alone, which holds all that keys and talk need).
pub struct Decoder(Box<decoder::Decoder>);

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new(decoder::Decoder::new(Bitrate::Mode1_64000, false, true)))
    }

    /// Decodes one packet's payload; each octet gives one sample at 8 kHz.
    pub fn decode(&mut self, octets: &[u8]) -> Vec<i16> {
        self.0.decode(octets)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_survives_and_silence_is_silent() {
        let tone: Vec<i16> = (0..3200)
            .map(|i| (8000.0 * (f64::from(i) * 440.0 * std::f64::consts::TAU / 16_000.0).sin()) as i16)
            .collect();
        let octets = encode(&tone);
        assert_eq!(octets.len(), 1600);
        let back = Decoder::new().decode(&octets);
        assert_eq!(back.len(), 1600);
        let rms = |samples: &[i16]| {
            (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
        };
        assert!((rms(&back[400..]) / (8000.0 / 2f64.sqrt()) - 1.0).abs() < 0.15, "{}", rms(&back[400..]));
        assert_eq!(silence().len(), 480);
        assert!(rms(&Decoder::new().decode(silence())) < 40.0);
    }
}
