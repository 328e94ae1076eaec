use proptest::prelude::*;

use super::*;

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-zé \\[\\]]{1,12}", 1..6)
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        (any::<u32>(), any::<bool>(), prop::option::of(texts()))
            .prop_map(|(stream, background, phrases)| ToWorker::Open { stream, background, phrases }),
        (any::<u32>(), prop::collection::vec(any::<i16>(), 0..400))
            .prop_map(|(stream, samples)| ToWorker::Audio { stream, samples }),
        any::<u32>().prop_map(|stream| ToWorker::Finish { stream }),
        any::<u32>().prop_map(|stream| ToWorker::Drop { stream }),
        any::<u32>().prop_map(|nonce| ToWorker::Ping { nonce }),
        texts().prop_map(|words| ToWorker::Lookup { words }),
    ]
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    let word = ("[a-z]{1,9}", 0..=1000_u16, 0..9000_u32, 0..900_u32).prop_map(|(word, pm, start, length)| {
        HeardWord { word, confidence_pm: pm, start_ms: start, end_ms: start + length }
    });
    prop_oneof![
        any::<u16>().prop_map(|version| FromWorker::Hello { version }),
        ("[a-z<>]{1,9}", any::<u8>(), any::<bool>()).prop_map(|(unknown, landlock, calls)| {
            FromWorker::Ready { unknown, confined: Confined { landlock, calls } }
        }),
        Just(FromWorker::Unfit(Unfit::NoUnknown)),
        (any::<u32>(), prop::collection::vec(word, 0..9))
            .prop_map(|(stream, words)| FromWorker::Heard { stream, words }),
        any::<u32>().prop_map(|stream| FromWorker::Failed { stream, why: Failure::Behind }),
        any::<(u32, u32, u32)>().prop_map(|(nonce, live_ms, background_ms)| FromWorker::Pong {
            nonce,
            live_ms,
            background_ms
        }),
        texts().prop_map(|words| FromWorker::Missing { words }),
    ]
}

/// Writes, cuts the bytes into pieces, and reads.
fn through<M: Message>(messages: &[M], piece: usize) -> Vec<M> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| write(message, &mut bytes));
    let (mut reader, mut read) = (Reader::default(), Vec::new());
    for part in bytes.chunks(piece) {
        reader.extend(part);
        while let Some(message) = reader.poll_message().unwrap() {
            read.push(message);
        }
    }
    read
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        asked in prop::collection::vec(to_worker(), 0..6),
        told in prop::collection::vec(from_worker(), 0..6),
        piece in 1..600_usize,
    ) {
        prop_assert_eq!(through(&asked, piece), asked);
        prop_assert_eq!(through(&told, piece), told);
    }

    #[test]
    fn any_bytes_are_read_or_refused(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..9)) {
        let (mut reader, mut other) = (Reader::default(), Reader::default());
        for piece in pieces {
            reader.extend(&piece);
            other.extend(&piece);
            while let Ok(Some(_)) = reader.poll_message::<ToWorker>() {}
            while let Ok(Some(_)) = other.poll_message::<FromWorker>() {}
        }
    }

    #[test]
    fn a_changed_byte_makes_no_panic(message in from_worker(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = Vec::new();
        write(&message, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let mut reader = Reader::default();
        reader.extend(&bytes);
        while let Ok(Some(_)) = reader.poll_message::<FromWorker>() {}
    }
}

#[test]
fn long_audio_becomes_several_frames_and_a_long_frame_is_refused() {
    let samples: Vec<i16> = (0..70_000).map(|i| (i % 3000) as i16).collect();
    let mut bytes = Vec::new();
    write_audio(7, &samples, &mut bytes);
    let (mut reader, mut read) = (Reader::default(), Vec::new());
    reader.extend(&bytes);
    while let Some(ToWorker::Audio { stream: 7, samples }) = reader.poll_message().unwrap() {
        read.extend(samples);
    }
    assert_eq!(read, samples);
    let mut reader = Reader::default();
    reader.extend(&(FRAME_MAX as u32 + 1).to_le_bytes());
    assert_eq!(reader.poll_message::<ToWorker>(), Err(Garbage));
}

#[test]
fn a_vocabulary_is_open_or_has_phrases() {
    for (closed, count) in [(1, 0), (0, 1)] {
        let mut reader = Reader::default();
        reader.extend(
            &[12, 0, 0, 0, 1, 9, 0, 0, 0, 0, closed, count, 0, 1, 0, b'a']
                [..if count == 0 { 13 } else { 16 }],
        );
        assert_ne!(reader.poll_message::<ToWorker>().map(|m| m.is_some()), Ok(true));
    }
}

#[test]
fn what_a_kernel_does_not_hold_is_said() {
    let of = |landlock, calls| Confined { landlock, calls };
    assert_eq!((of(6, true).not_held(), of(6, true).held_once()), (None, None));
    assert_eq!(of(7, true).held_once(), None);
    for landlock in 1..6 {
        assert_eq!(of(landlock, true).not_held(), None);
        assert!(of(landlock, true).held_once().unwrap().contains("signals"), "{landlock}");
    }
    assert!(
        of(3, true).held_once().unwrap().contains("ports")
            && !of(4, true).held_once().unwrap().contains("ports")
    );
    assert!(of(0, true).not_held().unwrap().contains("no Landlock"));
    assert!(of(6, false).not_held().unwrap().contains("seccomp"));
    assert!(of(0, false).not_held().unwrap().contains("neither"));
}

#[test]
fn a_word_that_would_write_to_a_terminal_is_garbage() {
    for (word, good) in
        [("seven", true), ("don't", true), ("[unk]", true), ("a\u{1b}[2J", false), ("a b", false)]
    {
        let words = vec![HeardWord { word: word.to_owned(), confidence_pm: 1, start_ms: 0, end_ms: 1 }];
        let mut bytes = Vec::new();
        write(&FromWorker::Heard { stream: 1, words }, &mut bytes);
        let mut reader = Reader::default();
        reader.extend(&bytes);
        assert_eq!(reader.poll_message::<FromWorker>().is_ok(), good, "{word:?}");
    }
}
