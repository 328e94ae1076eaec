//! G.711 by table: decoding, encoding, and the magnitude of a sample without decoding the frame.

use std::sync::LazyLock;

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

/// The two laws of ITU-T G.711.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Mu-law (PCMU).
    Mu,
    /// A-law (PCMA).
    A,
}

struct Tables {
    samples: [i16; 256],
    magnitudes: [u16; 256],
}

static MU: LazyLock<Tables> = LazyLock::new(|| tables(decode_ulaw));
static A: LazyLock<Tables> = LazyLock::new(|| tables(decode_alaw));

fn tables(decode: fn(u8) -> i16) -> Tables {
    let mut tables = Tables { samples: [0; 256], magnitudes: [0; 256] };
    for octet in 0..=u8::MAX {
        let sample = decode(octet);
        tables.samples[usize::from(octet)] = sample;
        tables.magnitudes[usize::from(octet)] = sample.unsigned_abs();
    }
    tables
}

impl Law {
    fn tables(self) -> &'static Tables {
        match self {
            Self::Mu => &MU,
            Self::A => &A,
        }
    }

    /// The octet of digital silence.
    #[must_use]
    pub fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// Decodes octets to samples at 8 kHz.
    pub fn decode(self, octets: &[u8]) -> impl Iterator<Item = i16> {
        let samples = &self.tables().samples;
        octets.iter().map(|&octet| samples[usize::from(octet)])
    }

    /// Encodes samples at 8 kHz.
    #[must_use]
    pub fn encode(self, samples: &[i16]) -> Vec<u8> {
        let encode = match self {
            Self::Mu => encode_ulaw,
            Self::A => encode_alaw,
        };
        samples.iter().map(|&sample| encode(sample)).collect()
    }

    /// The mean magnitude of a frame, 0-32,124: the cheap measure of how loud it is. An empty frame is silent.
    #[must_use]
    pub fn mean_magnitude(self, octets: &[u8]) -> u32 {
        let magnitudes = &self.tables().magnitudes;
        let sum: u32 = octets.iter().map(|&octet| u32::from(magnitudes[usize::from(octet)])).sum();
        sum.checked_div(octets.len() as u32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_laws_come_back_within_their_step() {
        for law in [Law::Mu, Law::A] {
            for sample in (-32_000i32..=32_000).step_by(97) {
                let sample = sample as i16;
                let back = law.decode(&law.encode(&[sample])).next().unwrap();
                let step = (i32::from(sample).abs() / 16).max(16);
                assert!((i32::from(back) - i32::from(sample)).abs() <= step, "{law:?} {sample} {back}");
            }
            assert!(law.mean_magnitude(&[law.silence(); 160]) <= 8);
            assert_eq!(law.mean_magnitude(&[]), 0);
        }
    }

    #[test]
    fn the_laws_agree_with_g191_at_the_corners() {
        assert_eq!(Law::Mu.decode(&[0x00, 0x80, 0xff]).collect::<Vec<_>>(), [-32124, 32124, 0]);
        assert_eq!(Law::A.decode(&[0xd5, 0x2a, 0xaa]).collect::<Vec<_>>(), [8, -32256, 32256]);
    }
}
