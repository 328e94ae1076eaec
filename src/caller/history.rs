//! Calls of the past without calls: each caller of a made-up contact centre goes through the real conversation
//! ([`Dialogue`]) on a clock of its own, and what that records is the history. All of it is marked as a trial.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::dialogue::{Action, Actions, Answers, Dialogue, Event, Question, Survey, language_question};
use crate::domain::{
    AgentId, Better, CallRef, Codec, Decision, DecisionReason, Digit, Entry, Fact, KeyPath, Origin, Party,
    PlayId, QueueId, Scale, StoredContext, Trigger, TrunkId,
};

/// The trunk that made-up calls came by.
const TRUNK: &str = "history";
/// How long one prompt plays.
const PROMPT: Duration = Duration::from_millis(2_600);
/// Between two keys of one answer.
const BETWEEN_KEYS: Duration = Duration::from_millis(350);
/// Steps of one conversation, which is over long before.
const STEPS_MAX: usize = 500;
/// Share of the working day's calls by hour, from 8 to 18.
const HOURS: [u32; 10] = [6, 10, 13, 12, 9, 8, 11, 12, 9, 5];

/// A contact centre that had callers.
#[derive(Clone, Debug)]
pub struct History {
    /// Calls that were answered for a survey.
    pub calls: u64,
    /// Days before `until` over which they are spread.
    pub days: u16,
    /// The end of it.
    pub until: Timestamp,
    /// Agents; each has a quality of its own, which drifts.
    pub agents: u16,
    /// Queues; agents are spread over them. Never empty.
    pub queues: Vec<QueueId>,
    /// What callers were asked, one survey per queue in turn. Never empty.
    pub surveys: Vec<Arc<Survey>>,
    /// All draws come from this.
    pub seed: u64,
}

/// One call as it went: when it came, and each fact with the time after that.
#[derive(Clone, Debug, PartialEq)]
pub struct PastCall {
    /// When it was offered.
    pub at: Timestamp,
    facts: Vec<(Duration, Fact)>,
}

impl PastCall {
    /// The journal's lines under an id.
    #[must_use]
    pub fn entries(self, call: crate::domain::CallId) -> Vec<Entry> {
        let start_us = self.at.as_microsecond();
        let at_us = |after: Duration| start_us.saturating_add(i64::try_from(after.as_micros()).unwrap_or(0));
        self.facts.into_iter().map(|(after, fact)| Entry { call, at_us: at_us(after), fact }).collect()
    }
}

struct Agent {
    id: AgentId,
    queue: usize,
    /// What callers thought of them at the end, 0-1.
    quality: f64,
    /// How much less that was at the beginning.
    drift: f64,
}

