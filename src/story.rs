//! One call's story: each fact as a line for people.

use serde::Serialize;

use crate::domain::{
    Answer, CallStats, Decision, Entry, Fact, GivenBy, Hearing, Meaning, QuestionId, StoredContext,
    Transcription,
};

/// Seconds since the first event, to the millisecond.
#[must_use]
pub fn seconds(entry: &Entry, first: &Entry) -> String {
    let ms = (entry.at_us - first.at_us) / 1000;
    format!("{}.{:03}", ms / 1000, (ms % 1000).abs())
}

/// One event as a line.
#[must_use]
pub fn tell(fact: &Fact) -> String {
    match fact {
        Fact::Offered(context) => offered(context),
        Fact::Decided(decision) => decided(decision),
        Fact::Answered { codec } => format!("answered, {}", codec.name()),
        Fact::Asked { question, attempt, keys_only } => {
            let again = if *attempt == 1 { String::new() } else { format!(" again ({attempt})") };
            let keys = if *keys_only { ", by the keys from here on" } else { "" };
            format!("asked {question}{again}{keys}")
        }
        Fact::Key { question, digit, path, barge_in } => {
            let at = question.as_ref().map(|q| format!(" at {q}")).unwrap_or_default();
            let into = if *barge_in { ", into the prompt" } else { "" };
            format!("key {digit}{at} by {}{into}", name(path))
        }
        Fact::Repeated { question } => format!("repeated {question}"),
        Fact::NoInput { question, .. } => format!("silence at {question}"),
        Fact::NoMatch { question, keys, .. } => {
            let keys: String = keys.iter().map(|key| key.as_char()).collect();
            format!("no such choice at {question}: {keys}")
        }
        Fact::Heard { question, confirming, hearing, recording, .. } => {
            heard(question, *confirming, hearing, recording.is_some())
        }
        Fact::Deaf { question, why, recording } => {
            let kept = if recording.is_some() { ", audio kept" } else { "" };
            format!("voice could not be heard at {question}: {why}; the keys remain{kept}")
        }
        Fact::Comment { question, length_ms, cut, .. } => {
            let cut = if *cut { ", cut at its bound" } else { "" };
            format!("comment at {question}, {:.1} s{cut}", f64::from(*length_ms) / 1000.0)
        }
        Fact::Transcribed { outcome: Transcription::Done, key_words, .. } => {
            format!("the comment was transcribed; key words: {}", list(key_words))
        }
        Fact::Transcribed { outcome, .. } => format!("the comment was not transcribed: {}", name(outcome)),
        Fact::Reread { question, hearing, .. } => reread(question, hearing),
        Fact::Answer(answer) => answered(answer),
        Fact::LanguageSet { language } => format!("language {language}"),
        Fact::Skipped { question, reason } => format!("passed over {question}: {}", name(reason)),
        Fact::Refused { question } => format!("declined at {question}"),
        Fact::Erased { was, .. } => format!("erased: {}", was.replace('_', " ")),
        Fact::Held { on: true } => "put on hold".into(),
        Fact::Held { on: false } => "taken off hold".into(),
        Fact::Ended { disposition, left_at, failure, by_caller, stats } => {
            let who = if *by_caller { "the far end" } else { "us" };
            let left = left_at.as_ref().map(|q| format!(", left at {q}")).unwrap_or_default();
            let why = failure.map(|f| format!(", {}", name(&f))).unwrap_or_default();
            let media = stats.as_ref().map(media).unwrap_or_default();
            format!("ended by {who}: {}{left}{why}{media}", disposition.as_str())
        }
    }
}

fn offered(context: &StoredContext) -> String {
    let parts = [
        ("agent", context.agent.as_ref().map(ToString::to_string)),
        ("queue", context.queue.as_ref().map(ToString::to_string)),
        ("ref", context.call_ref.as_ref().map(ToString::to_string)),
        ("language", context.language.as_ref().map(ToString::to_string)),
        ("talked", context.talk_s.map(|s| format!("{s} s"))),
        ("hung up first:", context.first_hang_up.map(|party| name(&party))),
    ];
    let known: Vec<_> = parts.into_iter().filter_map(|(k, v)| Some(format!("{k} {}", v?))).collect();
    format!("offered by {}: {}", context.trunk, known.join(", "))
}

fn decided(decision: &Decision) -> String {
    let count = decision.count.map(|n| format!(", number {n}")).unwrap_or_default();
    let ahead = if decision.ahead.is_some() { ", decided ahead of the call" } else { "" };
    let (origin, reason) = (decision.origin.as_str(), name(&decision.reason));
    let why = format!("{reason} ({origin}{count}{ahead})");
    match &decision.survey {
        Some((survey, version)) => format!("surveyed with {survey} version {}: {why}", version.0),
        None => format!("not surveyed: {why}"),
    }
}

