//! Key presses as named events (RFC 4733).

use crate::domain::Digit;

/// Presses remembered, so that a late or repeated report is known again. A report of a press that eight later
/// presses have pushed out would count as new.
const REMEMBERED: usize = 8;

/// One report out of a telephone-event payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The event code.
    pub event: u8,
    /// The E bit: the key is up.
    pub end: bool,
    /// Ticks of the events' RTP clock since the timestamp (8 kHz: 160 ticks are 20 ms; 16 kHz: 320 are).
    pub held_ticks: u16,
}

impl Report {
    /// Reads the reports in a payload: one as a rule, several when a sender packs adjoining events.
    ///
    /// Bytes after the last whole report are ignored.
    pub fn read(payload: &[u8]) -> impl Iterator<Item = Self> {
        payload.chunks_exact(4).map(|octets| Self {
            event: octets[0],
            end: octets[1] & 0x80 != 0,
            held_ticks: u16::from_be_bytes([octets[2], octets[3]]),
        })
    }

    /// The payload of this report at a volume of -10 dBm0.
    #[must_use]
    pub fn write(self) -> [u8; 4] {
        let [high, low] = self.held_ticks.to_be_bytes();
        [self.event, if self.end { 0x80 | 10 } else { 10 }, high, low]
    }
}

/// What one payload meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A key went down that was not known yet.
    Pressed(Digit),
    /// One more report of a press that was counted before.
    Known(Digit),
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    digit: Digit,
    held_ticks: u16,
    ended: bool,
}

/// Turns reports into presses.
///
/// Source, timestamp and event are the identity of a press. It counts at the first report that arrives, whichever
/// that is: the marker, the first packets or all but a repeated end may be lost, and the reports of two overlapping
/// presses may be mixed.
#[derive(Debug, Default)]
pub struct EventReceiver {
    presses: [Option<Press>; REMEMBERED],
    next: usize,
}

impl EventReceiver {
    /// Takes one packet's payload and calls `heard` for each key in it. Codes that are no key are passed over.
    pub fn handle_payload(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        payload: &[u8],
        mut heard: impl FnMut(Meaning),
    ) {
        let mut timestamp = timestamp;
        for report in Report::read(payload) {
            if let Some(digit) = Digit::from_event_code(report.event) {
                heard(self.handle_report(ssrc, timestamp, digit, report));
            }
            timestamp = timestamp.wrapping_add(u32::from(report.held_ticks));
        }
    }

    fn handle_report(&mut self, ssrc: u32, timestamp: u32, digit: Digit, report: Report) -> Meaning {
        let of_source = |press: &&mut Press| press.ssrc == ssrc && press.digit == digit;
        if let Some(press) = self
            .presses
            .iter_mut()
            .flatten()
            .filter(of_source)
            .find(|press| press.timestamp == timestamp || continues(press, timestamp))
        {
            // The timestamp of a long press moves on with each of its segments.
            if timestamp.wrapping_sub(press.timestamp) as i32 > 0 {
                press.timestamp = timestamp;
                press.held_ticks = 0;
            }
            press.held_ticks = press.held_ticks.max(report.held_ticks);
            press.ended |= report.end;
            return Meaning::Known(digit);
        }
        self.presses[self.next] =
            Some(Press { ssrc, timestamp, digit, held_ticks: report.held_ticks, ended: report.end });
        self.next = (self.next + 1) % REMEMBERED;
        Meaning::Pressed(digit)
    }
}

/// A press longer than the duration field can say goes on in a new segment, which starts where the field was full
/// (RFC 4733, long-duration events).
fn continues(press: &Press, timestamp: u32) -> bool {
    let moved = timestamp.wrapping_sub(press.timestamp);
    !press.ended && press.held_ticks >= 0xe000 && (0xe000..=0xffff).contains(&moved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pressed(reports: &[(u32, u8, bool, u16)]) -> String {
        let mut receiver = EventReceiver::default();
        let mut keys = String::new();
        for &(timestamp, event, end, held_ticks) in reports {
            let payload = Report { event, end, held_ticks }.write();
            receiver.handle_payload(1, timestamp, &payload, |meaning| {
                if let Meaning::Pressed(digit) = meaning {
                    keys.push(digit.as_char());
                }
            });
        }
        keys
    }

    #[test]
    fn repeated_and_late_reports_count_once() {
        let press = [(100, 5, false, 160), (100, 5, false, 320), (100, 5, true, 480), (100, 5, true, 480)];
        assert_eq!(pressed(&press), "5");
        assert_eq!(pressed(&[press[3]]), "5", "only a repeated end arrived");
        assert_eq!(pressed(&[press[2], press[0], press[1]]), "5", "reordered");
    }

    #[test]
    fn the_same_key_again_counts_again() {
        assert_eq!(
            pressed(&[(100, 5, true, 480), (900, 5, false, 160), (100, 5, true, 480), (900, 5, true, 480)]),
            "55"
        );
    }

    #[test]
    fn overlapping_presses_are_told_apart() {
        assert_eq!(
            pressed(&[(100, 1, false, 160), (260, 2, false, 160), (100, 1, true, 320), (260, 2, true, 320)]),
            "12"
        );
    }

    #[test]
    fn a_press_of_twenty_seconds_is_one_press() {
        let mut reports: Vec<_> = (1..=409).map(|i| (100, 7, false, i * 160)).collect();
        reports.extend((1..=409).map(|i| (100 + 65_535, 7, false, i * 160)));
        reports.push((100 + 2 * 65_535, 7, true, 160));
        assert_eq!(pressed(&reports), "7");
    }

    #[test]
    fn the_clock_of_16_khz_changes_nothing() {
        assert_eq!(pressed(&[(0, 11, false, 320), (0, 11, true, 3200), (6400, 10, true, 320)]), "#*");
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..40), timestamp: u32) {
            let mut heard = 0;
            EventReceiver::default().handle_payload(0, timestamp, &payload, |_| heard += 1);
            prop_assert!(heard <= payload.len() / 4);
        }
    }
}
