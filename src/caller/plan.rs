//! What a call shall do, and what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::hearing::Hearing;
use crate::domain::{Codec, Digit};

/// How a key travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyVia {
    /// As a named event in the RTP stream.
    #[default]
    Rfc4733,
    /// As SIP INFO with `application/dtmf-relay`.
    Info,
    /// As tones in the audio.
    InBand,
}

/// The ways to put a call on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `a=sendonly`.
    SendOnly,
    /// `a=inactive`.
    Inactive,
    /// `c=IN IP4 0.0.0.0`, the old way.
    Zero,
}

/// What we offer.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// Clock of telephone-event in Hz, 8000 or 16000; `None` leaves it out.
    pub telephone_event_hz: Option<u32>,
    /// `a=ptime` in ms.
    pub ptime_ms: u8,
    /// Send the INVITE without an offer and answer in the ACK.
    pub delayed: bool,
}

impl Default for Offer {
    fn default() -> Self {
        Self { codecs: Codec::ALL.to_vec(), telephone_event_hz: Some(8000), ptime_ms: 20, delayed: false }
    }
}

/// User and password for a 401 or 407.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// One thing that the caller does or waits for.
#[derive(Clone, Debug)]
pub enum Step {
    /// Expect sound, now or within this time.
    Audio(Duration),
    /// Wait until a prompt has been heard and then silence for `quiet`.
    Quiet {
        /// How long it must be silent.
        quiet: Duration,
        /// How long all of it may take.
        within: Duration,
    },
    /// Expect that nothing is heard for so long.
    Silent(Duration),
    /// Do nothing for so long.
    Pause(Duration),
    /// Press keys, one after the other.
    Press(Vec<Digit>, KeyVia),
    /// Say something: samples at 8 kHz.
    Speak(Arc<Vec<i16>>),
    /// Send no RTP any more, or again.
    Mute(bool),
    /// Put the call on hold by re-INVITE.
    Hold(Hold),
    /// Take it off hold.
    Resume,
    /// Change to another codec by re-INVITE.
    Recode(Codec),
    /// Send a request within the dialog and expect this status.
    Send {
        /// The method.
        method: rsip::Method,
        /// The status to expect.
        status: u16,
    },
    /// Expect the far end to hang up within this time.
    Bye(Duration),
    /// Hang up.
    HangUp,
    /// Vanish: no BYE, no RTP.
    Vanish,
}

/// One call to place.
#[derive(Clone, Debug)]
pub struct CallPlan {
    /// The caller, as user part of From.
    pub from: String,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// What is offered.
    pub offer: Offer,
    /// Answers a challenge.
    pub credentials: Option<Credentials>,
    /// `Session-Expires` to ask for, in seconds.
    pub session_expires: Option<u32>,
    /// CANCEL when not answered by then.
    pub cancel_after: Option<Duration>,
    /// The final status of the INVITE that is expected.
    pub expect_status: u16,
    /// What to do once answered. When all is done and the call is still up, the caller hangs up.
    pub script: Vec<Step>,
    /// The longest that the whole call may take.
    pub limit: Duration,
}

