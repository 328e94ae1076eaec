//! WAV files as PBXs, recorders and studios write them: RIFF, RIFX, RF64 and BW64 (EBU Tech 3306), with linear samples,
//! floats or G.711. Lengths are taken for what they are worth: recorders that write into a pipe never come back to put
//! them in, and others leave out the octet that makes a chunk even.

use std::ops::Range;

use super::sound::{Mono, Refused};
use crate::media::g711::Law;

/// `WAVE_FORMAT_EXTENSIBLE`: the format stands in a GUID that follows.
const EXTENSIBLE: u16 = 0xfffe;
/// MPEG layer 3 inside a WAV file.
const MP3: u16 = 0x55;
/// MPEG layer 1 or 2 inside one.
const MPEG: u16 = 0x50;

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// Linear, in so many octets. One octet has no sign.
    Linear(usize),
    Float32,
    Float64,
    G711(Law),
}

/// The order of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: &[u8]) -> u16 {
        let two = [bytes[0], bytes[1]];
        if self == Self::Little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) }
    }

    fn u32(self, bytes: &[u8]) -> u32 {
        let four = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self == Self::Little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) }
    }

    /// The octets of one sample, the lowest first.
    fn little<const N: usize>(self, bytes: &[u8]) -> [u8; N] {
        let mut all = [0; N];
        all[N - bytes.len()..].copy_from_slice(bytes);
        if self == Self::Big {
            all[N - bytes.len()..].reverse();
        }
        all
    }
}

/// What a `fmt ` chunk says.
#[derive(Clone, Copy, Debug)]
struct Format {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    block: u16,
    bits: u16,
}

/// Where the chunks that matter lie.
struct Chunks {
    format: Format,
    data: Range<usize>,
    order: Order,
}

/// Whether a file begins like a WAV file.
pub(super) fn is_riff(bytes: &[u8]) -> bool {
    let known = [b"RIFF", b"RIFX", b"RF64", b"BW64"].iter().any(|id| bytes.starts_with(*id));
    known && bytes.get(8..12) == Some(b"WAVE")
}

/// The sound of a WAV file.
pub(super) fn read(bytes: &[u8]) -> Result<Mono, Refused> {
    let Chunks { format, data, order } = chunks(bytes)?;
    let data = &bytes[data];
    if matches!(format.tag, MP3 | MPEG) {
        return super::packed::read(data, "mp3");
    }
    let coding = coding(&format)?;
    let width = match coding {
        Coding::Linear(octets) => octets,
        Coding::Float32 => 4,
        Coding::Float64 => 8,
        Coding::G711(_) => 1,
    };
    let channels = usize::from(format.channels);
    let frames = data.chunks_exact(width * channels.max(1));
    Mono::of(
        format.rate_hz,
        channels,
        frames.len(),
        frames.flat_map(|f| f.chunks_exact(width)).map(|one| sample(coding, order, one)),
    )
}

/// The samples of a file that is in the format of prompts already: 16 bits, mono; else what format it is in.
pub(super) fn read_plain(bytes: &[u8]) -> Result<(u32, Vec<i16>), Refused> {
    let Chunks { format, data, order } = chunks(bytes)?;
    if coding(&format)? != Coding::Linear(2) || format.channels != 1 {
        return Err(Refused::NotPlain(format!(
            "{} Hz, {}, {} channel(s)",
            format.rate_hz,
            named(&format),
            format.channels
        )));
    }
    let samples = bytes[data].chunks_exact(2).map(|two| order.u16(two).cast_signed()).collect();
    Ok((format.rate_hz, samples))
}

/// How a file is written, in words.
fn named(format: &Format) -> String {
    match coding(format) {
        Ok(Coding::Linear(_)) => format!("{} bit", format.bits),
        Ok(Coding::Float32) => "32 bit float".into(),
        Ok(Coding::Float64) => "64 bit float".into(),
        Ok(Coding::G711(Law::Mu)) => "G.711 mu-law".into(),
        Ok(Coding::G711(Law::A)) => "G.711 A-law".into(),
        Err(_) => format!("format {:#06x}", format.tag),
    }
}

