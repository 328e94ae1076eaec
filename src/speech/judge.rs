//! The rule by which an utterance is taken, asked about, or refused.
//!
//! What a recogniser says of its own certainty is worth little where it could choose among few words: noise and "tree"
//! come out as "three" at full confidence. Two things help. The unknown word stands beside every grammar, and an
//! utterance with it in is never taken. And a small model hears the same audio twice more: once among many common
//! words ([`Heard::wide`]), where an answer has to win against all of them, and once with everything that the grammar
//! allows around an answer ([`Heard::full`]).

use serde::Deserialize;

use super::{Thresholds, Words};
use crate::domain::{HeardWord, Meaning, Verdict};

/// How sure is sure enough, for one model. Thresholds of a question go before `accept_pm` and `confirm_pm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Confidence from which an answer is taken at once, in thousandths: 1-1000.
    pub accept_pm: u16,
    /// Confidence from which the caller is asked whether it was that, in thousandths: 1 to `accept_pm`.
    pub confirm_pm: u16,
    /// For a small model: hear each utterance twice more, and go by what they agree on.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// Confidence from which "skip" and "repeat" count as heard for sure, in thousandths; "stop" never does. The
    /// conversation repeats at either, and asks back before it skips or stops, however sure it was.
    #[serde(default = "surest")]
    pub command_pm: u16,
}

/// What the second hearing of an utterance, among many words, has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Among how many other words it hears: those of the language's distractors that sound most like the answers.
    pub words: u16,
    /// Its confidence from which an answer may be taken at once, in thousandths.
    pub accept_pm: u16,
    /// Its confidence from which the caller may be asked, in thousandths; 0 where agreement is enough.
    pub confirm_pm: u16,
    /// Confidence of the first hearing from which the caller is asked though the second disagrees, in thousandths;
    /// above 1000 for never.
    pub alone_pm: u16,
    /// Confidence of the second hearing in something else from which the caller is not even asked, in thousandths;
    /// above 1000 for never.
    pub against_pm: u16,
    /// Confidence of the second and third hearing from which the caller is asked about what they agree on, where the
    /// first placed nothing, in thousandths; above 1000 for never.
    pub both_pm: u16,
    /// Confidence of the last word from which the caller is asked about it, where answers were heard before it that
    /// may have been breath, in thousandths; above 1000 for never.
    pub last_word_pm: u16,
}

impl Witness {
    /// For a question with thresholds of its own: what the other hearings have to say moves as far as these did from
    /// the model's.
    fn for_question(self, rule: &Rule, thresholds: Thresholds) -> Self {
        let moved = |value: u16, from: u16, to: u16| match value {
            // Above 1000 is never, and 0 is anything.
            0 | 1001.. => value,
            _ => (value + to).saturating_sub(from).max(1),
        };
        let asking = |value| moved(value, rule.confirm_pm, thresholds.confirm_pm);
        Self {
            words: self.words,
            accept_pm: moved(self.accept_pm, rule.accept_pm, thresholds.accept_pm).min(1000),
            confirm_pm: asking(self.confirm_pm),
            alone_pm: asking(self.alone_pm),
            against_pm: self.against_pm,
            both_pm: asking(self.both_pm),
            last_word_pm: asking(self.last_word_pm),
        }
    }
}

impl Rule {
    /// Whether the numbers are in their ranges and in order.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let in_order =
            (1..=1000).contains(&self.accept_pm) && (1..=self.accept_pm).contains(&self.confirm_pm);
        in_order && self.witness.is_none_or(|w| w.accept_pm <= 1000 && w.confirm_pm <= w.accept_pm)
    }
}

fn surest() -> u16 {
    970
}

impl From<Rule> for Thresholds {
    fn from(rule: Rule) -> Self {
        Self { accept_pm: rule.accept_pm, confirm_pm: rule.confirm_pm }
    }
}

/// One utterance, as heard with each vocabulary.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// With what the model is asked first: the plain forms for a small model, the whole grammar for others.
    pub main: Words,
    /// Among many other words. `None` when nobody listened that way.
    pub wide: Option<Words>,
    /// With the whole grammar of a small model. `None` when nobody listened that way.
    pub full: Option<Words>,
}