fn heard(question: &QuestionId, confirming: bool, hearing: &Hearing, audio_kept: bool) -> String {
    let words: Vec<&str> = hearing.words.iter().map(|word| word.word.as_str()).collect();
    let asked = if confirming { " when asked back" } else { "" };
    let kept = if audio_kept { ", audio kept" } else { "" };
    let back = hearing.asks_back(confirming);
    let back = back.map(|meaning| format!(", asked back: {}?", meant(meaning))).unwrap_or_default();
    format!(
        "heard \"{}\" at {question}{asked}: {}, confidence {:.2}, speech {:.2} s at {} dBFS over {} dBFS, \
         decided {} ms after it{kept}{back}",
        words.join(" "),
        hearing.verdict.as_str(),
        f64::from(hearing.confidence_pm) / 1000.0,
        f64::from(hearing.end_ms.saturating_sub(hearing.start_ms)) / 1000.0,
        hearing.level_dbfs,
        hearing.noise_dbfs,
        hearing.decided_ms,
    )
}

fn reread(question: &QuestionId, hearing: &Hearing) -> String {
    let meaning = match &hearing.meaning {
        Some(meaning) => format!("{question} = {}", meant(meaning)),
        None => "no meaning".to_owned(),
    };
    let (model, grammar, verdict) = (&hearing.model, &hearing.grammar, hearing.verdict.as_str());
    format!("heard again by {model} with {grammar}: {verdict} {meaning}")
}

fn answered(answer: &Answer) -> String {
    let by = match answer.given_by {
        GivenBy::Key => "by key",
        GivenBy::Voice => "by voice",
        GivenBy::VoiceConfirmed => "by voice, confirmed",
    };
    let flag = if answer.ambiguous { ", keys were ambiguous" } else { "" };
    format!("answer {} = {} {by} after {} ms{flag}", answer.question, answer.value, answer.took_ms)
}

fn media(stats: &CallStats) -> String {
    let CallStats { received, lost, sent, jitter_us, .. } = stats;
    format!("; {received} packets in ({lost} lost), {sent} out, jitter {jitter_us} us")
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// A meaning as a row would show it.
#[must_use]
pub fn meant(meaning: &Meaning) -> &str {
    match meaning {
        Meaning::Answer(answer) => answer,
        Meaning::Repeat => "repeat",
        Meaning::Skip => "skip",
        Meaning::Stop => "stop",
    }
}

/// A name as the journal spells it; empty for what has none.
#[must_use]
pub fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        AnswerValue, Codec, Deaf, DecisionReason, Digit, Disposition, FailReason, KeyPath, Origin,
        QuestionKind, RecordingId, Scale, SkipReason, SurveyVersion,
    };

    #[test]
    fn a_story_reads_well() {
        let question = || "recommend".parse().unwrap();
        let one = Digit::from_char('1').unwrap();
        let decision = Decision {
            origin: Origin::Sampled,
            survey: Some(("service".parse().unwrap(), SurveyVersion(1))),
            reason: DecisionReason::Nth,
            count: Some(40),
            draw_ppm: None,
            ahead: None,
        };
        let answer = Answer {
            question: question(),
            kind: QuestionKind::Nps,
            scale: Some(Scale::NPS),
            value: AnswerValue::Rating(1),
            given_by: GivenBy::Key,
            keys: vec![one, Digit::HASH],
            ambiguous: true,
            attempt: 2,
            barge_in: true,
            took_ms: 2500,
        };
        let facts = [
            Fact::Decided(decision),
            Fact::Answered { codec: Codec::Pcma },
            Fact::Asked { question: question(), attempt: 1, keys_only: false },
            Fact::Asked { question: question(), attempt: 3, keys_only: true },
            Fact::Key { question: Some(question()), digit: one, path: KeyPath::InBand, barge_in: true },
            Fact::NoMatch { question: question(), attempt: 1, keys: vec![one, Digit::STAR] },
            Fact::Deaf {
                question: question(),
                why: Deaf::Died,
                recording: Some(RecordingId(uuid::Uuid::nil())),
            },
            Fact::Deaf { question: question(), why: Deaf::Busy, recording: None },
            Fact::Answer(answer),
            Fact::Skipped { question: question(), reason: SkipReason::When },
            Fact::Ended {
                disposition: Disposition::Partial,
                left_at: Some(question()),
                failure: Some(FailReason::NoMedia),
                by_caller: false,
                stats: None,
            },
        ];
        let told: Vec<String> = facts.iter().map(tell).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        surveyed with service version 1: nth (sampled, number 40)
        answered, PCMA
        asked recommend
        asked recommend again (3), by the keys from here on
        key 1 at recommend by in_band, into the prompt
        no such choice at recommend: 1*
        voice could not be heard at recommend: the recogniser died; the keys remain, audio kept
        voice could not be heard at recommend: the recognisers are busy; the keys remain
        answer recommend = 1 by key after 2500 ms, keys were ambiguous
        passed over recommend: when
        ended by us: partial, left at recommend, no_media
        ");
    }
}
