use proptest::prelude::*;

use super::*;

/// One report: when it comes in ms, its number, whether it has the marker, timestamp, key, end, duration.
type Row = (u64, u16, bool, u32, u8, bool, u16);

fn pressed(rows: &[Row]) -> String {
    let (start, mut receiver, mut keys) = (Instant::now(), EventReceiver::default(), String::new());
    for &(ms, sequence, marker, timestamp, event, end, held_ticks) in rows {
        let at = start + Duration::from_millis(ms);
        let stamp = Stamp { ssrc: 1, sequence, marker, timestamp, ticks_per_ms: 8, at };
        receiver.handle_payload(stamp, &Report { event, end, held_ticks }.write(), |meaning| {
            if let Meaning::Pressed(digit) = meaning {
                keys.push(digit.as_char());
            }
        });
    }
    keys
}

#[test]
fn repeated_and_late_reports_count_once() {
    let press = [
        (0, 1, true, 100, 5, false, 160),
        (20, 2, false, 100, 5, false, 320),
        (40, 3, false, 100, 5, true, 480),
        (41, 4, false, 100, 5, true, 480),
    ];
    assert_eq!(pressed(&press), "5");
    assert_eq!(pressed(&[press[3]]), "5", "only a repeated end arrived");
    assert_eq!(pressed(&[press[2], press[0], press[1]]), "5", "reordered");
    assert_eq!(pressed(&[press[0], press[0], press[3], press[3]]), "5", "doubled by the network");
}

#[test]
fn the_same_key_again_counts_again() {
    let rows = [
        (0, 1, false, 100, 5, true, 480),
        (100, 9, false, 900, 5, false, 160),
        (101, 2, false, 100, 5, true, 480),
        (120, 10, false, 900, 5, true, 480),
    ];
    assert_eq!(pressed(&rows), "55");
}

#[test]
fn overlapping_presses_are_told_apart() {
    let rows = [
        (0, 1, true, 100, 1, false, 160),
        (20, 2, true, 260, 2, false, 160),
        (40, 3, false, 100, 1, true, 320),
        (41, 4, false, 260, 2, true, 320),
    ];
    assert_eq!(pressed(&rows), "12");
}

#[test]
fn a_press_of_twenty_seconds_is_one_press() {
    let segment = |from: u16, timestamp: u32| {
        (0..409_u16).map(move |i| {
            let n = from + i;
            (u64::from(n) * 20, n, n == 0, timestamp, 7, false, (i + 1) * 160)
        })
    };
    let mut rows: Vec<Row> = segment(0, 100).chain(segment(409, 100 + 65_535)).collect();
    rows.push((818 * 20, 818, false, 100 + 2 * 65_535, 7, true, 160));
    assert_eq!(pressed(&rows), "7");
}

#[test]
fn the_clock_of_16_khz_changes_nothing() {
    let rows = [
        (0, 1, true, 0, 11, false, 320),
        (20, 2, false, 0, 11, true, 3200),
        (400, 3, true, 6400, 10, true, 320),
    ];
    assert_eq!(pressed(&rows), "#*");
}

