//! Key presses as named events (RFC 4733).

use std::time::{Duration, Instant};

use crate::domain::Digit;

/// Presses remembered, so that a late or repeated report is known again. A report of a press that eight later
/// presses have pushed out would count as new.
const REMEMBERED: usize = 8;
/// By how much one packet can move the timestamp of a sender who moves it: the longest packet that we know.
const FRAME_MS: u32 = 60;
/// The same, for a press that has ended: the pause before the same key comes again is longer.
const SHORT_FRAME_MS: u32 = 20;
/// Missing packets that can be told from a pause.
const MISSING_MAX: u32 = 5;
/// A moving timestamp is the same press only while its packets come like this.
const MOVING: Duration = Duration::from_millis(400);
/// Longer than the time between two reports of one press (50 ms at most by RFC 4733 §2.5.1.2, with one lost), shorter
/// than a finger takes to press a key again.
const BETWEEN: Duration = Duration::from_millis(120);
/// The same, where the duration says nothing because it never grows: only the pause tells.
const STILL: Duration = Duration::from_millis(300);
/// A silence after which a report is a press of its own, unless its duration says otherwise.
const GAP: Duration = Duration::from_secs(1);
/// How long a last report may come again.
const END_AGAIN: Duration = Duration::from_millis(500);
/// A duration from here on is about to fill its field of 16 bits.
const NEARLY_FULL: u16 = 0xe000;

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

/// One packet of reports: what its RTP header says, and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The source.
    pub ssrc: u32,
    /// The sequence number: which of two packets was sent first.
    pub sequence: u16,
    /// The marker: "a press begins here" (RFC 4733 §2.3.4), from senders who keep to it.
    pub marker: bool,
    /// The timestamp: where the press began, from senders who keep to it.
    pub timestamp: u32,
    /// Ticks of the events' clock in a millisecond: 8 for 8 kHz.
    pub ticks_per_ms: u32,
    /// When it came.
    pub at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    digit: Digit,
    /// Where the press, or its newest segment, began.
    timestamp: u32,
    /// The newest report: its number, its timestamp and what it said.
    sequence: u16,
    last_timestamp: u32,
    held_ticks: u16,
    /// Its end was reported.
    ended: bool,
    /// When the newest report came.
    at: Instant,
}

/// Turns reports into presses.
///
/// A press is told by its source, its key and its timestamp (RFC 4733 §2.3). It counts at the first report that
/// arrives, whichever that is: the marker, the first packets or all but a repeated end may be lost, and the reports of
/// two overlapping presses may be mixed.
///
/// Not all senders keep to that. Some move the timestamp with each packet of one press, and some give every press the
/// same one. Then the course of the reports tells: the numbers follow, the duration grows, and no end has been said.
#[derive(Debug, Default)]
pub struct EventReceiver {
    presses: [Option<Press>; REMEMBERED],
    next: usize,
}

impl EventReceiver {
    /// Takes one packet's payload and calls `heard` for each key in it. Codes that are no key are passed over.
    pub fn handle_payload(&mut self, stamp: Stamp, payload: &[u8], mut heard: impl FnMut(Meaning)) {
        let mut stamp = stamp;
        for report in Report::read(payload) {
            if let Some(digit) = Digit::from_event_code(report.event) {
                heard(self.handle_report(stamp, digit, report));
            }
            // Adjoining events in one packet: the next one begins where this one ends (RFC 4733 §2.5.1.5).
            stamp.timestamp = stamp.timestamp.wrapping_add(u32::from(report.held_ticks));
        }
    }

    fn handle_report(&mut self, stamp: Stamp, digit: Digit, report: Report) -> Meaning {
        let known = self
            .presses
            .iter_mut()
            .flatten()
            .filter(|press| press.ssrc == stamp.ssrc && press.digit == digit)
            // The newest is asked first: with one timestamp for all presses the older ones would fit too.
            .min_by_key(|press| stamp.at.saturating_duration_since(press.at))
            .filter(|press| press.explains(stamp, report));
        if let Some(press) = known {
            press.go_on(stamp, report);
            return Meaning::Known(digit);
        }
        // A late packet of an older press: sent before the newest report, and in that press's place.
        let of_source = || self.presses.iter().flatten().filter(|press| press.ssrc == stamp.ssrc);
        let late = of_source().any(|press| !is_after(stamp.sequence, press.sequence));
        let older =
            late && of_source().any(|press| press.digit == digit && press.timestamp == stamp.timestamp);
        if older {
            return Meaning::Known(digit);
        }
        self.presses[self.next] = Some(Press {
            ssrc: stamp.ssrc,
            digit,
            timestamp: stamp.timestamp,
            sequence: stamp.sequence,
            last_timestamp: stamp.timestamp,
            held_ticks: report.held_ticks,
            ended: report.end,
            at: stamp.at,
        });
        self.next = (self.next + 1) % REMEMBERED;
        Meaning::Pressed(digit)
    }
}