impl Default for CallPlan {
    fn default() -> Self {
        Self {
            from: "caller".into(),
            headers: Vec::new(),
            offer: Offer::default(),
            credentials: None,
            session_expires: None,
            cancel_after: None,
            expect_status: 200,
            script: Vec::new(),
            limit: Duration::from_secs(180),
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The caller.
    Us,
    /// The far end.
    Them,
    /// Nobody: it was refused, or never answered, or left alone.
    Nobody,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// The Call-ID.
    pub call_id: String,
    /// The final status of the INVITE; `None` when there was none.
    pub status: Option<u16>,
    /// From the INVITE to its final response.
    pub setup: Option<Duration>,
    /// From the INVITE to the first sound.
    pub first_sound: Option<Duration>,
    /// The codec agreed at last.
    pub codec: Option<Codec>,
    /// What was heard.
    pub hearing: Hearing,
    /// Keys pressed.
    pub keys: String,
    /// Who hung up.
    pub ended_by: EndedBy,
    /// The Reason header of the far end's BYE.
    pub reason: Option<String>,
    /// How long the call was up.
    pub length: Duration,
    /// The first thing that was not as expected.
    pub unexpected: Option<String>,
    /// Why there was no call, where none came about for want of an answer or a transport.
    pub failure: Option<String>,
}

impl CallReport {
    /// Whether everything went as the plan expected.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        self.unexpected.is_none() && self.failure.is_none()
    }
}

/// Why a script could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// No such step.
    #[error("there is no step {0:?}")]
    Unknown(String),
    /// A step with something wrong behind its name.
    #[error("step {step:?}: {problem}")]
    Wrong {
        /// The step.
        step: String,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a script: steps parted by `;`, times such as `300ms`, `1.5s`, `2m`.
///
/// `audio [TIME]`, `quiet [TIME]`, `silent TIME`, `pause TIME`, `press KEYS [rfc4733|info|in-band]`, `speak FILE`,
/// `mute`, `unmute`, `hold [sendonly|inactive|zero]`, `resume`, `codec pcmu|pcma|g722`, `send METHOD [STATUS]`,
/// `bye [TIME]`, `hang-up`, `vanish`.
///
/// # Errors
/// [`ScriptError`] names the step.
pub fn parse_script(
    text: &str,
    mut speech: impl FnMut(&PathBuf) -> Result<Vec<i16>, String>,
) -> Result<Vec<Step>, ScriptError> {
    let mut steps = Vec::new();
    for step in text.split(';').map(str::trim).filter(|step| !step.is_empty()) {
        let wrong = |problem: &str| ScriptError::Wrong { step: step.into(), problem: problem.into() };
        let mut words = step.split_whitespace();
        let name = words.next().unwrap_or_default();
        let first = words.next();
        let second = words.next();
        let time = |default: Option<u64>| match (first, default) {
            (Some(word), _) => {
                parse_time(word).ok_or_else(|| wrong("the time is not like 300ms, 1.5s or 2m"))
            }
            (None, Some(default)) => Ok(Duration::from_millis(default)),
            (None, None) => Err(wrong("a time is missing")),
        };
        steps.push(match name {
            "audio" => Step::Audio(time(Some(10_000))?),
            "quiet" => Step::Quiet { quiet: time(Some(300))?, within: Duration::from_secs(60) },
            "silent" => Step::Silent(time(None)?),
            "pause" => Step::Pause(time(None)?),
            "press" => {
                let keys = first.unwrap_or_default();
                let digits: Option<Vec<Digit>> = keys.chars().map(Digit::from_char).collect();
                let digits =
                    digits.filter(|digits| !digits.is_empty()).ok_or_else(|| wrong("no such key"))?;
                let via = match second {
                    None | Some("rfc4733") => KeyVia::Rfc4733,
                    Some("info") => KeyVia::Info,
                    Some("in-band") => KeyVia::InBand,
                    Some(_) => return Err(wrong("keys go by rfc4733, info or in-band")),
                };
                Step::Press(digits, via)
            }
            "speak" => {
                let path = PathBuf::from(first.ok_or_else(|| wrong("a WAV file is missing"))?);
                Step::Speak(Arc::new(speech(&path).map_err(|problem| wrong(&problem))?))
            }
            "mute" => Step::Mute(true),
            "unmute" => Step::Mute(false),
            "hold" => Step::Hold(match first {
                None | Some("sendonly") => Hold::SendOnly,
                Some("inactive") => Hold::Inactive,
                Some("zero") => Hold::Zero,
                Some(_) => return Err(wrong("hold is sendonly, inactive or zero")),
            }),
            "resume" => Step::Resume,
            "codec" => Step::Recode(
                Codec::ALL
                    .into_iter()
                    .find(|codec| first.is_some_and(|word| codec.name().eq_ignore_ascii_case(word)))
                    .ok_or_else(|| wrong("codecs are pcmu, pcma and g722"))?,
            ),
            "send" => Step::Send {
                method: first
                    .unwrap_or_default()
                    .to_ascii_uppercase()
                    .parse()
                    .map_err(|_| wrong("no such method"))?,
                status: second.unwrap_or("200").parse().map_err(|_| wrong("the status is no number"))?,
            },
            "bye" => Step::Bye(time(Some(30_000))?),
            "hang-up" => Step::HangUp,
            "vanish" => Step::Vanish,
            other => return Err(ScriptError::Unknown(other.into())),
        });
    }
    Ok(steps)
}

/// Reads `300ms`, `1.5s`, `2m`.
fn parse_time(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].parse().ok().filter(|number| (0.0..=86_400_000.0).contains(number))?;
    match &text[unit..] {
        "ms" => Some(Duration::from_secs_f64(number / 1000.0)),
        "s" => Some(Duration::from_secs_f64(number)),
        "m" => Some(Duration::from_secs_f64(number.min(1440.0) * 60.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_and_faults_are_named() {
        let script = "audio; quiet 1.5s; press 10 info; pause 300ms; hold zero; resume; codec g722; send options 200; bye 1m";
        let steps = parse_script(script, |_| Err("no".into())).unwrap();
        assert_eq!(steps.len(), 9);
        assert!(matches!(&steps[1], Step::Quiet { quiet, .. } if *quiet == Duration::from_millis(1500)));
        assert!(matches!(&steps[2], Step::Press(digits, KeyVia::Info) if digits.len() == 2));
        for wrong in
            ["dance", "press", "press x", "pause", "pause 3", "hold up", "speak a.wav", "send X-Y-Z 2x"]
        {
            assert!(parse_script(wrong, |_| Err("no".into())).is_err(), "{wrong}");
        }
    }
}