/// How a sender spells one press.
#[derive(Clone, Copy, Debug)]
struct Manners {
    /// The timestamp moves with each packet, stands where the press began, or is one for all presses.
    timestamp: Timestamp,
    /// The duration grows, is that of one packet, or is always 0.
    grows: bool,
    marker: Marker,
    ends: u8,
    /// The first reports are sent three times, as the last ones are.
    starts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timestamp {
    Moves,
    Stands,
    Frozen,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Marker {
    First,
    Always,
    Never,
}

/// A run of presses `(key, ms held, ms of pause after it)`, as a sender of these manners would write it.
fn spelt(manners: Manners, presses: &[(u8, u16, u64)]) -> Vec<Row> {
    let (mut ms, mut sequence, mut rows) = (0_u64, 1_u16, Vec::new());
    for &(key, held_ms, pause_ms) in presses {
        let began = ms;
        let packets = (held_ms / 20).max(1);
        for i in 0..packets {
            let copies = if i == 0 {
                manners.starts
            } else if i + 1 == packets {
                manners.ends.max(1)
            } else {
                1
            };
            for copy in 0..copies {
                let timestamp = match manners.timestamp {
                    Timestamp::Moves => 1000 + u32::try_from(ms).unwrap() * 8,
                    Timestamp::Stands => 1000 + u32::try_from(began).unwrap() * 8,
                    Timestamp::Frozen => 12_800,
                };
                let marker = match manners.marker {
                    Marker::First => i == 0 && copy == 0,
                    Marker::Always => true,
                    Marker::Never => false,
                };
                let end = manners.ends > 0 && i + 1 == packets;
                let held_ticks = if manners.grows { (i + 1) * 160 } else { 160 };
                rows.push((ms + u64::from(copy), sequence, marker, timestamp, key, end, held_ticks));
                sequence += 1;
            }
            ms += 20;
        }
        // Audio goes on in the pause, with numbers of its own.
        sequence += u16::try_from(pause_ms / 20).unwrap();
        ms += pause_ms;
    }
    rows
}

fn manners() -> impl Strategy<Value = Manners> {
    let timestamp = prop_oneof![Just(Timestamp::Moves), Just(Timestamp::Stands), Just(Timestamp::Frozen)];
    let marker = prop_oneof![Just(Marker::First), Just(Marker::Always), Just(Marker::Never)];
    (timestamp, any::<bool>(), marker, 0..4_u8, 1..4_u8).prop_map(
        |(timestamp, grows, marker, ends, starts)| Manners { timestamp, grows, marker, ends, starts },
    )
}

fn keys_of(presses: &[(u8, u16, u64)]) -> String {
    presses.iter().map(|&(key, ..)| Digit::from_event_code(key).unwrap().as_char()).collect()
}

#[test]
fn a_timestamp_that_moves_is_one_press() {
    for marker in [Marker::First, Marker::Always, Marker::Never] {
        for grows in [true, false] {
            let manners = Manners { timestamp: Timestamp::Moves, grows, marker, ends: 3, starts: 1 };
            assert_eq!(pressed(&spelt(manners, &[(2, 700, 500)])), "2", "{manners:?}");
        }
    }
}

#[test]
fn one_timestamp_for_all_presses_is_as_many_presses() {
    for marker in [Marker::First, Marker::Always, Marker::Never] {
        for ends in [0, 1, 3] {
            let manners = Manners { timestamp: Timestamp::Frozen, grows: true, marker, ends, starts: 1 };
            assert_eq!(pressed(&spelt(manners, &[(4, 100, 1500); 3])), "444", "{manners:?}");
        }
    }
    // Last reports alone, and presses after each other with other keys between.
    let ends: Vec<Row> = (0..3).map(|i| (i * 1500, i as u16 * 75, false, 7, 4, true, 800)).collect();
    assert_eq!(pressed(&ends), "444");
}

proptest! {
    #[test]
    fn however_it_is_spelt_a_press_is_a_press(
        manners in manners(),
        presses in proptest::collection::vec((0..12_u8, 60..900_u16, 400..1500_u64), 1..7),
    ) {
        prop_assert_eq!(pressed(&spelt(manners, &presses)), keys_of(&presses));
    }

    #[test]
    fn one_packet_in_five_may_be_lost_of_what_keeps_to_the_standard(
        presses in proptest::collection::vec((0..12_u8, 100..600_u16, 60..1500_u64), 1..7),
        lost in proptest::collection::vec(0..5_u8, 300),
        swapped in proptest::collection::vec(any::<bool>(), 300),
    ) {
        let manners =
            Manners { timestamp: Timestamp::Stands, grows: true, marker: Marker::First, ends: 3, starts: 1 };
        let mut rows = spelt(manners, &presses);
        let mut losses = lost.iter().cycle();
        // Never all of one press.
        let mut before = None;
        rows.retain(|row| {
            let first_of_press = before.replace(row.3) != Some(row.3);
            *losses.next().unwrap() != 0 || first_of_press
        });
        for i in 1..rows.len() {
            if swapped[i % swapped.len()] && rows[i].3 == rows[i - 1].3 {
                let (a, b) = (rows[i - 1].0, rows[i].0);
                rows.swap(i - 1, i);
                (rows[i - 1].0, rows[i].0) = (a, b);
            }
        }
        prop_assert_eq!(pressed(&rows), keys_of(&presses));
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..40), timestamp: u32) {
        let mut heard = 0;
        let stamp =
            Stamp { ssrc: 0, sequence: 1, marker: false, timestamp, ticks_per_ms: 8, at: Instant::now() };
        EventReceiver::default().handle_payload(stamp, &payload, |_| heard += 1);
        prop_assert!(heard <= payload.len() / 4);
    }
}
