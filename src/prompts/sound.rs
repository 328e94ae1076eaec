//! Any sound file as mono samples; what cannot be read is named.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::{packed, riff};

/// Longest file read, in samples of all channels: ten minutes of stereo at 48 kHz.
pub(super) const SAMPLES_MAX: usize = 2 * 48_000 * 600;
/// Longest file read, in octets: as many samples in the widest form.
const OCTETS_MAX: u64 = 8 * SAMPLES_MAX as u64;

/// Samples of one channel, full scale at 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mono {
    pub(super) rate_hz: u32,
    pub(super) samples: Vec<f32>,
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing about it says that it is sound.
    #[error(
        "is no sound file that is known: WAV, MP3, FLAC and Ogg Vorbis are read. Raw sound, which has no header, needs to \
         be told what it is: sox -t raw -r 8000 -e signed -b 16 -c 1 FILE OUT.wav"
    )]
    Unknown,
    /// It is of a kind that is not read.
    #[error(
        "is {0}, which is not read: make a WAV file of it, `sox FILE -e signed -b 16 OUT.wav` or `ffmpeg -i FILE OUT.wav`"
    )]
    Named(String),
    /// It is raw sound.
    #[error("is raw {what} by its name, which has no header: sox -t raw {how} -c 1 FILE OUT.wav")]
    Raw {
        /// What is in it.
        what: &'static str,
        /// How `sox` is told so.
        how: &'static str,
    },
    /// It is of a kind that is read, and damaged.
    #[error("cannot be used: {0}")]
    Damaged(String),
    /// It has samples of another kind than prompts have.
    #[error("{0}; a prompt is 8000 Hz, 16 bit, mono PCM (use `prompts import`)")]
    NotPlain(String),
    /// It is longer than what is read.
    #[error("is longer than ten minutes of stereo, more than any prompt is")]
    Long,
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
}

impl Mono {
    /// Of so many frames of some channels, one sample of each channel after the other.
    pub(super) fn of(
        rate_hz: u32,
        channels: usize,
        frames: usize,
        samples: impl Iterator<Item = f32>,
    ) -> Result<Self, Refused> {
        if channels == 0 || !(4000..=384_000).contains(&rate_hz) {
            return Err(Refused::Damaged(format!("{channels} channels at {rate_hz} Hz are no sound")));
        }
        if frames.saturating_mul(channels) > SAMPLES_MAX {
            return Err(Refused::Long);
        }
        let mut mono = Vec::with_capacity(frames);
        let (mut sum, mut count) = (0.0, 0);
        for sample in samples {
            // Floats may be anything; what is no number is silence.
            sum += if sample.is_finite() { sample } else { 0.0 };
            count += 1;
            if count == channels {
                mono.push(sum / channels as f32);
                (sum, count) = (0.0, 0);
            }
        }
        Ok(Self { rate_hz, samples: mono })
    }
}

/// The octets of a file, as far as any sound file may be long.
pub(super) fn octets(path: &Path) -> std::io::Result<Result<Vec<u8>, Refused>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(OCTETS_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > OCTETS_MAX {
        return Ok(Err(Refused::Long));
    }
    Ok(if bytes.is_empty() { Err(Refused::Empty) } else { Ok(bytes) })
}

/// The sound of a file's octets. What they are counts, and the name only where they do not say.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Mono, Refused> {
    if riff::is_riff(bytes) {
        return riff::read(bytes);
    }
    if let Some(ending) = packed_as(bytes) {
        return packed::read(bytes, ending);
    }
    Err(name(bytes, path))
}

/// The kind of a packed file that is read.
fn packed_as(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(200)];
    let has = |what: &[u8]| head.windows(what.len()).any(|part| part == what);
    match head {
        [b'f', b'L', b'a', b'C', ..] => Some("flac"),
        [b'O', b'g', b'g', b'S', ..] if has(b"vorbis") || has(b"FLAC") => Some("ogg"),
        [b'I', b'D', b'3', ..] => Some("mp3"),
        // A frame of MPEG layer 3: eleven ones, a version, that layer, and a rate that there is.
        [0xff, second, third, ..]
            if second & 0xe6 == 0xe2
                && second & 0x18 != 0x08
                && third & 0xf0 != 0xf0
                && third & 0x0c != 0x0c =>
        {
            Some("mp3")
        }
        _ => None,
    }
}

