//! What one call produced: the facts that the journal keeps, in the order in which they happened.
//!
//! These are the only domain types that are made to be written down, so they hold what may be kept and nothing
//! else: a caller appears as a [`CallerHash`] or not at all.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::caller::{CallerHash, Party, Trigger};
use super::decision::Decision;
use super::digit::{Digit, KeyPath};
use super::heard::{Deaf, Hearing};
use super::ids::{AgentId, CallId, CallRef, Language, QuestionId, QueueId, RecordingId, TrunkId};
use super::outcome::{Disposition, FailReason, SkipReason, Transcription};
use super::stream::Codec;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The call it is about.
    pub call: CallId,
    /// When it happened, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// What happened.
    pub fact: Fact,
}

/// Something that happened in a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The PBX offered the call.
    Offered(StoredContext),
    /// Whether it is surveyed, and why.
    Decided(Decision),
    /// We answered; from here on the caller is ours to look after.
    Answered {
        /// The codec agreed at first.
        codec: Codec,
    },
    /// A question (or the language choice) was put to the caller.
    Asked {
        /// Which question.
        question: QuestionId,
        /// Which asking of it, from 1.
        attempt: u8,
        /// Whether the caller was sent to the keys first, because what they said was not understood.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keys_only: bool,
    },
    /// The caller pressed a key.
    Key {
        /// The question open at that time, if any.
        question: Option<QuestionId>,
        /// The key.
        digit: Digit,
        /// How it came.
        path: KeyPath,
        /// Whether a prompt was playing.
        barge_in: bool,
    },
    /// The caller asked to hear the question again.
    Repeated {
        /// Which question.
        question: QuestionId,
    },
    /// Nothing came in time.
    NoInput {
        /// Which question.
        question: QuestionId,
        /// Which asking of it.
        attempt: u8,
    },
    /// Something came that is no answer to this question.
    NoMatch {
        /// Which question.
        question: QuestionId,
        /// Which asking of it.
        attempt: u8,
        /// What was pressed.
        keys: Vec<Digit>,
    },
    /// The caller said something.
    Heard {
        /// The question open at that time.
        question: QuestionId,
        /// Which asking of it.
        attempt: u8,
        /// Whether it was the answer to "I heard four, is that right?".
        confirming: bool,
        /// What was heard, and the verdict.
        hearing: Box<Hearing>,
        /// The audio, where the survey keeps it.
        recording: Option<RecordingId>,
    },
    /// The caller's voice could not be heard; the keys remained.
    Deaf {
        /// The question open at that time.
        question: QuestionId,
        /// Why.
        why: Deaf,
        /// What was being said, where the survey keeps audio: set aside to find out what the recogniser failed on.
        recording: Option<RecordingId>,
    },
    /// The caller's own words were recorded.
    Comment {
        /// The question.
        question: QuestionId,
        /// The audio.
        recording: RecordingId,
        /// Its length in ms.
        length_ms: u32,
        /// Whether the bound on its length ended it.
        cut: bool,
        /// The language that it was asked for in.
        language: Language,
    },
    /// A comment was, or was not, turned into text. Comes after the end of the call.
    Transcribed {
        /// The comment's audio.
        recording: RecordingId,
        /// How that went.
        outcome: Transcription,
        /// The model that heard it, where one did.
        model: Option<String>,
        /// The words as JSON, sealed under the response's own key, in base64.
        sealed: Option<String>,
        /// The names of the key-word groups that were found in it.
        key_words: Vec<String>,
    },
    /// Kept audio was heard again with another model or grammar. The answer stays as it was taken.
    Reread {
        /// The question.
        question: QuestionId,
        /// The audio.
        recording: RecordingId,
        /// What was heard this time.
        hearing: Box<Hearing>,
    },
    /// An answer was taken.
    Answer(Answer),
    /// The language was chosen or known.
    LanguageSet {
        /// The language.
        language: Language,
    },
    /// A question was passed over.
    Skipped {
        /// Which question.
        question: QuestionId,
        /// Why.
        reason: SkipReason,
    },
    /// The caller declined, by the refuse key.
    Refused {
        /// The question at which they did.
        question: QuestionId,
    },
    /// The far end put the call on hold (`true`) or took it off.
    Held {
        /// Whether the call is now on hold.
        on: bool,
    },
    /// Something was here that tied the call to its caller; it was erased.
    Erased {
        /// What it was, by the name of its fact.
        was: String,
        /// The question that it belonged to.
        question: Option<QuestionId>,
    },
    /// The call is over.
    Ended {
        /// How the response counts.
        disposition: Disposition,
        /// The last question that the caller heard begin, where the survey did not run to its end.
        left_at: Option<QuestionId>,
        /// Why a call failed.
        failure: Option<FailReason>,
        /// Whether the far end hung up.
        by_caller: bool,
        /// Media figures, where there was media.
        stats: Option<CallStats>,
    },
}

/// A call's context in the form that may be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredContext {
    /// The trunk it came by.
    pub trunk: TrunkId,
    /// The agent; `None` makes the response an orphan.
    pub agent: Option<AgentId>,
    /// The queue.
    pub queue: Option<QueueId>,
    /// The contact centre's reference.
    pub call_ref: Option<CallRef>,
    /// The caller under the keyed hash.
    pub caller: Option<CallerHash>,
    /// The language that the context gave.
    pub language: Option<Language>,
    /// Who asked for the survey.
    pub trigger: Trigger,
    /// Talk time with the agent, in seconds.
    pub talk_s: Option<u32>,
    /// Who hung up on whom.
    pub first_hang_up: Option<Party>,
}

/// Media figures of one call (RFC 3550 §6.4.1 for loss and jitter).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallStats {
    /// RTP packets received and counted as this call's.
    pub received: u32,
    /// RTP packets sent.
    pub sent: u32,
    /// Packets lost on the way to us.
    pub lost: u32,
    /// Duplicates dropped.
    pub duplicates: u32,
    /// Packets that came too late to be of use.
    pub late: u32,
    /// Malformed packets dropped.
    pub malformed: u32,
    /// Packets of strangers dropped.
    pub strangers: u32,
    /// Interarrival jitter at the end, in microseconds.
    pub jitter_us: u32,
    /// Loss that the far end reported about our stream, in packets.
    pub remote_lost: Option<u32>,
    /// Jitter that the far end reported, in microseconds.
    pub remote_jitter_us: Option<u32>,
    /// How long the caller was heard talking, in ms.
    pub talk_ms: u32,
}

/// Enough of a dialog to end it after a restart (RFC 3261 §12): a BYE needs no more.
///
/// Its URIs may hold the caller's number, so it never goes into the journal: the store keeps it sealed beside the
/// open call and deletes it when the call ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogTrace {
    /// `udp` or `tcp`.
    pub transport: String,
    /// Where the request goes.
    pub peer: std::net::SocketAddr,
    /// The dialog's Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The far end's tag.
    pub remote_tag: String,
    /// Remote target (the far end's Contact URI).
    pub target: String,
    /// The route set, in order.
    pub routes: Vec<String>,
    /// Our side of the dialog: the To of the INVITE, without tag.
    pub local_uri: String,
    /// The far side of the dialog: the From of the INVITE, with its tag.
    pub remote_uri: String,
    /// The CSeq number that our next request must exceed.
    pub cseq: u32,
}