impl History {
    /// The calls, from the first to the last.
    pub fn calls(&self) -> impl Iterator<Item = PastCall> + '_ {
        let mut random = StdRng::seed_from_u64(self.seed);
        let agents = self.staff(&mut random);
        let mut done = 0;
        let days = u64::from(self.days.max(1));
        (0..days).flat_map(move |day| {
            let due = self.calls * (day + 1) / days;
            let mut times: Vec<Timestamp> = (done..due).map(|_| self.time(days - day, &mut random)).collect();
            times.sort();
            let first = std::mem::replace(&mut done, due);
            let share = (day + 1) as f64 / days as f64;
            let calls: Vec<PastCall> = (first..)
                .zip(times)
                .map(|(number, at)| {
                    let agent = &agents[random.random_range(0..agents.len())];
                    self.call(number, at, agent, share, &mut random)
                })
                .collect();
            calls
        })
    }

    fn staff(&self, random: &mut StdRng) -> Vec<Agent> {
        let agent = |number: u16| {
            let id = format!("agent-{:02}", number + 1).parse().ok()?;
            let queue = usize::from(number) % self.queues.len();
            let (quality, drift) = (random.random_range(0.45..0.95), random.random_range(-0.08..0.12));
            Some(Agent { id, queue, quality, drift })
        };
        (0..self.agents.max(1)).filter_map(agent).collect()
    }

    /// A time in working hours (UTC) `ago` days before the end. At weekends half of the calls move to the Monday.
    fn time(&self, ago: u64, random: &mut StdRng) -> Timestamp {
        let day = SignedDuration::from_hours(24 * i64::try_from(ago).unwrap_or(0));
        let mut date =
            self.until.saturating_sub(day).map_or(self.until, |at| at).to_zoned(TimeZone::UTC).date();
        let weekend = date.weekday().to_monday_zero_offset() >= 5;
        if weekend && random.random_bool(0.5) {
            let monday = date.nth_weekday(1, jiff::civil::Weekday::Monday).unwrap_or(date);
            let over = monday.to_zoned(TimeZone::UTC).is_ok_and(|monday| monday.timestamp() > self.until);
            date = if over { date } else { monday };
        }
        let mut left = random.random_range(0..HOURS.iter().sum::<u32>());
        let hour = HOURS.iter().position(|&weight| match left.checked_sub(weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        let seconds = (8 + hour.unwrap_or(0) as i64) * 3600 + random.random_range(0..3600);
        let midnight = date.to_zoned(TimeZone::UTC).map_or(self.until, |midnight| midnight.timestamp());
        let at = midnight.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(self.until);
        at.min(self.until)
    }

    fn call(&self, number: u64, at: Timestamp, agent: &Agent, share: f64, random: &mut StdRng) -> PastCall {
        let survey = &self.surveys[agent.queue % self.surveys.len()];
        let talk_s = (30.0 * 20f64.powf(random.random_range(0.0..1.0))) as u32;
        let party = if random.random_bool(0.7) { Party::Caller } else { Party::Agent };
        let context = StoredContext {
            trunk: TRUNK.parse::<TrunkId>().expect("a short plain name"),
            agent: Some(agent.id.clone()),
            queue: Some(self.queues[agent.queue].clone()),
            call_ref: format!("past-{}-{number}", self.seed).parse::<CallRef>().ok(),
            caller: None,
            language: None,
            trigger: Trigger::Test,
            talk_s: Some(talk_s),
            first_hang_up: Some(party),
        };
        let decision = Decision {
            origin: Origin::Test,
            survey: Some((survey.id.clone(), survey.version)),
            reason: DecisionReason::TestCall,
            count: None,
            draw_ppm: None,
            ahead: None,
        };
        let before = [Fact::Offered(context), Fact::Decided(decision), Fact::Answered { codec: Codec::Pcma }];
        let mut facts: Vec<_> = before.into_iter().map(|fact| (Duration::ZERO, fact)).collect();
        let content = agent.quality - agent.drift * (1.0 - share);
        facts.extend(Line::new(survey, content, random).held());
        PastCall { at, facts }
    }
}

/// What a caller does beside answering.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answers,
    /// Presses a key that is no answer first.
    ErrsOnce,
    /// Never presses a key.
    Silent,
    /// Hangs up so many ms after the beginning.
    Leaves(u64),
}

/// One conversation on its own clock.
struct Line<'a> {
    survey: &'a Arc<Survey>,
    random: &'a mut StdRng,
    content: f64,
    manner: Manner,
    dialogue: Dialogue,
    began: Instant,
    now: Instant,
    playing: Option<(PlayId, Instant)>,
    keys: Vec<(Instant, Digit)>,
    facts: Vec<(Duration, Fact)>,
}

impl<'a> Line<'a> {
    fn new(survey: &'a Arc<Survey>, content: f64, random: &'a mut StdRng) -> Self {
        let manner = match random.random_range(0..100) {
            0..66 => Manner::Answers,
            66..76 => Manner::ErrsOnce,
            76..86 => Manner::Silent,
            _ => Manner::Leaves(random.random_range(1_500..22_000)),
        };
        let began = Instant::now();
        let dialogue = Dialogue::new(Arc::clone(survey), survey.languages.first());
        let (keys, facts) = (Vec::new(), Vec::new());
        Self { survey, random, content, manner, dialogue, began, now: began, playing: None, keys, facts }
    }

