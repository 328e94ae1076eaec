//! MP3, FLAC and Ogg Vorbis.

use std::io::Cursor;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::sound::{Mono, Refused, SAMPLES_MAX};

/// The sound of a packed file; `ending` is that of the name which such files have.
pub(super) fn read(bytes: &[u8], ending: &str) -> Result<Mono, Refused> {
    let kind = match ending {
        "mp3" => "MP3",
        "flac" => "FLAC",
        _ => "Ogg",
    };
    let damaged = |what: &str| {
        Refused::Damaged(format!("it begins like {kind} and cannot be decoded as that ({what})"))
    };
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes.to_vec())), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(ending);
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, source, format, metadata)
        .map_err(|fault| damaged(&fault.to_string()))?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| damaged("it holds no sound"))?;
    let id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(
            parameters.ok_or_else(|| damaged("no codec is named"))?,
            &AudioDecoderOptions::default(),
        )
        .map_err(|fault| damaged(&fault.to_string()))?;
    let (mut all, mut some) = (Vec::new(), Vec::<f32>::new());
    let mut spec: Option<(u32, usize)> = None;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // A file that was cut off has sound up to there.
            Err(Error::IoError(_)) if !all.is_empty() => break,
            Err(fault) => return Err(damaged(&fault.to_string())),
        };
        if packet.track_id != id {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(decoded) => {
                let found = (decoded.spec().rate(), decoded.num_planes());
                if *spec.get_or_insert(found) != found {
                    return Err(damaged("its rate or channels change on the way"));
                }
                decoded.copy_to_vec_interleaved(&mut some);
                if all.len() + some.len() > SAMPLES_MAX {
                    return Err(Refused::Long);
                }
                all.append(&mut some);
            }
            // One packet that is damaged costs a click.
            Err(Error::DecodeError(_)) => {}
            Err(fault) => return Err(damaged(&fault.to_string())),
        }
    }
    let (rate_hz, channels) = spec.ok_or_else(|| damaged("it holds no sound"))?;
    Mono::of(rate_hz, channels, all.len() / channels.max(1), all.into_iter())
}
