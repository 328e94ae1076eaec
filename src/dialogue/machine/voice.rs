//! Speech from the caller: when it is listened for, and what follows what was heard.

use std::time::Instant;

use super::keys::Given;
use super::{Asking, Dialogue, Phase, State, Step, stop_if};
use crate::dialogue::capture::{Reading, read_key};
use crate::dialogue::survey::{AfterRefuse, Answers, CONFIRM, Question, Voice, VoicePrompts, YES_NO};
use crate::dialogue::{Action, Actions, MISHEARS_MAX, PLAY_MAX, UTTERANCE_MAX};
use crate::domain::{
    AnswerValue, Deaf, Digit, Fact, GivenBy, Hearing, Listen, ListenId, Meaning, PromptName, Purpose,
    RecordingId, SkipReason, Verdict,
};

/// What the caller is asked to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The answer at this place among those that are possible.
    Answer(usize),
    /// That they want to pass over the question.
    Skip,
    /// That they want to stop.
    Stop,
}

impl Dialogue {
    pub(super) fn greeting(&self) -> Option<PromptName> {
        let spoken = self.form().voice.as_ref().filter(|_| self.can_hear()).and_then(|v| v.greeting.clone());
        spoken.or_else(|| self.form().greeting.clone())
    }

    fn can_hear(&self) -> bool {
        self.language.as_ref().is_some_and(|language| self.ears.contains(language))
    }

    fn voice_prompts(&self) -> Option<&VoicePrompts> {
        self.form().voice.as_ref()
    }

    /// How the question can be answered by voice here and now.
    fn voice_of(&self, asking: Asking) -> Option<&Voice> {
        let Step::Question(index) = asking.step else { return None };
        let language = self.language.as_ref()?;
        let voice = self.form().questions[index].voice.as_ref()?;
        (!asking.keys_only && self.can_hear() && voice.languages.contains(language)).then_some(voice)
    }

    pub(super) fn hears_while_playing(&self, asking: Asking) -> bool {
        asking.offer.is_none() && self.voice_of(asking).is_some_and(|voice| voice.barge_in)
    }

    /// Opens the ears, where speech counts.
    pub(super) fn listen(&mut self, asking: Asking, out: &mut Actions) {
        let (Step::Question(index), Some(language)) = (asking.step, self.language.clone()) else { return };
        let question = &self.form().questions[index];
        let listen = match (&question.answers, asking.offer, self.voice_of(asking)) {
            (Answers::Comment { length_max }, ..) => {
                Listen { language, purpose: Purpose::Comment { length_max: *length_max }, keep_audio: true }
            }
            (_, Some(_), Some(voice)) => {
                let own = voice.confirm_languages.contains(&language);
                let grammar = if own { CONFIRM } else { YES_NO }.to_owned();
                let purpose = Purpose::Answer { grammar, thresholds: None };
                Listen { language, purpose, keep_audio: false }
            }
            (_, None, Some(voice)) => Listen {
                language,
                purpose: Purpose::Answer { grammar: voice.grammar.clone(), thresholds: voice.thresholds },
                keep_audio: voice.keep_audio,
            },
            (_, _, None) => return,
        };
        self.listens += 1;
        let id = ListenId(self.listens);
        self.listening = Some(id);
        out.push(Action::Listen { id, listen });
    }

    /// Closes the ears.
    pub(super) fn deafen(&mut self, out: &mut Actions) {
        if self.listening.take().is_some() {
            out.push(Action::StopListening);
        }
    }

    pub(super) fn speech_began(&mut self, now: Instant, out: &mut Actions) {
        let State::Asking { asking, phase } = self.state else { return };
        let playing = matches!(phase, Phase::Playing { .. });
        stop_if(playing, out);
        let asking = Asking { spoken: true, spoke_early: playing, ..asking };
        let bound = self.comment_max(asking).unwrap_or_default() + UTTERANCE_MAX;
        self.state = State::Asking { asking, phase: Phase::Waiting { until: now + bound } };
    }

    pub(super) fn heard(
        &mut self,
        hearing: Box<Hearing>,
        recording: Option<RecordingId>,
        now: Instant,
        out: &mut Actions,
    ) {
        self.listening = None;
        let State::Asking { asking, phase } = self.state else { return };
        stop_if(matches!(phase, Phase::Playing { .. }), out);
        let (verdict, meaning) = (hearing.verdict, hearing.meaning.clone());
        out.record(Fact::Heard {
            question: self.question_id(asking.step),
            attempt: asking.attempt,
            confirming: asking.offer.is_some(),
            hearing,
            recording,
        });
        let meaning = meaning.filter(|_| verdict != Verdict::NoMatch);
        match (asking.offer, meaning) {
            (_, None) => self.mishear(asking, now, out),
            (Some(offer), Some(Meaning::Answer(word))) if word == "yes" => {
                self.take_offer(asking, offer, None, now, out);
            }
            (Some(offer), Some(Meaning::Repeat)) => self.offer(asking, offer, now, out),
            (Some(_), Some(_)) => self.mishear(asking, now, out),
            (None, Some(Meaning::Repeat)) => self.repeat(asking, now, out),
            (None, Some(Meaning::Skip)) => self.offer(asking, Offer::Skip, now, out),
            (None, Some(Meaning::Stop)) => self.offer(asking, Offer::Stop, now, out),
            (None, Some(Meaning::Answer(word))) => self.heard_answer(asking, &word, verdict, now, out),
        }
    }

