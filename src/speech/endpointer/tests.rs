use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Sounds of a test, each so many ms long, in dBFS.
#[derive(Clone, Copy, Debug)]
enum Part {
    Quiet(u32),
    /// Harmonics of a voice that come and go as syllables do.
    Voice(u32, f32),
    Noise(u32, f32),
    Tone(u32, f32, f32, f32),
    Key(u32),
    Clicks(u32),
}
use Part::{Clicks, Key, Noise, Quiet, Tone, Voice};

fn sound(parts: &[Part], line_dbfs: f32) -> Vec<(Vec<i16>, bool)> {
    let mut random = SmallRng::seed_from_u64(7);
    let mut frames = Vec::new();
    let mut at = 0usize;
    let amplitude = |dbfs: f32| 10f32.powf(dbfs / 20.0);
    for part in parts {
        let (Quiet(ms) | Voice(ms, _) | Noise(ms, _) | Tone(ms, ..) | Key(ms) | Clicks(ms)) = *part;
        for frame in 0..ms / 20 {
            let mut samples = Vec::new();
            for n in 0..160 {
                let time = at as f32 / 8000.0;
                let wave = |hz: f32| (std::f32::consts::TAU * hz * time).sin();
                let within = (frame * 160 + n) as f32 / (ms * 8) as f32;
                let mut white = || random.random_range(-1.7f32..1.7);
                let line = white() * amplitude(line_dbfs);
                let own = match *part {
                    Quiet(_) | Key(_) => 0.0,
                    Noise(_, dbfs) => white() * amplitude(dbfs),
                    Tone(_, low, high, dbfs) => (wave(low) + wave(high)) * amplitude(dbfs),
                    Voice(_, dbfs) => {
                        let syllable =
                            (std::f32::consts::PI * within * (ms as f32 / 250.0).ceil()).sin().abs();
                        let pitch = 120.0 + 30.0 * within;
                        let harmonics: f32 = (1..16)
                            .map(|k| wave(pitch * k as f32 + 0.3) / (1.0 + (k as f32 - 5.0).abs()))
                            .sum();
                        harmonics * syllable * amplitude(dbfs)
                    }
                    Clicks(_) => {
                        if n < 24 && frame % 10 == 0 {
                            white() * 0.5
                        } else {
                            0.0
                        }
                    }
                };
                samples.push(((line + own) * 32_767.0).clamp(-32_768.0, 32_767.0) as i16);
                at += 1;
            }
            frames.push((samples, matches!(part, Key(_))));
        }
    }
    frames
}

/// What is found in the parts, in words.
fn heard(parts: &[Part], line_dbfs: f32) -> Vec<Change> {
    let mut endpointer = Endpointer::new(Bounds::ANSWER);
    let mut changes = Vec::new();
    for (samples, key_down) in sound(parts, line_dbfs) {
        let frame = AudioFrame { samples: samples.into(), at: Instant::now(), key_down };
        let change = endpointer.handle_frame(&frame);
        if matches!(change, Some(Change::Ended(_))) {
            assert!(!endpointer.take().is_empty());
            endpointer.silence();
        }
        changes.extend(change);
    }
    changes
}

fn only(parts: &[Part], line_dbfs: f32) -> Speech {
    let changes = heard(parts, line_dbfs);
    match changes[..] {
        [Change::Began, Change::Ended(speech)] => speech,
        _ => panic!("{parts:?} on {line_dbfs}: {changes:?}"),
    }
}

#[test]
fn an_answer_is_found_on_quiet_and_noisy_lines_soft_and_loud() {
    for (voice, line) in [(-40.0, -70.0), (-20.0, -70.0), (-6.0, -90.0), (-20.0, -40.0), (-12.0, -32.0)] {
        let speech = only(&[Quiet(1500), Voice(500, voice), Quiet(1000)], line);
        assert!((1480..1620).contains(&speech.start_ms), "{voice} on {line}: {speech:?}");
        assert!((1900..2060).contains(&speech.end_ms), "{voice} on {line}: {speech:?}");
        assert!(speech.taken_from_ms <= speech.start_ms - 200 && !speech.cut);
        assert!(f32::from(speech.noise_dbfs) < line + 4.0 || line < -60.0, "{voice} on {line}: {speech:?}");
        assert!(f32::from(speech.level_dbfs) > line, "{speech:?}");
    }
}

#[test]
fn the_shortest_word_counts_and_a_pause_within_words_does_not() {
    only(&[Quiet(600), Voice(240, -20.0), Quiet(600)], -70.0);
    let speech = only(&[Quiet(600), Voice(300, -20.0), Quiet(200), Voice(300, -20.0), Quiet(600)], -70.0);
    assert!(speech.end_ms - speech.start_ms > 700, "{speech:?}");
    assert_eq!(
        heard(&[Quiet(600), Voice(300, -20.0), Quiet(500), Voice(300, -20.0), Quiet(600)], -70.0).len(),
        4
    );
}

#[test]
fn keys_tones_clicks_and_comfort_noise_are_not_speech() {
    for parts in [
        &[Quiet(500), Key(200), Quiet(500)][..],
        &[Quiet(500), Tone(200, 697.0, 1209.0, -10.0), Quiet(500)],
        &[Quiet(500), Tone(1500, 425.0, 425.0, -14.0), Quiet(500)],
        &[Tone(300, 941.0, 1477.0, -10.0), Quiet(500)],
        &[Quiet(500), Tone(2000, 50.0, 150.0, -20.0), Quiet(500)],
        &[Quiet(500), Clicks(3000), Quiet(500)],
        &[Quiet(500), Noise(3000, -58.0), Quiet(500)],
    ] {
        assert_eq!(heard(parts, -70.0), [], "{parts:?}");
    }
}

