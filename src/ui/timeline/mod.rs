//! One call as a timeline for people: a picture of who did what when, and each event as a sentence in the reader's
//! language. What only a technician wants to know is in [`crate::story`].

mod chart;

use super::board::answer;
use super::words::{Tongue, spoken};
use crate::domain::{
    Answer, Decision, Disposition, Entry, Fact, FailReason, GivenBy, Hearing, Language, Meaning, QuestionId,
    Transcription, Verdict,
};
use crate::story::{meant, name};

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The caller.
    Caller,
    /// The service, towards the caller.
    Survey,
    /// The service or the PBX, out of the caller's hearing.
    Behind,
}

impl Who {
    /// Its class in the page, which is also the end of the text's name.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Survey => "survey",
            Self::Behind => "behind",
        }
    }
}

/// One event.
pub(super) struct Line {
    /// Seconds since the call came in.
    pub(super) at: String,
    pub(super) who: Who,
    /// Who did it, in words.
    pub(super) by: String,
    pub(super) text: String,
    /// What may be left unread.
    pub(super) more: String,
}

/// A call, told.
pub(super) struct Timeline {
    /// The picture, as SVG.
    pub(super) chart: String,
    pub(super) lines: Vec<Line>,
}

impl Timeline {
    /// Of all that is known of a call, in the order of time.
    pub(super) fn of(tr: Tongue, story: &[Entry]) -> Self {
        let begin_us = story.first().map_or(0, |entry| entry.at_us);
        let line = |entry: &Entry| {
            let (who, text, more) = told(tr, &entry.fact);
            let by = tr.t(&format!("who-{}", who.class()));
            Line { at: tr.number(since(begin_us, entry.at_us), 1), who, by, text, more }
        };
        Self { chart: chart::draw(tr, story), lines: story.iter().map(line).collect() }
    }
}

/// Seconds from one time to another, both in microseconds.
fn since(begin_us: i64, at_us: i64) -> f64 {
    (at_us - begin_us) as f64 / 1e6
}

/// Who, what, and what may be left unread.
fn told(tr: Tongue, fact: &Fact) -> (Who, String, String) {
    let plain = |who, text| (who, text, String::new());
    match fact {
        Fact::Offered(context) => {
            let talk = context.talk_s.map(|s| tr.x("story-talked", s)).unwrap_or_default();
            (Who::Behind, tr.x("story-offered", &context.trunk), talk)
        }
        Fact::Decided(decision) => {
            (Who::Behind, decided(tr, decision), tr.t(&format!("origin-{}", decision.origin.as_str())))
        }
        Fact::Answered { codec } => (Who::Survey, tr.t("story-answered"), codec.name().to_owned()),
        Fact::LanguageSet { language } => plain(Who::Survey, tr.x("story-language", tongue(tr, language))),
        Fact::Asked { question, attempt, keys_only } => {
            let question = spoken(tr, question.as_str());
            let text = match attempt {
                1 => tr.x("story-asked", question),
                _ => tr.xy("story-asked-again", question, attempt),
            };
            (Who::Survey, text, if *keys_only { tr.t("story-to-keys") } else { String::new() })
        }
        Fact::Key { digit, barge_in, .. } => {
            let id = if *barge_in { "story-key-early" } else { "story-key" };
            plain(Who::Caller, tr.x(id, digit))
        }
        Fact::Repeated { .. } => plain(Who::Caller, tr.t("story-repeated")),
        Fact::NoInput { .. } => plain(Who::Caller, tr.t("story-silence")),
        Fact::NoMatch { keys, .. } => {
            let keys: String = keys.iter().map(|key| key.as_char()).collect();
            plain(Who::Survey, tr.x("story-no-choice", keys))
        }
        Fact::Heard { confirming, hearing, .. } => heard(tr, *confirming, hearing),
        Fact::Deaf { why, .. } => {
            plain(Who::Behind, tr.x("story-deaf", tr.t(&format!("deaf-{}", why.as_str()))))
        }
        Fact::Comment { length_ms, cut, .. } => {
            let cut = if *cut { tr.t("story-cut") } else { String::new() };
            (Who::Caller, tr.x("story-comment", tr.number(f64::from(*length_ms) / 1000.0, 1)), cut)
        }
        Fact::Transcribed { outcome: Transcription::Done, key_words, .. } => {
            let found =
                if key_words.is_empty() { String::new() } else { tr.x("key-words", key_words.join(", ")) };
            (Who::Behind, tr.t("story-transcribed"), found)
        }
        Fact::Transcribed { outcome, .. } => {
            plain(Who::Behind, tr.t(&format!("comment-{}", outcome.as_str().replace('_', "-"))))
        }
        Fact::Reread { hearing, .. } => {
            let meaning = hearing.meaning.as_ref().map_or("\u{2013}", meant);
            (Who::Behind, tr.x("story-reread", answer(tr, meaning)), hearing.model.clone())
        }
        Fact::Answer(given) => answered(tr, given),
        Fact::Skipped { question, reason } => {
            let why = tr.t(&format!("skip-{}", name(reason)));
            plain(Who::Survey, tr.xy("story-passed", spoken(tr, question.as_str()), why))
        }
        Fact::Refused { .. } => plain(Who::Caller, tr.t("story-refused")),
        Fact::Erased { was, .. } => plain(Who::Behind, tr.x("story-erased", was.replace('_', " "))),
        Fact::Held { on: true } => plain(Who::Behind, tr.t("story-held")),
        Fact::Held { on: false } => plain(Who::Behind, tr.t("story-unheld")),
        Fact::Ended { disposition, left_at, failure, by_caller, .. } => {
            ended(tr, *disposition, left_at.as_ref(), *failure, *by_caller)
        }
    }
}