fn sample(coding: Coding, order: Order, one: &[u8]) -> f32 {
    match coding {
        Coding::Linear(1) => (f32::from(one[0]) - 128.0) / 128.0,
        // Fewer octets than four stand at the top, so that full scale is the same for all.
        Coding::Linear(_) => i32::from_le_bytes(order.little(one)) as f32 / 2_147_483_648.0,
        Coding::Float32 => f32::from_le_bytes(order.little(one)),
        Coding::Float64 => f64::from_le_bytes(order.little(one)) as f32,
        Coding::G711(law) => f32::from(law.decode(one).next().unwrap_or(0)) / 32_768.0,
    }
}

fn coding(format: &Format) -> Result<Coding, Refused> {
    let octets = match usize::from(format.block.checked_div(format.channels).unwrap_or(0)) {
        octets @ 1..=8 => octets,
        _ => usize::from(format.bits).div_ceil(8),
    };
    let what = match (format.tag, octets) {
        (0x01, 1..=4) => return Ok(Coding::Linear(octets)),
        (0x03, 4) => return Ok(Coding::Float32),
        (0x03, 8) => return Ok(Coding::Float64),
        (0x06, 1) => return Ok(Coding::G711(Law::A)),
        (0x07, 1) => return Ok(Coding::G711(Law::Mu)),
        (0x01 | 0x03 | 0x06 | 0x07, _) => {
            return Err(Refused::Damaged(format!(
                "its samples have {} bits, which none of its kind has",
                format.bits
            )));
        }
        (0x02, _) => "Microsoft ADPCM",
        (0x11, _) => "IMA ADPCM",
        (0x31, _) => "GSM 6.10 (WAV49)",
        (0x22, _) => "TrueSpeech",
        (0x14 | 0x42 | 0x111, _) => "G.723",
        (0x40 | 0x41 | 0x45 | 0x64 | 0x65 | 0x85 | 0xa100 | 0xa11f, _) => "G.721 or G.726 ADPCM",
        (0x83 | 0x133 | 0x2222 | 0xa123, _) => "G.729",
        (0x28f | 0x402, _) => "G.722",
        (0xff | 0x1600 | 0x1610 | 0x4143, _) => "AAC",
        (0x160..=0x163, _) => "Windows Media Audio",
        (0x2000, _) => "AC-3",
        (0x674f..=0x6771, _) => "Ogg Vorbis",
        (0xf1ac, _) => "FLAC",
        (0x704f, _) => "Opus",
        (0xa109, _) => "Speex",
        (tag, _) => {
            return Err(Refused::Named(format!("a WAV file in a format ({tag:#06x}) that is not known")));
        }
    };
    Err(Refused::Named(format!("a WAV file with {what} in it")))
}

/// Finds the chunks that matter.
fn chunks(bytes: &[u8]) -> Result<Chunks, Refused> {
    if !is_riff(bytes) {
        return Err(Refused::Unknown);
    }
    let order = if bytes.starts_with(b"RIFX") { Order::Big } else { Order::Little };
    let (mut at, mut format, mut data, mut long) = (12, None, None, None);
    while let Some(head) = bytes.get(at..at + 8) {
        let (id, size) = (&head[..4], order.u32(&head[4..]));
        let begin = at + 8;
        let rest = bytes.len() - begin;
        let size = match id {
            b"data" => data_size(bytes, begin, size, long),
            _ => usize::try_from(size).unwrap_or(usize::MAX),
        };
        let body = begin..begin + size.min(rest);
        match id {
            b"ds64" if body.len() >= 16 => {
                let eight: [u8; 8] = bytes[begin + 8..begin + 16].try_into().unwrap_or_default();
                long = usize::try_from(u64::from_le_bytes(eight)).ok();
            }
            b"fmt " => format = Some(format_of(&bytes[body.clone()], order)?),
            b"data" if data.is_none() => data = Some(body.clone()),
            _ => {}
        }
        if format.is_some() && data.is_some() {
            break;
        }
        at = after(bytes, body.end);
    }
    match (format, data) {
        (Some(format), Some(data)) => Ok(Chunks { format, data, order }),
        (None, _) => Err(Refused::Damaged(
            "it is a WAV file that does not say what its samples are (no fmt chunk)".into(),
        )),
        (_, None) => Err(Refused::Damaged("it is a WAV file without sound (no data chunk)".into())),
    }
}