    /// The facts of the whole conversation.
    fn held(mut self) -> Vec<(Duration, Fact)> {
        let mut event = Event::Answered;
        for _ in 0..STEPS_MAX {
            let actions = self.dialogue.handle(event, self.now);
            if self.perform(actions) {
                break;
            }
            event = self.next();
        }
        self.facts
    }

    /// Whether it is over.
    fn perform(&mut self, actions: Actions) -> bool {
        let mut over = false;
        for action in actions {
            match action {
                Action::Record(fact) => self.record(fact),
                Action::Play { id, prompts, .. } => {
                    let length = PROMPT * u32::try_from(prompts.len()).unwrap_or(1);
                    self.playing = Some((id, self.now + length));
                }
                Action::StopPlaying => self.playing = None,
                Action::End(outcome) => {
                    self.record(Fact::Ended {
                        disposition: outcome.disposition,
                        left_at: outcome.left_at,
                        failure: outcome.failure,
                        by_caller: outcome.by_caller,
                        stats: None,
                    });
                    over = true;
                }
                // Nobody says anything here.
                Action::Listen { .. } | Action::StopListening | Action::FinishListening | Action::HangUp => {}
            }
        }
        over
    }

    fn record(&mut self, fact: Fact) {
        self.facts.push((self.now - self.began, fact));
    }

    /// What happens first: the caller leaves or presses a key, a prompt ends, a wait ends.
    fn next(&mut self) -> Event {
        let leaves = match self.manner {
            Manner::Leaves(ms) => Some(self.began + Duration::from_millis(ms)),
            _ => None,
        };
        let (key, prompt) = (self.keys.first().map(|(at, _)| *at), self.playing.map(|(_, at)| at));
        let first = [leaves, key, prompt, self.dialogue.poll_timeout()].into_iter().flatten().min();
        let Some(first) = first else { return Event::CallerGone };
        self.now = first.max(self.now);
        if leaves == Some(first) {
            return Event::CallerGone;
        }
        if key == Some(first) {
            let (_, digit) = self.keys.remove(0);
            return Event::Key { digit, path: KeyPath::Rfc4733 };
        }
        match self.playing.take_if(|(_, at)| *at == first) {
            Some((id, _)) => {
                self.think();
                Event::PlayDone(id)
            }
            None => Event::Timeout,
        }
    }

    /// A question is over: the caller makes up their mind.
    fn think(&mut self) {
        let Some(open) = self.dialogue.open_question() else { return };
        if self.manner == Manner::Silent || !self.keys.is_empty() {
            return;
        }
        let keys = match self.survey.questions().iter().find(|question| question.id == open) {
            _ if open == language_question() => "1".to_owned(),
            Some(question) if self.manner == Manner::ErrsOnce => {
                self.manner = Manner::Answers;
                wrong_key(question)
            }
            Some(question) => self.answer(question),
            None => return,
        };
        let mut at = self.now + Duration::from_millis(self.random.random_range(300..2_500));
        for digit in keys.chars().filter_map(Digit::from_char) {
            self.keys.push((at, digit));
            at += BETWEEN_KEYS;
        }
    }

    /// The keys of an answer: the better the agent, the better it is, with much of the caller's own in it.
    fn answer(&mut self, question: &Question) -> String {
        let felt = (self.content + self.random.random_range(-0.35..0.3)).clamp(0.0, 1.0);
        match &question.answers {
            // People who would recommend at all tend to say eight and up.
            Answers::Rating { scale, .. } if *scale == Scale::NPS => rating(*scale, felt.sqrt()).to_string(),
            Answers::Rating { scale, .. } => rating(*scale, felt).to_string(),
            Answers::YesNo => if self.random.random_bool(0.3 + 0.65 * felt) { "1" } else { "2" }.to_owned(),
            Answers::Menu(choices) => {
                // The first choice is the commonest complaint.
                let choice = (self.random.random_range(0.0f64..1.0).powi(2) * choices.len() as f64) as usize;
                choices.get(choice).map(|choice| choice.key.to_string()).unwrap_or_default()
            }
            Answers::Comment { .. } => String::new(),
        }
    }
}