fn decided(tr: Tongue, decision: &Decision) -> String {
    let why = tr.t(&format!("decided-{}", decision.reason.as_str()));
    match &decision.survey {
        Some((survey, _)) => tr.xy("story-chosen", survey, why),
        None => tr.x("story-not-chosen", why),
    }
}

fn heard(tr: Tongue, confirming: bool, hearing: &Hearing) -> (Who, String, String) {
    let words = words(hearing);
    let sure = format!("{}\u{a0}%", tr.number(f64::from(hearing.confidence_pm) / 10.0, 0));
    let text = match hearing.verdict {
        Verdict::NoMatch if !words.contains(char::is_alphabetic) => tr.t("story-not-understood"),
        Verdict::NoMatch => tr.x("story-misheard", words),
        Verdict::Confirm | Verdict::Accept => match hearing.asks_back(confirming) {
            Some(Meaning::Answer(value)) => tr.xy("story-unsure", words, answer(tr, value)),
            Some(wish) => tr.xy("story-unsure", words, tr.t(&format!("wish-{}", meant(wish)))),
            None => tr.x("story-said", words),
        },
    };
    (Who::Caller, text, tr.x("story-certainty", sure))
}

/// What was heard; an ellipsis stands for what the model has no word for, which models write in brackets.
fn words(hearing: &Hearing) -> String {
    let known = |word: &str| if word.starts_with(['[', '<']) { "\u{2026}" } else { word }.to_owned();
    let words: Vec<String> = hearing.words.iter().map(|word| known(&word.word)).collect();
    words.join(" ")
}

/// A language by its name, where there is one.
fn tongue(tr: Tongue, language: &Language) -> String {
    tr.known(&format!("tongue-{language}")).unwrap_or_else(|| language.to_string())
}

fn answered(tr: Tongue, given: &Answer) -> (Who, String, String) {
    let mode = match given.given_by {
        GivenBy::Key => "story-by-key",
        GivenBy::Voice => "story-by-voice",
        GivenBy::VoiceConfirmed => "story-by-voice-confirmed",
    };
    let after = tr.number(f64::from(given.took_ms) / 1000.0, 1);
    let value = answer(tr, &given.value.to_string());
    (Who::Caller, tr.xy("story-answer", spoken(tr, given.question.as_str()), value), tr.x(mode, after))
}

fn ended(
    tr: Tongue,
    disposition: Disposition,
    left_at: Option<&QuestionId>,
    failure: Option<FailReason>,
    by_caller: bool,
) -> (Who, String, String) {
    let (who, id) =
        if by_caller { (Who::Caller, "story-they-ended") } else { (Who::Survey, "story-we-ended") };
    let outcome = tr.t(&format!("disposition-{}", disposition.as_str()));
    let more = match (failure, left_at) {
        (Some(failure), _) => tr.t(&format!("fail-{}", name(&failure))),
        (None, Some(question)) => tr.x("story-left-at", spoken(tr, question.as_str())),
        (None, None) => String::new(),
    };
    (who, tr.x(id, outcome), more)
}

#[cfg(test)]
mod tests;