/// What is made of an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The words that it rests on.
    pub words: Vec<HeardWord>,
    /// What they mean.
    pub meaning: Option<Meaning>,
    /// What to do.
    pub verdict: Verdict,
    /// The confidence that it rests on, in thousandths.
    pub confidence_pm: u16,
}

/// Judges one utterance. `read` gives what words mean to the grammar; the unknown word means nothing to any.
#[must_use]
pub fn judge(
    rule: &Rule,
    thresholds: Thresholds,
    heard: &Heard,
    read: impl Fn(&[HeardWord]) -> Option<Meaning>,
) -> Judgement {
    let found = match &rule.witness {
        None => one_hearing(thresholds, &heard.main.words, &read),
        Some(witness) => several(thresholds, &witness.for_question(rule, thresholds), heard, &read),
    };
    let Some((words, meaning, confidence_pm, verdict)) = found else {
        let words = heard.main.words.clone();
        let confidence_pm = confidence(&words);
        return Judgement { meaning: read(&words), words, verdict: Verdict::NoMatch, confidence_pm };
    };
    let verdict = match (&meaning, verdict) {
        (Meaning::Stop, Verdict::Accept) => Verdict::Confirm,
        (Meaning::Skip | Meaning::Repeat, Verdict::Accept) if confidence_pm < rule.command_pm => {
            Verdict::Confirm
        }
        (_, verdict) => verdict,
    };
    Judgement { words: words.to_vec(), meaning: Some(meaning), verdict, confidence_pm }
}

/// The words that a verdict rests on, what they mean, how sure, and the verdict.
type Found<'a> = (&'a [HeardWord], Meaning, u16, Verdict);

/// Whether what was heard with the plain forms is no answer, so that the whole grammar may know better.
#[must_use]
pub fn in_doubt(main: &Words, read: impl Fn(&[HeardWord]) -> Option<Meaning>) -> bool {
    read(&main.words).is_none()
}

fn one_hearing<'a>(
    thresholds: Thresholds,
    words: &'a [HeardWord],
    read: &impl Fn(&[HeardWord]) -> Option<Meaning>,
) -> Option<Found<'a>> {
    let (meaning, confidence_pm) = (read(words)?, confidence(words));
    let verdict = match confidence_pm {
        sure if sure >= thresholds.accept_pm => Verdict::Accept,
        likely if likely >= thresholds.confirm_pm => Verdict::Confirm,
        _ => return None,
    };
    Some((words, meaning, confidence_pm, verdict))
}

fn several<'a>(
    thresholds: Thresholds,
    witness: &Witness,
    heard: &'a Heard,
    read: &impl Fn(&[HeardWord]) -> Option<Meaning>,
) -> Option<Found<'a>> {
    let main = heard.main.words.as_slice();
    let Some((words, meaning, confidence_pm, verdict)) = one_hearing(thresholds, main, read) else {
        if read(main).is_some() {
            return None;
        }
        return within_more_words(thresholds, heard, read)
            .or_else(|| both_others(witness, heard, read))
            .or_else(|| last_word(witness, main, read));
    };
    let wide = heard.wide.as_ref().filter(|wide| read(&wide.words).as_ref() == Some(&meaning));
    let second_pm = wide.map(|wide| confidence(&wide.words));
    let against_pm = heard.wide.as_ref().map_or(0, |wide| confidence(&wide.words));
    let verdict = match second_pm {
        Some(second) if second >= witness.accept_pm => verdict,
        Some(second) if second >= witness.confirm_pm => Verdict::Confirm,
        _ if confidence_pm >= witness.alone_pm && against_pm < witness.against_pm => Verdict::Confirm,
        _ => return None,
    };
    Some((words, meaning, confidence_pm, verdict))
}

/// "I'd say seven": the whole grammar reads it, and among what the plain forms made of it that answer is the only one.
fn within_more_words<'a>(
    thresholds: Thresholds,
    heard: &'a Heard,
    read: &impl Fn(&[HeardWord]) -> Option<Meaning>,
) -> Option<Found<'a>> {
    let full = heard.full.as_ref()?.words.as_slice();
    let (meaning, confidence_pm) = (read(full)?, confidence(full));
    let mut plain = heard.main.words.iter().filter_map(|word| read(std::slice::from_ref(word)));
    let agreed = plain.next().as_ref() == Some(&meaning) && plain.all(|other| other == meaning);
    let sure = full.len() > 1 && agreed && confidence_pm >= thresholds.confirm_pm;
    sure.then_some((full, meaning, confidence_pm, Verdict::Confirm))
}

