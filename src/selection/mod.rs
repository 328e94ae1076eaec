//! Who is surveyed, and why not. Pure: the time is an argument, the only chance is a seeded generator.
//!
//! In order: trial calls and mystery callers are always surveyed; then the do-not-survey list, which nothing
//! overrides; then a conversation that was surveyed already; then the agent's own trigger, always surveyed; then, for everyone else, eligibility (talk time, hours,
//! the caller's window, caps) and the queue's rule over the eligible ones. Only sampled calls count towards caps and
//! windows, so an agent can neither use them up nor hide a caller behind them.

mod lists;
mod memory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::config::{Fault, Hours, QueueRule, Rule, SelectionConfig};
use crate::domain::{
    CallContext, CallerHash, Decision, DecisionReason, Origin, QueueId, SurveyId, SurveyVersion, Trigger,
};

pub use lists::{ListError, Lists};
pub use memory::{Conversation, SelectionState};

use memory::{Callers, Conversations, Counts, Daily};

/// Parts per million, in which draws are kept.
const PPM: u32 = 1_000_000;

/// Decides for one call after the other.
#[derive(Clone, Debug)]
pub struct Selector {
    config: SelectionConfig,
    zone: TimeZone,
    surveys: BTreeMap<SurveyId, SurveyVersion>,
    lists: Lists,
    seed: u64,
    random: ChaCha12Rng,
    counts: Counts<Option<QueueId>>,
    today: Daily,
    callers: Callers,
    conversations: Conversations,
}

impl Selector {
    /// A selector that takes up where `state` ended. `surveys` are those that can be held; `fresh_seed` is used where
    /// the configuration names none.
    ///
    /// # Errors
    /// The time zone is unknown.
    pub fn new(
        config: SelectionConfig,
        surveys: impl IntoIterator<Item = (SurveyId, SurveyVersion)>,
        lists: Lists,
        state: SelectionState,
        fresh_seed: u64,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let zone = config.zone()?;
        let seed = config.seed.unwrap_or(fresh_seed);
        let (mut counts, mut today, mut callers) = (Counts::default(), Daily::default(), Callers::default());
        for (queue, n) in state.counts {
            counts.add(&queue, n, || 0);
        }
        today.turn_to(now.to_zoned(zone.clone()).date());
        for (queue, agent, n) in state.today {
            today.add(&queue, agent.as_ref(), n);
        }
        for (caller, at) in state.callers {
            callers.add(caller, at, config.same_caller_max);
        }
        let mut conversations = Conversations::default();
        for (name, at) in state.conversations {
            conversations.end(name, true, at, config.same_caller_max);
        }
        Ok(Self {
            config,
            zone,
            surveys: surveys.into_iter().collect(),
            lists,
            seed,
            random: ChaCha12Rng::seed_from_u64(seed),
            counts,
            today,
            callers,
            conversations,
        })
    }

    /// Takes over a new configuration; counts and memory stay.
    ///
    /// # Errors
    /// The time zone is unknown; then nothing has changed.
    pub fn reload(
        &mut self,
        config: SelectionConfig,
        surveys: impl IntoIterator<Item = (SurveyId, SurveyVersion)>,
        lists: Lists,
    ) -> Result<(), Fault> {
        self.zone = config.zone()?;
        self.config = config;
        self.surveys = surveys.into_iter().collect();
        self.lists = lists;
        Ok(())
    }

    /// The seed of the random draws, for the log: with it and the journal every draw can be made again.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// When the day began, and how far back callers and conversations matter: what [`SelectionState`] must hold.
    #[must_use]
    pub fn horizon(config: &SelectionConfig, zone: &TimeZone, now: Timestamp) -> [Timestamp; 3] {
        let zoned = now.to_zoned(zone.clone());
        let day = zoned.start_of_day().map_or(now, |start| start.timestamp());
        let back = |window| {
            let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
            now.saturating_sub(window).unwrap_or(Timestamp::MIN)
        };
        [day, back(config.same_caller_window), back(config.same_call_window)]
    }

    /// A caller whom earlier versions may have known by other hashes is known by this one from now on.
    pub fn recognise(&mut self, caller: CallerHash, former: &[CallerHash]) {
        for &former in former {
            self.callers.rename(former, caller);
            self.lists.rename(former, caller);
        }
    }

    /// Decides for one call. What is decided counts at once.
    pub fn decide(&mut self, context: &CallContext, caller: Option<CallerHash>, now: Timestamp) -> Decision {
        let rule = self.config.queues.iter().find(|rule| rule.matches(context.queue.as_ref())).cloned();
        let origin = self.origin(context, caller);
        let refuse =
            |reason| Decision { origin, survey: None, reason, count: None, draw_ppm: None, ahead: None };
        let named = rule.as_ref().and_then(|rule| rule.survey.as_ref()).unwrap_or(&self.config.survey);
        let id = context.survey.as_ref().unwrap_or(named).clone();
        let Some(&version) = self.surveys.get(&id) else { return refuse(DecisionReason::UnknownSurvey) };
        let survey = Some((id, version));
        let always = |reason| Decision { survey: survey.clone(), ..refuse(reason) };
        match origin {
            Origin::Test => return always(DecisionReason::TestCall),
            Origin::Mystery => return always(DecisionReason::MysteryCaller),
            Origin::Agent | Origin::Sampled if self.lists.never(caller) => {
                return refuse(DecisionReason::DoNotSurvey);
            }
            Origin::Agent | Origin::Sampled if self.is_same_call(context, now) => {
                return refuse(DecisionReason::SameCall);
            }
            Origin::Agent => return always(DecisionReason::AgentTrigger),
            Origin::Sampled => {}
        }
        if let Some(reason) = self.not_eligible(context, caller, rule.as_ref(), now) {
            return refuse(reason);
        }
        let (reason, count, draw_ppm) = self.draw(rule.map_or(self.config.rule, |r| r.rule), &context.queue);
        let survey = match reason {
            DecisionReason::All | DecisionReason::Nth | DecisionReason::Drawn => survey,
            _ => None,
        };
        if survey.is_some() {
            self.today.add(&context.queue, context.agent.as_ref(), 1);
            if let Some(caller) = caller.filter(|_| !self.config.same_caller_window.is_zero()) {
                self.callers.add(caller, now, self.config.same_caller_max);
            }
        }
        Decision { origin, survey, reason, count, draw_ppm, ahead: None }
    }