#[test]
fn noise_that_begins_is_withdrawn_and_then_spoken_over() {
    let changes = heard(&[Quiet(500), Noise(3000, -35.0)], -70.0);
    assert_eq!(changes, [Change::Began, Change::Withdrawn]);
    // Two tones that beat, as a dial tone does, are no tone to the meter, and steady all the same.
    let changes = heard(&[Quiet(500), Tone(3000, 350.0, 440.0, -14.0)], -70.0);
    assert_eq!(changes, [Change::Began, Change::Withdrawn]);
    assert_eq!(heard(&[Noise(2000, -35.0)], -70.0), [], "known from the first");
    // A line that becomes loud while the caller speaks.
    let changes = heard(&[Quiet(500), Voice(600, -12.0), Noise(2000, -35.0)], -70.0);
    assert!(
        matches!(changes[..], [Change::Began, Change::Ended(speech)] if speech.end_ms < 1300),
        "{changes:?}"
    );
}

/// Notes with their fifth and octave and overtones, each struck and held for a while, as an organ or strings play them.
fn music(ms: u32, beat_ms: u32) -> Vec<Vec<i16>> {
    let notes = [261.6, 220.0, 246.9, 196.0];
    let samples: Vec<i16> = (0..ms * 8)
        .map(|n| {
            let (beat, time) = ((n / (beat_ms * 8)) as usize, n as f32 / 8000.0);
            let within = (n % (beat_ms * 8)) as f32 / 8000.0;
            let wave = |hz: f32| {
                (1..4)
                    .map(|k| (std::f32::consts::TAU * hz * k as f32 * time).sin() / (k * k) as f32)
                    .sum::<f32>()
            };
            let struck = (within / 0.02).min(1.0) * (-within * 1.5).exp();
            ([1.0, 1.5, 2.0].iter().map(|&part| wave(part * notes[beat % 4])).sum::<f32>() * struck * 2_500.0)
                as i16
        })
        .collect();
    samples.chunks(160).map(<[i16]>::to_vec).collect()
}

fn changes_of(frames: impl Iterator<Item = Vec<i16>>, bounds: Bounds) -> Vec<Change> {
    let mut endpointer = Endpointer::new(bounds);
    let mut changes = Vec::new();
    for samples in frames {
        let frame = AudioFrame { samples: samples.into(), at: Instant::now(), key_down: false };
        let change = endpointer.handle_frame(&frame);
        if matches!(change, Some(Change::Ended(_))) {
            endpointer.silence();
        }
        changes.extend(change);
    }
    changes
}

#[test]
fn music_on_hold_is_let_go_however_long_and_speech_after_it_is_heard() {
    let quiet = |ms| sound(&[Quiet(ms)], -70.0).into_iter().map(|(samples, _)| samples);
    for (ms, beat_ms) in [(600, 600), (1200, 400), (2500, 500), (8000, 700), (20_000, 450)] {
        let frames = || quiet(500).chain(music(ms, beat_ms)).chain(quiet(1000));
        let changes = changes_of(frames(), Bounds::ANSWER);
        let ended = changes.iter().any(|change| matches!(change, Change::Ended(_)));
        assert!(!ended && changes.last() == Some(&Change::Withdrawn), "{ms} ms: {changes:?}");
        let voice = sound(&[Voice(500, -20.0), Quiet(600)], -70.0).into_iter().map(|(samples, _)| samples);
        let changes = changes_of(frames().chain(voice), Bounds::ANSWER);
        assert!(matches!(changes.last(), Some(Change::Ended(speech)) if !speech.cut), "{ms} ms: {changes:?}");
    }
    // A comment keeps what it was spoken over.
    let all = quiet(500).chain(music(3000, 500)).chain(quiet(2000));
    let changes = changes_of(all, Bounds::comment(Duration::from_secs(60)));
    assert!(matches!(changes[..], [Change::Began, Change::Ended(_)]), "{changes:?}");
}

#[test]
fn speech_without_end_is_cut() {
    let changes = heard(&[&[Quiet(500)][..], &[Voice(700, -20.0); 10]].concat(), -70.0);
    assert!(matches!(changes[..2], [Change::Began, Change::Ended(Speech { cut: true, .. })]), "{changes:?}");
}

#[test]
fn what_is_taken_is_the_utterance_with_what_came_shortly_before() {
    let mut endpointer = Endpointer::new(Bounds::ANSWER);
    let mut taken = Vec::new();
    for (samples, key_down) in sound(&[Quiet(1000), Voice(500, -20.0), Quiet(500)], -70.0) {
        let frame = AudioFrame { samples: samples.into(), at: Instant::now(), key_down };
        let change = endpointer.handle_frame(&frame);
        taken.extend(endpointer.take());
        if let Some(Change::Ended(speech)) = change {
            let length_ms = taken.len() as u32 / 8;
            assert_eq!(length_ms, endpointer.now_ms() - speech.taken_from_ms);
            assert!((980..1100).contains(&length_ms), "{length_ms}");
            return;
        }
    }
    panic!("never ended");
}