/// "Yeah", where the plain form is "yes": not placed by the first hearing, and the same answer to both others.
fn both_others<'a>(
    witness: &Witness,
    heard: &'a Heard,
    read: &impl Fn(&[HeardWord]) -> Option<Meaning>,
) -> Option<Found<'a>> {
    let (wide, full) = (&heard.wide.as_ref()?.words, &heard.full.as_ref()?.words);
    let meaning = read(wide)?;
    let mut plain = heard.main.words.iter().filter_map(|word| read(std::slice::from_ref(word)));
    let agreed = read(full).as_ref() == Some(&meaning) && plain.all(|other| other == meaning);
    let confidence_pm = confidence(wide).min(confidence(full));
    let answer = matches!(meaning, Meaning::Answer(_));
    let sure = agreed && answer && confidence_pm >= witness.both_pm;
    sure.then_some((wide.as_slice(), meaning, confidence_pm, Verdict::Confirm))
}

/// "Six eight" is mostly a breath before "eight".
fn last_word<'a>(
    witness: &Witness,
    words: &'a [HeardWord],
    read: &impl Fn(&[HeardWord]) -> Option<Meaning>,
) -> Option<Found<'a>> {
    let answers = words.iter().all(|word| read(std::slice::from_ref(word)).is_some());
    let last = words.last_chunk::<1>().filter(|_| answers && words.len() == 2)?;
    let confidence_pm = confidence(last);
    let meaning = read(last)?;
    (confidence_pm >= witness.last_word_pm).then_some((
        last.as_slice(),
        meaning,
        confidence_pm,
        Verdict::Confirm,
    ))
}