/// How long the data are. A recorder that never came back to write it leaves 0 or all ones: then all that follows are.
fn data_size(bytes: &[u8], begin: usize, size: u32, long: Option<usize>) -> usize {
    let rest = bytes.len() - begin;
    match size {
        u32::MAX => long.filter(|&long| long > 0 && long <= rest).unwrap_or(rest),
        0 if !is_chunk(bytes, begin) => rest,
        size => usize::try_from(size).unwrap_or(rest).min(rest),
    }
}

/// Whether a chunk, which ends with the file or before it, begins there.
fn is_chunk(bytes: &[u8], at: usize) -> bool {
    let Some(head) = bytes.get(at..at + 8) else { return false };
    let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    is_id(&head[..4]) && size <= bytes.len() - at - 8
}

fn is_id(id: &[u8]) -> bool {
    id.iter().all(|octet| (0x20..0x7f).contains(octet))
}

/// Where the next chunk begins: at an even place, unless a writer knew nothing of that.
fn after(bytes: &[u8], end: usize) -> usize {
    let even = end + end % 2;
    let starts = |at: usize| bytes.get(at..at + 4).is_some_and(is_id);
    if even != end && starts(end) && !starts(even) { end } else { even }
}

fn format_of(chunk: &[u8], order: Order) -> Result<Format, Refused> {
    let short = || Refused::Damaged("its fmt chunk is cut off".into());
    let head = chunk.get(..14).ok_or_else(short)?;
    let bits = chunk.get(14..16).map_or(8, |bits| order.u16(bits));
    let mut tag = order.u16(head);
    if tag == EXTENSIBLE {
        tag = order.u16(chunk.get(24..26).ok_or_else(short)?);
    }
    Ok(Format {
        tag,
        channels: order.u16(&head[2..]),
        rate_hz: order.u32(&head[4..]),
        block: order.u16(&head[12..]),
        bits,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(id: &[u8; 4], body: &[u8], size: Option<u32>) -> Vec<u8> {
        let size = size.unwrap_or(body.len() as u32);
        [&id[..], &size.to_le_bytes(), body].concat()
    }

    fn format(tag: u16, bits: u16) -> Vec<u8> {
        let octets = bits.div_ceil(8);
        let mut body = Vec::new();
        for two in [tag, 1] {
            body.extend(two.to_le_bytes());
        }
        body.extend(8000u32.to_le_bytes());
        body.extend((8000 * u32::from(octets)).to_le_bytes());
        body.extend(octets.to_le_bytes());
        body.extend(bits.to_le_bytes());
        chunk(b"fmt ", &body, None)
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WAVE", &body].concat()
    }

    #[test]
    fn every_coding_of_telephony_and_studios_is_read() {
        let check = |tag: u16, bits: u16, data: &[u8], right: &[f32]| {
            let read = read(&file(&[format(tag, bits), chunk(b"data", data, None)])).unwrap();
            assert_eq!(read.rate_hz, 8000);
            let near = read.samples.iter().zip(right).all(|(a, b)| (a - b).abs() < 0.01);
            assert!(read.samples.len() == right.len() && near, "{tag:#x} {bits}: {:?}", read.samples);
        };
        check(1, 8, &[128, 255, 0], &[0.0, 0.99, -1.0]);
        check(1, 16, &[0, 0x40, 0, 0x80], &[0.5, -1.0]);
        check(1, 12, &[0, 0x40, 0, 0x80], &[0.5, -1.0]);
        check(1, 24, &[0, 0, 0x40, 0, 0, 0xc0], &[0.5, -0.5]);
        check(1, 32, &[0, 0, 0, 0x40], &[0.5]);
        check(3, 32, &0.25f32.to_le_bytes(), &[0.25]);
        check(3, 64, &(-0.25f64).to_le_bytes(), &[-0.25]);
        check(6, 8, &[0xd5, 0xaa, 0x2a], &[0.0, 0.98, -0.98]);
        check(7, 8, &[0xff, 0x80, 0x00], &[0.0, 0.98, -0.98]);
    }

    #[test]
    fn lengths_are_taken_for_what_they_are_worth() {
        let samples: Vec<u8> = (0..200u8).collect();
        let (fmt, data) = (format(1, 16), |size| chunk(b"data", &samples, size));
        let odd = |pad: &[u8]| [chunk(b"LIST", b"abc", None), pad.to_vec()].concat();
        for (what, bytes) in [
            ("as they should be", file(&[fmt.clone(), data(None)])),
            ("never written", file(&[fmt.clone(), data(Some(0))])),
            ("all ones", file(&[fmt.clone(), data(Some(u32::MAX))])),
            ("too long", file(&[fmt.clone(), data(Some(4000))])),
            ("an odd chunk", file(&[fmt.clone(), odd(&[0]), data(None)])),
            ("an odd chunk without its octet", file(&[fmt.clone(), odd(&[]), data(None)])),
            ("the format behind", file(&[data(None), fmt.clone()])),
        ] {
            assert_eq!(read(&bytes).unwrap().samples.len(), 100, "{what}");
            assert_eq!(read_plain(&bytes).unwrap().1.len(), 100, "{what}");
        }
        let more = file(&[fmt.clone(), data(None), chunk(b"id3 ", b"ID3 and more", None)]);
        assert_eq!(read(&more).unwrap().samples.len(), 100, "what follows is no sound");
        let none = file(&[fmt.clone(), chunk(b"data", &[], None), chunk(b"LIST", b"abcd", None)]);
        assert_eq!(read(&none).unwrap().samples.len(), 0, "an empty one is empty");
        let ds64 = [0u64, 200, 100].map(u64::to_le_bytes).concat();
        let rest =
            [chunk(b"ds64", &ds64, None), fmt, data(Some(u32::MAX)), chunk(b"LIST", b"abcd", None)].concat();
        let long = [&b"RF64\xff\xff\xff\xffWAVE"[..], &rest].concat();
        assert_eq!(read(&long).unwrap().samples.len(), 100, "RF64");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (tag, name) in
            [(0x31, "GSM 6.10"), (2, "Microsoft ADPCM"), (0x11, "IMA ADPCM"), (0x1234, "0x1234")]
        {
            let wav = file(&[format(tag, 4), chunk(b"data", &[0; 100], None)]);
            let Err(Refused::Named(what)) = read(&wav) else { panic!("{tag:#x} is refused") };
            assert!(what.contains(name), "{what}");
        }
        let no_format = file(&[chunk(b"data", &[0; 100], None)]);
        assert!(matches!(read(&no_format), Err(Refused::Damaged(why)) if why.contains("fmt")));
        assert!(matches!(read(&file(&[format(1, 16)])), Err(Refused::Damaged(why)) if why.contains("data")));
        assert!(matches!(read(b"RIFF"), Err(Refused::Unknown)));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(head in 0usize..4, body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let id: [&[u8]; 4] = [b"RIFF", b"RIFX", b"RF64", b"BW64"];
            let bytes = [id[head], b"\0\0\0\0WAVE", &body].concat();
            drop((read(&bytes), read_plain(&bytes)));
            let with = file(&[format(u16::from(body.first().copied().unwrap_or(1)), 16), body]);
            drop((read(&with), read_plain(&with)));
        }
    }
}
