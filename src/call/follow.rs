//! What in a call somebody is to follow up: a low score, a wish to be called back, the end of a response. Pure: facts
//! in, happenings out.
//!
//! A low score tells of one caller and one agent, so it goes where single calls may be seen: to tasks, which are the
//! role of quality's, and to the systems and mailboxes that the configuration names for it. Never to an agent's or
//! supervisor's figures, which have their own rules ([`crate::store::rules`]).

use std::sync::Arc;

use crate::config::LowScores;
use crate::dialogue::{Question, Survey};
use crate::domain::{
    Answer, AnswerValue, Better, CallRef, Decision, Disposition, Entry, EventKind, Fact, Happening, Origin,
    QuestionId, QuestionKind, QueueId,
};

/// One call, followed.
#[derive(Clone, Debug)]
pub(super) struct Follow {
    survey: Arc<Survey>,
    decision: Decision,
    queue: Option<QueueId>,
    call_ref: Option<CallRef>,
    low: LowScores,
    answers: Vec<(QuestionId, AnswerValue)>,
    /// Whether a low score was told; the first one tells enough.
    told_low: bool,
}

impl Follow {
    /// Follows a call that is surveyed.
    pub(super) fn new(
        survey: Arc<Survey>,
        decision: Decision,
        (queue, call_ref): (Option<QueueId>, Option<CallRef>),
        low: LowScores,
    ) -> Self {
        Self { survey, decision, queue, call_ref, low, answers: Vec::new(), told_low: false }
    }