/// What a file is that is not read.
pub(super) fn name(bytes: &[u8], path: &Path) -> Refused {
    let head = &bytes[..bytes.len().min(200)];
    let has = |what: &[u8]| head.windows(what.len()).any(|part| part == what);
    let at = |from: usize, what: &[u8]| head.get(from..from + what.len()) == Some(what);
    let known = [
        (at(0, b"OggS") && has(b"OpusHead"), "Ogg Opus"),
        (at(0, b"OggS") && has(b"Speex"), "Ogg Speex"),
        (at(0, b"OggS"), "an Ogg file without Vorbis in it"),
        (at(0, b"FORM") && at(8, b"AIF"), "AIFF"),
        (at(0, b".snd"), "a Sun/NeXT audio file (.au)"),
        (at(4, b"ftyp"), "MPEG-4 (M4A, AAC, or a video)"),
        (at(0, b"ADIF") || (at(0, b"\xff\xf1") || at(0, b"\xff\xf9")), "AAC"),
        (at(0, b"#!AMR"), "AMR"),
        (at(0, b"\x30\x26\xb2\x75"), "Windows Media Audio"),
        (at(0, b"caff"), "a Core Audio file"),
        (at(0, b"\x1a\x45\xdf\xa3"), "Matroska or WebM"),
        (at(0, b"riff\x2e\x91\xcf\x11"), "Wave64"),
        (at(0, b"RIFF") && at(8, b"AVI "), "a video (AVI)"),
        (at(0, b"RIFF"), "a RIFF file that is no sound"),
        (at(0, b"PK\x03\x04") || at(0, b"\x1f\x8b") || at(0, b"7z\xbc\xaf"), "an archive"),
        (at(0, b"%PDF"), "a PDF document"),
        (at(0, b"version https://git-lfs"), "a pointer of Git LFS and no recording: run `git lfs pull`"),
        (at(0, b"<") || at(0, b"{"), "a text (a web page, perhaps an error instead of a download)"),
    ];
    if let Some((_, what)) = known.into_iter().find(|(is, _)| *is) {
        return Refused::Named(what.to_owned());
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (what, how) = match ending.as_str() {
        "sln" | "slin" | "sln8" | "raw" => ("16 bit linear sound", "-r 8000 -e signed -b 16"),
        "sln12" => ("16 bit linear sound", "-r 12000 -e signed -b 16"),
        "sln16" => ("16 bit linear sound", "-r 16000 -e signed -b 16"),
        "sln24" => ("16 bit linear sound", "-r 24000 -e signed -b 16"),
        "sln32" => ("16 bit linear sound", "-r 32000 -e signed -b 16"),
        "sln44" => ("16 bit linear sound", "-r 44100 -e signed -b 16"),
        "sln48" => ("16 bit linear sound", "-r 48000 -e signed -b 16"),
        "ulaw" | "ul" | "mu" | "pcm" | "ulw" => ("G.711 mu-law", "-r 8000 -e mu-law -b 8"),
        "alaw" | "al" | "alw" => ("G.711 A-law", "-r 8000 -e a-law -b 8"),
        "gsm" => ("GSM 6.10", "-r 8000 -e gsm-full-rate"),
        "g722" => return Refused::Named("raw G.722 by its name".into()),
        "g729" => return Refused::Named("raw G.729 by its name".into()),
        "g726" | "g723" | "g723sf" | "siren7" | "siren14" | "ilbc" => {
            return Refused::Named(format!("raw {ending} by its name"));
        }
        _ => return Refused::Unknown,
    };
    Refused::Raw { what, how }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sounds").join(name)).unwrap()
    }

    /// 0.4 s of 500 Hz between 0.3 s of silence.
    fn check(name: &str) {
        let mono = read(&sound(name), Path::new("x.wav")).unwrap_or_else(|why| panic!("{name} {why}"));
        let seconds = mono.samples.len() as f32 / mono.rate_hz as f32;
        assert!((0.95..1.2).contains(&seconds) && mono.rate_hz == 16_000, "{name}: {seconds} s");
        let power = |from: f32, to: f32| {
            let at = |seconds: f32| (seconds * 16_000.0) as usize;
            let part = &mono.samples[at(from)..at(to)];
            part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32
        };
        assert!(
            power(0.0, 0.2) < 1e-4 && (0.1..0.15).contains(&power(0.45, 0.65)),
            "{name}: {}",
            power(0.45, 0.65)
        );
    }

    #[test]
    fn packed_files_are_read_whatever_they_are_called() {
        for name in ["tone.mp3", "tone.flac", "tone.ogg"] {
            check(name);
            let bytes = sound(name);
            if name == "tone.ogg" {
                continue; // It is one page, and half a page is none.
            }
            let cut = read(&bytes[..bytes.len() * 3 / 4], Path::new(name));
            assert!(cut.is_ok_and(|mono| mono.samples.len() > 4000), "{name}, cut off");
        }
        let tagged = [b"ID3\x03\0\0\0\0\0\x0a".to_vec(), vec![0; 10], sound("tone.mp3")].concat();
        assert!(read(&tagged, Path::new("x.wav")).is_ok());
        let broken = [b"fLaC".to_vec(), vec![7; 500]].concat();
        assert!(matches!(read(&broken, Path::new("x")), Err(Refused::Damaged(_))));
    }

    #[test]
    fn what_is_not_read_is_named_with_what_to_do() {
        let told = |bytes: &[u8], path: &str| read(bytes, Path::new(path)).unwrap_err().to_string();
        assert!(told(&sound("gsm.wav"), "x.wav").contains("GSM 6.10"));
        for (bytes, part) in [
            (&b"OggS\0\x02OpusHead"[..], "Ogg Opus"),
            (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
            (b"FORM\0\0\0\0AIFFCOMM", "AIFF"),
            (b".snd\0\0\0\x18", ".au"),
            (b"<!DOCTYPE html>", "web page"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"hello", "no sound file that is known"),
        ] {
            let text = told(bytes, "x.wav");
            assert!(text.contains(part) && (text.contains("sox") || text.contains("ffmpeg")), "{text}");
        }
        for (name, part) in
            [("x.sln", "-e signed"), ("x.ULAW", "-e mu-law"), ("x.alaw", "-e a-law"), ("x.gsm", "gsm")]
        {
            assert!(told(&[0xd5; 100], name).contains(part), "{name}");
        }
        assert!(told(&[0xd5; 100], "x.sln16").contains("-r 16000"));
    }
}