impl Press {
    /// Whether this report is one more of this press.
    fn explains(&self, stamp: Stamp, report: Report) -> bool {
        let same_place = stamp.timestamp == self.timestamp || stamp.timestamp == self.last_timestamp;
        if !is_after(stamp.sequence, self.sequence) {
            // An older or repeated packet tells nothing new about a press that it belongs to.
            return same_place || self.covers(stamp, 0);
        }
        let quiet = stamp.at.saturating_duration_since(self.at);
        let numbers = u32::from(stamp.sequence.wrapping_sub(self.sequence));
        let goes_on = if same_place {
            true
        } else {
            // Each packet that is missing between the two may have moved the timestamp by a frame. After the end only a
            // repeated end may still come: what begins later than that is the key pressed again.
            let frames_ms = if self.ended {
                (numbers - 1).min(1) * SHORT_FRAME_MS
            } else {
                numbers.min(MISSING_MAX) * FRAME_MS
            };
            self.covers(stamp, frames_ms * stamp.ticks_per_ms) && quiet < MOVING
        };
        if !goes_on {
            return false;
        }
        if self.ended {
            // A last report comes again (RFC 4733 §2.5.1.4), and only that does.
            return report.end && quiet < END_AGAIN;
        }
        let grows = report.held_ticks > self.held_ticks || (report.end && quiet < BETWEEN);
        let wraps = self.held_ticks >= NEARLY_FULL && quiet < MOVING;
        // Where the timestamp stands still, only the marker, a duration that begins again or a gap tells a new press.
        let starts_anew = if stamp.marker {
            !(grows || report.held_ticks == self.held_ticks) || quiet >= BETWEEN
        } else if same_place {
            let falls = report.held_ticks < self.held_ticks;
            !wraps && !grows && quiet >= if falls { BETWEEN } else { STILL }
        } else {
            // RFC 4733 §2.5.1.3: a segment follows without marker, exactly where the one before ended.
            false
        };
        !starts_anew && (quiet < GAP || self.fits_the_clock(stamp, report, quiet))
    }

    /// Whether a timestamp lies in what this press is known to have lasted, or at most `beyond` ticks after it.
    fn covers(&self, stamp: Stamp, beyond: u32) -> bool {
        let moved = stamp.timestamp.wrapping_sub(self.timestamp);
        let lasted =
            self.last_timestamp.wrapping_sub(self.timestamp).saturating_add(u32::from(self.held_ticks));
        moved <= lasted.saturating_add(beyond)
    }

    /// Whether a report after a long silence says that the key was down all the while.
    fn fits_the_clock(&self, stamp: Stamp, report: Report, quiet: Duration) -> bool {
        let grown = u128::from(report.held_ticks.saturating_sub(self.held_ticks));
        grown * 2 > quiet.as_millis() * u128::from(stamp.ticks_per_ms)
    }

    fn go_on(&mut self, stamp: Stamp, report: Report) {
        if !is_after(stamp.sequence, self.sequence) {
            return;
        }
        let moved = stamp.timestamp.wrapping_sub(self.last_timestamp);
        // The timestamp of a long press moves on with each of its segments.
        if moved >= u32::from(NEARLY_FULL) {
            self.timestamp = stamp.timestamp;
        }
        self.sequence = stamp.sequence;
        self.last_timestamp = stamp.timestamp;
        self.held_ticks = report.held_ticks;
        self.ended |= report.end;
        self.at = stamp.at;
    }
}

/// Whether a sequence number was sent after another (RFC 3550 §5.1: they wrap).
fn is_after(sequence: u16, other: u16) -> bool {
    (1..0x8000).contains(&sequence.wrapping_sub(other))
}

#[cfg(test)]
#[path = "telephone_event_tests.rs"]
mod tests;