    /// Whether this caller is on the list that nothing overrides.
    #[must_use]
    pub fn forbids(&self, caller: Option<CallerHash>) -> bool {
        self.lists.never(caller)
    }

    /// A survey of this conversation begins. Trial and mystery calls are no conversations.
    pub fn begin(&mut self, conversation: Conversation) {
        self.conversations.begin(conversation);
    }

    /// A survey of this conversation is over; says whether it brought an answer.
    pub fn end(&mut self, conversation: Conversation, answered: bool, now: Timestamp) {
        self.conversations.end(conversation, answered, now, self.config.same_caller_max);
    }

    fn is_same_call(&self, context: &CallContext, now: Timestamp) -> bool {
        let window = SignedDuration::try_from(self.config.same_call_window).unwrap_or(SignedDuration::MAX);
        let name = context.call_ref.clone().map(|call_ref| (call_ref, context.agent.clone()));
        !window.is_zero() && name.is_some_and(|name| self.conversations.has(&name, window, now))
    }

    fn origin(&self, context: &CallContext, caller: Option<CallerHash>) -> Origin {
        if context.trigger == Trigger::Test {
            Origin::Test
        } else if self.lists.is_mystery(context, caller) {
            Origin::Mystery
        } else if context.trigger == Trigger::Agent {
            Origin::Agent
        } else {
            Origin::Sampled
        }
    }

    fn not_eligible(
        &mut self,
        context: &CallContext,
        caller: Option<CallerHash>,
        rule: Option<&QueueRule>,
        now: Timestamp,
    ) -> Option<DecisionReason> {
        if rule.map_or(self.config.rule, |r| r.rule) == Rule::None {
            return Some(DecisionReason::NoRule);
        }
        let talk_min = rule.and_then(|r| r.talk_min).unwrap_or(self.config.talk_min);
        if context.talk.is_some_and(|talk| talk < talk_min) {
            return Some(DecisionReason::TalkTooShort);
        }
        let zoned = now.to_zoned(self.zone.clone());
        let hours = rule.and_then(|r| r.hours.as_ref()).unwrap_or(&self.config.hours);
        if !hours.is_empty() && !hours.iter().any(|stretch| is_open(stretch, &zoned)) {
            return Some(DecisionReason::OutsideHours);
        }
        let window = SignedDuration::try_from(self.config.same_caller_window).unwrap_or(SignedDuration::MAX);
        if caller.is_some_and(|caller| self.callers.seen_within(caller, window, now)) {
            return Some(DecisionReason::SameCaller);
        }
        self.today.turn_to(zoned.date());
        let reached = |cap: Option<u64>, n: u64| cap.is_some_and(|cap| n >= cap);
        if reached(self.config.cap_total, self.today.total) {
            return Some(DecisionReason::CapTotal);
        }
        let cap_queue = rule.and_then(|r| r.cap).or(self.config.cap_queue);
        if reached(cap_queue, self.today.queues.get(&context.queue)) {
            return Some(DecisionReason::CapQueue);
        }
        let of_agent = context.agent.as_ref().map_or(0, |agent| self.today.agents.get(agent));
        reached(self.config.cap_agent.filter(|_| context.agent.is_some()), of_agent)
            .then_some(DecisionReason::CapAgent)
    }

    /// Applies a rule to an eligible call.
    fn draw(&mut self, rule: Rule, queue: &Option<QueueId>) -> (DecisionReason, Option<u64>, Option<u32>) {
        match rule {
            Rule::All => (DecisionReason::All, None, None),
            Rule::None => (DecisionReason::NoRule, None, None),
            Rule::Every(n) => {
                // A random start: else each queue's first caller after a start would be known beforehand.
                let random = &mut self.random;
                let count = self.counts.add(queue, 1, || random.random_range(0..n.max(1)));
                let hit = count.is_multiple_of(n.max(1));
                (if hit { DecisionReason::Nth } else { DecisionReason::NotNth }, Some(count), None)
            }
            Rule::Share(share) => {
                let draw = self.random.random_range(0..PPM);
                let hit = f64::from(draw) < share * f64::from(PPM);
                (if hit { DecisionReason::Drawn } else { DecisionReason::NotDrawn }, None, Some(draw))
            }
        }
    }
}

fn is_open(stretch: &Hours, now: &jiff::Zoned) -> bool {
    let time = now.time();
    let before_end = stretch.to == jiff::civil::Time::midnight() || time < stretch.to;
    stretch.days.iter().any(|&day| now.weekday() == day.into()) && stretch.from <= time && before_end
}