    /// What a fact makes happen.
    pub(super) fn take(&mut self, entry: &Entry) -> Vec<Happening> {
        match &entry.fact {
            Fact::Answer(answer) => self.answered(entry, answer),
            Fact::Ended { disposition: Disposition::Complete, .. } => {
                let answers = self.answers.clone();
                self.tell(EventKind::Completed, entry, answers).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn answered(&mut self, entry: &Entry, answer: &Answer) -> Vec<Happening> {
        let own = vec![(answer.question.clone(), answer.value.clone())];
        self.answers.extend(own.iter().cloned());
        // A mystery caller is nobody's customer: there is nothing to make good.
        if self.decision.origin == Origin::Mystery {
            return Vec::new();
        }
        let Some(question) = self.survey.questions().iter().find(|q| q.id == answer.question) else {
            return Vec::new();
        };
        let low = !self.told_low && is_low(question, answer, &self.low);
        let callback = question.callback && answer.value == AnswerValue::YesNo(true);
        self.told_low |= low;
        let low = low.then(|| self.tell(EventKind::LowScore, entry, own.clone())).flatten();
        let callback = callback.then(|| self.tell(EventKind::Callback, entry, own)).flatten();
        low.into_iter().chain(callback).collect()
    }

    fn tell(
        &self,
        kind: EventKind,
        entry: &Entry,
        answers: Vec<(QuestionId, AnswerValue)>,
    ) -> Option<Happening> {
        Some(Happening {
            kind,
            at_us: entry.at_us,
            call: entry.call,
            call_ref: self.call_ref.clone(),
            queue: self.queue.clone(),
            survey: self.decision.survey.clone()?,
            origin: self.decision.origin,
            answers,
        })
    }
}

/// Whether an answer is a low one: by the question's own bound, else by how far it is from the worst end of its scale.
fn is_low(question: &Question, answer: &Answer, low: &LowScores) -> bool {
    let (value, scale) = match (&answer.value, question.answers.scale()) {
        (AnswerValue::Rating(value), Some(scale)) => (*value, scale),
        (AnswerValue::YesNo(false), None) => return low.fcr && question.kind == QuestionKind::Fcr,
        _ => return false,
    };
    let from_worst = match scale.better {
        Better::Higher => value - scale.min,
        Better::Lower => scale.max - value,
    };
    if let Some(bound) = question.low_at {
        return match scale.better {
            Better::Higher => value <= bound,
            Better::Lower => value >= bound,
        };
    }
    let share = match question.kind {
        QuestionKind::Csat => low.csat,
        QuestionKind::Nps => low.nps,
        QuestionKind::Ces => low.ces,
        QuestionKind::Fcr | QuestionKind::YesNo | QuestionKind::Menu | QuestionKind::Comment => None,
    };
    let length = f64::from(scale.max - scale.min);
    share.is_some_and(|share| f64::from(from_worst) <= share * length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::{Catalogues, SurveySet};
    use crate::domain::{
        CallId, DecisionReason, Digit, GivenBy, Language, PromptCatalogue, PromptName, SurveyVersion,
    };
    use crate::speech::grammar::Grammars;

    const SURVEY: &str = r#"
        version = 3
        title = "t"
        languages = ["en"]
        [[question]]
        id = "satisfied"
        kind = "csat"
        prompt = "q"
        [[question]]
        id = "effort"
        kind = "ces"
        prompt = "q"
        scale = { min = 1, max = 5, direction = "lower_is_better" }
        low_at = 4
        [[question]]
        id = "recommend"
        kind = "nps"
        prompt = "q"
        [[question]]
        id = "solved"
        kind = "fcr"
        prompt = "q"
        [[question]]
        id = "call_back"
        kind = "yes_no"
        prompt = "q"
        callback = true
    "#;

    struct Prompts;
    impl PromptCatalogue for Prompts {
        fn duration(&self, _: &Language, _: &PromptName) -> Option<std::time::Duration> {
            Some(std::time::Duration::from_secs(1))
        }
    }

    fn follow(low: LowScores, origin: Origin) -> Follow {
        let has = Catalogues { prompts: &Prompts, grammars: &Grammars::default() };
        let (survey, _) = SurveySet::read(std::path::Path::new("s.toml"), SURVEY, has).unwrap();
        let decision = Decision {
            origin,
            survey: Some(("s".parse().unwrap(), SurveyVersion(3))),
            reason: DecisionReason::All,
            count: None,
            draw_ppm: None,
            ahead: None,
        };
        Follow::new(Arc::new(survey), decision, ("sales".parse().ok(), "C1".parse().ok()), low)
    }

    fn entry(fact: Fact) -> Entry {
        Entry { call: CallId(uuid::Uuid::nil()), at_us: 5, fact }
    }

    fn answer(follow: &mut Follow, question: &str, value: AnswerValue) -> Vec<EventKind> {
        let question = follow.survey.questions().iter().find(|q| q.id.as_str() == question).unwrap();
        let fact = Fact::Answer(Answer {
            question: question.id.clone(),
            kind: question.kind,
            scale: question.answers.scale(),
            value,
            given_by: GivenBy::Key,
            keys: vec![Digit::from_char('1').unwrap()],
            ambiguous: false,
            attempt: 1,
            barge_in: false,
            took_ms: 1,
        });
        follow.take(&entry(fact)).into_iter().map(|h| h.kind).collect()
    }

    #[test]
    fn what_is_low_depends_on_kind_scale_and_direction() {
        let low = LowScores { csat: Some(0.25), ces: Some(0.0), nps: Some(0.3), fcr: true };
        use AnswerValue::{Rating, YesNo};
        for (question, value, is) in [
            ("satisfied", Rating(2), true),
            ("satisfied", Rating(3), false),
            ("effort", Rating(4), true), // The question's own bound.
            ("effort", Rating(3), false),
            ("recommend", Rating(3), true),
            ("recommend", Rating(4), false),
            ("solved", YesNo(false), true),
            ("solved", YesNo(true), false),
            ("call_back", YesNo(false), false),
        ] {
            let told = answer(&mut follow(low, Origin::Sampled), question, value.clone());
            assert_eq!(told.contains(&EventKind::LowScore), is, "{question} {value}");
            let off = answer(&mut follow(LowScores::default(), Origin::Sampled), question, value);
            assert_eq!(
                off.contains(&EventKind::LowScore),
                is && question == "effort",
                "{question} switched off"
            );
        }
    }

    #[test]
    fn a_call_tells_its_first_low_score_its_wish_and_its_end() {
        let low = LowScores { csat: Some(0.25), nps: Some(0.3), ..LowScores::default() };
        let mut call = follow(low, Origin::Sampled);
        assert_eq!(answer(&mut call, "satisfied", AnswerValue::Rating(1)), [EventKind::LowScore]);
        assert_eq!(answer(&mut call, "recommend", AnswerValue::Rating(0)), []);
        assert_eq!(answer(&mut call, "call_back", AnswerValue::YesNo(true)), [EventKind::Callback]);
        let ended = |disposition| {
            entry(Fact::Ended { disposition, left_at: None, failure: None, by_caller: false, stats: None })
        };
        assert_eq!(call.clone().take(&ended(Disposition::Partial)), []);
        let told = call.take(&ended(Disposition::Complete));
        assert_eq!((told.len(), told[0].kind, told[0].answers.len()), (1, EventKind::Completed, 3));
        let mut mystery = follow(low, Origin::Mystery);
        assert_eq!(answer(&mut mystery, "satisfied", AnswerValue::Rating(1)), []);
    }
}