/// An utterance is as sure as its least sure word.
fn confidence(words: &[HeardWord]) -> u16 {
    words.iter().map(|word| word.confidence_pm).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Rule = Rule {
        accept_pm: 950,
        confirm_pm: 500,
        witness: Some(Witness {
            words: 200,
            accept_pm: 700,
            confirm_pm: 0,
            alone_pm: 990,
            against_pm: 850,
            both_pm: 500,
            last_word_pm: 900,
        }),
        command_pm: 970,
    };
    const LARGE: Rule = Rule { accept_pm: 950, confirm_pm: 800, witness: None, command_pm: 970 };

    /// "six:900 eight:1000" as words.
    fn words(text: &str) -> Words {
        let word = |part: &str| {
            let (word, confidence) = part.split_once(':').unwrap();
            HeardWord {
                word: word.to_owned(),
                confidence_pm: confidence.parse().unwrap(),
                start_ms: 0,
                end_ms: 0,
            }
        };
        Words { words: text.split_whitespace().map(word).collect() }
    }

    fn read(words: &[HeardWord]) -> Option<Meaning> {
        let text = words.iter().map(|word| word.word.as_str()).collect::<Vec<_>>().join(" ");
        match text.as_str() {
            "six" => Some(Meaning::Answer("6".into())),
            "eight" | "um eight" => Some(Meaning::Answer("8".into())),
            "stop" => Some(Meaning::Stop),
            "skip" => Some(Meaning::Skip),
            _ => None,
        }
    }

    /// The verdict, and the words that it rests on.
    fn verdict(rule: Rule, main: &str, wide: &str, full: &str) -> String {
        let heard = Heard { main: words(main), wide: Some(words(wide)), full: Some(words(full)) };
        let judged = judge(&rule, rule.into(), &heard, read);
        let words: Vec<&str> = judged.words.iter().map(|word| word.word.as_str()).collect();
        format!("{} {}", judged.verdict.as_str(), words.join(" ")).trim().to_owned()
    }

    #[test]
    fn one_hearing_goes_by_the_least_sure_word() {
        assert_eq!(verdict(LARGE, "um:960 eight:990", "", ""), "accept um eight");
        assert_eq!(verdict(LARGE, "um:850 eight:990", "", ""), "confirm um eight");
        assert_eq!(verdict(LARGE, "um:300 eight:990", "", ""), "no_match um eight");
        assert_eq!(verdict(LARGE, "[unk]:1000 eight:1000", "", ""), "no_match [unk] eight");
        assert_eq!(verdict(LARGE, "six:1000 eight:1000", "", ""), "no_match six eight");
        assert_eq!(verdict(LARGE, "", "", ""), "no_match");
    }

    #[test]
    fn a_small_model_needs_a_witness() {
        assert_eq!(verdict(SMALL, "eight:960", "eight:800", ""), "accept eight");
        assert_eq!(verdict(SMALL, "eight:960", "eight:300", ""), "confirm eight");
        assert_eq!(verdict(SMALL, "eight:600", "eight:800", ""), "confirm eight");
        assert_eq!(verdict(SMALL, "eight:960", "rate:800", ""), "no_match eight");
        assert_eq!(verdict(SMALL, "eight:1000", "rate:800", ""), "confirm eight");
        assert_eq!(verdict(SMALL, "eight:1000", "rate:900", ""), "no_match eight");
        assert_eq!(verdict(SMALL, "eight:400", "eight:800", ""), "no_match eight");
        let heard = Heard { main: words("eight:960"), wide: None, full: None };
        assert_eq!(judge(&SMALL, SMALL.into(), &heard, read).verdict, Verdict::NoMatch);
    }

    #[test]
    fn an_answer_among_other_words_is_asked_about() {
        assert_eq!(verdict(SMALL, "[unk]:900 eight:1000", "", "um:900 eight:900"), "confirm um eight");
        assert_eq!(verdict(SMALL, "[unk]:900 six:1000", "", "um:900 eight:900"), "no_match [unk] six");
        assert_eq!(verdict(SMALL, "six:400 eight:950", "", ""), "confirm eight");
        assert_eq!(verdict(SMALL, "six:400 six:400 eight:950", "", ""), "no_match six six eight");
        assert_eq!(verdict(SMALL, "[unk]:900 eight:1000", "", ""), "no_match [unk] eight");
        assert_eq!(verdict(SMALL, "[unk]:900", "eight:600", "eight:900"), "confirm eight");
        assert_eq!(verdict(SMALL, "[unk]:900", "eight:600", "six:900"), "no_match [unk]");
    }

    #[test]
    fn commands_need_more_and_stop_is_always_asked_about() {
        assert_eq!(verdict(LARGE, "stop:1000", "", ""), "confirm stop");
        assert_eq!(verdict(LARGE, "skip:960", "", ""), "confirm skip");
        assert_eq!(verdict(LARGE, "skip:980", "", ""), "accept skip");
    }

    #[test]
    fn the_question_has_the_last_word_on_thresholds() {
        let heard = Heard { main: words("eight:700"), wide: None, full: None };
        let thresholds = Thresholds { accept_pm: 600, confirm_pm: 500 };
        assert_eq!(judge(&LARGE, thresholds, &heard, read).verdict, Verdict::Accept);
    }

    #[test]
    fn a_questions_thresholds_move_those_of_the_witness() {
        let verdict = |accept_pm, confirm_pm, main: &str, wide: &str| {
            let heard = Heard { main: words(main), wide: Some(words(wide)), full: None };
            judge(&SMALL, Thresholds { accept_pm, confirm_pm }, &heard, read).verdict
        };
        // As the model has it: 950 and 700 of the witness.
        assert_eq!(verdict(950, 500, "eight:900", "eight:660"), Verdict::Confirm);
        assert_eq!(verdict(900, 500, "eight:900", "eight:660"), Verdict::Accept);
        assert_eq!(verdict(900, 500, "eight:900", "eight:640"), Verdict::Confirm);
        assert_eq!(verdict(1000, 500, "eight:1000", "eight:740"), Verdict::Confirm);
        assert_eq!(verdict(1000, 500, "eight:1000", "eight:760"), Verdict::Accept);
        // A question that is asked back sooner takes a first hearing that stands alone sooner too.
        assert_eq!(verdict(950, 500, "eight:960", "rate:800"), Verdict::NoMatch);
        assert_eq!(verdict(950, 450, "eight:960", "rate:800"), Verdict::Confirm);
        assert_eq!(verdict(950, 600, "eight:1000", "rate:800"), Verdict::NoMatch);
    }
}