fn rating(scale: Scale, felt: f64) -> i16 {
    let steps = (felt * f64::from(scale.max - scale.min)).round() as i16;
    match scale.better {
        Better::Higher => scale.min + steps,
        Better::Lower => scale.max - steps,
    }
}

/// A key that answers nothing here, if there is one.
fn wrong_key(question: &Question) -> String {
    let means = |key: char| match &question.answers {
        Answers::Rating { scale, .. } => key.to_digit(10).is_some_and(|n| scale.holds(n as i16)),
        Answers::YesNo => "12".contains(key),
        Answers::Menu(choices) => choices.iter().any(|choice| choice.key.to_string() == key.to_string()),
        Answers::Comment { .. } => true,
    };
    let free = ('1'..='8').rev().find(|&key| !means(key));
    free.map(String::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::{Catalogues, SurveySet};
    use crate::domain::Disposition;
    use crate::fuzz::{EveryGrammar, EveryPrompt};

    fn survey(name: &str) -> Arc<Survey> {
        let has = Catalogues { prompts: &EveryPrompt, grammars: &EveryGrammar };
        let (surveys, _) = SurveySet::load(std::path::Path::new("config/surveys"), has).unwrap();
        Arc::clone(surveys.get(&name.parse().unwrap()).unwrap())
    }

    fn history(calls: u64, seed: u64) -> History {
        let until = "2026-03-31T12:00:00Z".parse().unwrap();
        let queues = vec!["support".parse().unwrap(), "billing".parse().unwrap()];
        let surveys = vec![survey("service"), survey("short")];
        History { calls, days: 90, until, agents: 8, queues, surveys, seed }
    }

    #[test]
    fn every_call_is_a_whole_conversation_of_its_time() {
        let history = history(2_000, 4);
        let calls: Vec<PastCall> = history.calls().collect();
        assert_eq!(calls.len(), 2_000);
        let from = history.until.saturating_sub(SignedDuration::from_hours(91 * 24)).unwrap();
        let mut dispositions = std::collections::BTreeMap::<Disposition, u32>::new();
        for call in &calls {
            assert!(call.at >= from && call.at <= history.until, "{}", call.at);
            assert!(call.facts.iter().map(|(after, _)| after).is_sorted());
            let ends = call.facts.iter().filter_map(|(_, fact)| match fact {
                Fact::Ended { disposition, .. } => Some(*disposition),
                _ => None,
            });
            let ends: Vec<_> = ends.collect();
            assert_eq!(ends.len(), 1, "{:?}", call.facts);
            *dispositions.entry(ends[0]).or_default() += 1;
        }
        for usual in
            [Disposition::Complete, Disposition::Partial, Disposition::BreakOff, Disposition::NoAnswer]
        {
            assert!(dispositions.get(&usual).is_some_and(|n| *n > 20), "{dispositions:?}");
        }
        assert_eq!(dispositions.get(&Disposition::Failed), None);
    }

    #[test]
    fn better_agents_get_better_answers_and_the_seed_decides_all() {
        let calls = |seed| history(300, seed).calls().collect::<Vec<_>>();
        assert_eq!(calls(1), calls(1));
        assert_ne!(calls(1), calls(2));
        let history = history(1, 1);
        let mean = |content: f64| {
            let mut random = StdRng::seed_from_u64(9);
            let mut values = Vec::new();
            for _ in 0..400 {
                let facts = Line::new(&history.surveys[0], content, &mut random).held();
                values.extend(facts.into_iter().filter_map(|(_, fact)| match fact {
                    Fact::Answer(answer) if answer.question.as_str() == "recommend" => answer.value.number(),
                    _ => None,
                }));
            }
            f64::from(values.iter().sum::<i16>()) / values.len() as f64
        };
        assert!(mean(0.9) > mean(0.4) + 2.0);
    }

    #[test]
    fn a_survey_that_asks_for_the_language_gets_it() {
        let mut history = history(50, 6);
        history.surveys = vec![survey("mood")];
        let said = |call: &PastCall| {
            call.facts.iter().any(|(_, fact)| *fact == Fact::LanguageSet { language: "en".parse().unwrap() })
        };
        assert!(history.calls().filter(said).count() > 20);
    }
}