    fn heard_answer(
        &mut self,
        asking: Asking,
        word: &str,
        verdict: Verdict,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(question) = self.question(asking) else { return };
        let values = question.answers.values();
        let Some(place) = values.iter().position(|value| value.to_string() == word) else {
            return self.mishear(asking, now, out);
        };
        match verdict {
            Verdict::Accept => {
                let value = values[place].clone();
                self.take_spoken(asking, value, GivenBy::Voice, None, now, out);
            }
            Verdict::Confirm | Verdict::NoMatch => self.offer(asking, Offer::Answer(place), now, out),
        }
    }

    /// "I heard four. If that is right, press one or say yes."
    pub(super) fn offer(&mut self, asking: Asking, offer: Offer, now: Instant, out: &mut Actions) {
        let said = match offer {
            Offer::Answer(place) => self
                .question(asking)
                .and_then(|question| question.voice.as_ref())
                .and_then(|voice| voice.said.get(place))
                .map(|(_, name)| name.clone()),
            Offer::Skip => Some("w_skip".parse().expect("a short plain name")),
            Offer::Stop => Some("w_stop".parse().expect("a short plain name")),
        };
        let (Some(said), Some(voice)) = (said, self.voice_prompts()) else {
            return self.mishear(asking, now, out);
        };
        let prompts = vec![voice.heard.clone(), said, voice.confirm.clone()];
        let play = self.play(prompts, out);
        let asking = Asking { offer: Some(offer), spoken: false, ..asking };
        let phase = Phase::Playing { play, until: now + PLAY_MAX, position: 0 };
        self.state = State::Asking { asking, phase };
    }

    /// A key at "is that right?".
    pub(super) fn confirm_key(
        &mut self,
        asking: Asking,
        digit: Digit,
        playing: bool,
        now: Instant,
        out: &mut Actions,
    ) {
        let (Some(offer), Step::Question(index)) = (asking.offer, asking.step) else { return };
        let reading = read_key(&self.form().questions[index], digit);
        if reading == Reading::Nothing {
            return self.deafen(out);
        }
        stop_if(playing, out);
        self.deafen(out);
        match digit.as_char() {
            '1' => self.take_offer(asking, offer, Some(digit), now, out),
            '2' => self.mishear(asking, now, out),
            '*' => self.offer(asking, offer, now, out),
            // They pressed the answer itself, or the key that declines.
            _ => self.question_key(Asking { offer: None, ..asking }, index, digit, false, now, out),
        }
    }

    fn take_offer(
        &mut self,
        asking: Asking,
        offer: Offer,
        key: Option<Digit>,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(question) = self.question(asking) else { return };
        match offer {
            Offer::Answer(place) => {
                if let Some(value) = question.answers.values().get(place).cloned() {
                    self.take_spoken(asking, value, GivenBy::VoiceConfirmed, key, now, out);
                }
            }
            Offer::Skip => self.skip(asking, now, out),
            Offer::Stop => self.refuse(asking, AfterRefuse::End, now, out),
        }
    }

    /// The caller passes over a question.
    pub(super) fn skip(&mut self, asking: Asking, now: Instant, out: &mut Actions) {
        let Step::Question(index) = asking.step else { return };
        self.missed |= !self.is_comment(asking);
        out.record(Fact::Skipped { question: self.question_id(asking.step), reason: SkipReason::Caller });
        self.go_on(index + 1, now, out);
    }

    fn take_spoken(
        &mut self,
        asking: Asking,
        value: AnswerValue,
        by: GivenBy,
        key: Option<Digit>,
        now: Instant,
        out: &mut Actions,
    ) {
        let keys = key.into_iter().collect();
        let given = Given { value, by, keys, ambiguous: false, at: now, barge_in: asking.spoke_early };
        self.take_answer(asking, given, now, out);
    }

    /// Speech was not understood, or was confirmed to be something else.
    pub(super) fn mishear(&mut self, asking: Asking, now: Instant, out: &mut Actions) {
        let Some(prompts) = self.voice_prompts() else { return };
        let mishears = asking.mishears.saturating_add(1);
        let keys_only = mishears >= MISHEARS_MAX;
        let first = if keys_only { prompts.use_keys.clone() } else { prompts.no_match.clone() };
        let attempt = asking.attempt.saturating_add(1);
        let asking = Asking { mishears, keys_only, attempt, ..asking };
        self.record_asked(asking, out);
        self.put(asking, Some(first), now, out);
    }

    /// Nobody hears the caller any more. Who has begun to speak is sent to the keys at once.
    pub(super) fn deaf(
        &mut self,
        why: Deaf,
        recording: Option<RecordingId>,
        now: Instant,
        out: &mut Actions,
    ) {
        self.listening = None;
        let State::Asking { asking, phase } = self.state else { return };
        out.record(Fact::Deaf { question: self.question_id(asking.step), why, recording });
        if why != Deaf::Busy {
            self.ears.clear();
        }
        let spoken = asking.spoken;
        let asking = Asking { keys_only: true, spoken: false, ..asking };
        self.state = State::Asking { asking, phase };
        let Some(first) = self.voice_prompts().map(|prompts| prompts.use_keys.clone()).filter(|_| spoken)
        else {
            return;
        };
        match asking.offer {
            Some(offer) => self.offer(asking, offer, now, out),
            None => self.put(asking, Some(first), now, out),
        }
    }

    fn question(&self, asking: Asking) -> Option<&Question> {
        match asking.step {
            Step::Language => None,
            Step::Question(index) => self.form().questions.get(index),
        }
    }
}
