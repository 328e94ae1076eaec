//! The survey's own workings: the way through it, and how calls were chosen. Counts of calls, no answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Results, Slice, SliceName, View, ViewError, read};
use crate::domain::{AgentId, Period, SurveyId, TeamId, Viewer};
use crate::scoring::{Expected, Stratum, Verdict, expected};

/// What callers did at one question. Behaviour of all callers of a survey, no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The question's name.
    pub question: String,
    /// Callers who heard it begin.
    pub heard: u64,
    /// Times that it was asked again.
    pub asked_again: u64,
    /// Answered by key.
    pub by_key: u64,
    /// Answered by voice.
    pub by_voice: u64,
    /// Answered by voice and confirmed.
    pub by_voice_confirmed: u64,
    /// Comments left.
    pub comments: u64,
    /// Times that nothing came.
    pub no_input: u64,
    /// Times that something else came.
    pub no_match: u64,
    /// Times that it was asked for again.
    pub repeated: u64,
    /// Passed over, for another reason than the survey's own rules.
    pub skipped: u64,
    /// Declined here.
    pub refused: u64,
    /// Left here.
    pub left: u64,
    /// Milliseconds from the start of the question to the answer, over all answers.
    pub took_ms: u64,
}

/// The way through one survey.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Journey {
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// The questions, the most heard first.
    pub steps: Vec<Step>,
}

/// How one agent's calls were chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SamplingRow {
    /// The agent; `None` for calls that named none.
    pub agent: Option<AgentId>,
    /// The agent's team.
    pub team: Option<TeamId>,
    /// All calls of the agent that were offered.
    pub offered: u64,
    /// Calls that could have been chosen.
    pub eligible: u64,
    /// Calls that were.
    pub selected: u64,
    /// How many would be, had the agent's calls been chosen as often as all calls of the same queues; with the range
    /// that 95 of 100 such agents would lie in.
    pub expected: Expected,
    /// Whether [`Self::selected`] lies in that range.
    pub verdict: Verdict,
    /// Eligible calls that the agent ended.
    pub agent_hung_up: u64,
    /// Eligible calls that the caller ended.
    pub caller_hung_up: u64,
    /// Calls that were not eligible: too short, same caller, caps, hours, lists.
    pub excluded: u64,
    /// Calls that the agent sent on purpose.
    pub sent: u64,
    /// Calls that were chosen ahead and never came.
    pub not_transferred: u64,
}

/// How calls were chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampling {
    /// The period.
    pub period: Period,
    /// The agents, by name.
    pub rows: Vec<SamplingRow>,
    /// Calls that named no agent.
    pub orphans: u64,
    /// All calls offered.
    pub offered: u64,
    /// Calls that agents sent on purpose.
    pub sent: u64,
    /// Eligible calls that the agent ended.
    pub agent_hung_up: u64,
    /// Eligible calls that the caller ended.
    pub caller_hung_up: u64,
}

impl Results {
    /// What callers did at each question, of one survey as a rule.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn journey(&self, viewer: &Viewer, slice: Slice<'_>) -> Result<Journey, ViewError> {
        self.look(viewer, View::Journey, slice.scope(None)).await?;
        let (views, weeks) = (self.store.views(), slice.period.weeks());
        let of = Some((slice.survey, slice.origin));
        let columns = ["question", "what"];
        let counts = read::counts(views, "journey_weeks", columns, "n", &weeks, of).await?;
        let took = read::counts(views, "journey_weeks", columns, "took_ms", &weeks, of).await?;
        let mut steps: BTreeMap<String, Step> = BTreeMap::new();
        for ([question, what], n) in counts {
            let step = steps.entry(question.clone()).or_insert_with(|| Step { question, ..Step::default() });
            let place = match what.as_str() {
                "heard" => &mut step.heard,
                "asked_again" => &mut step.asked_again,
                "key" => &mut step.by_key,
                "voice" => &mut step.by_voice,
                "voice_confirmed" => &mut step.by_voice_confirmed,
                "comment" => &mut step.comments,
                "no_input" => &mut step.no_input,
                "no_match" => &mut step.no_match,
                "repeated" => &mut step.repeated,
                "skipped" => &mut step.skipped,
                "refused" => &mut step.refused,
                "left" => &mut step.left,
                _ => continue,
            };
            *place += n;
        }
        for ([question, _], ms) in took {
            if let Some(step) = steps.get_mut(&question) {
                step.took_ms += ms;
            }
        }
        let mut steps: Vec<Step> = steps.into_values().collect();
        steps.sort_by_key(|step| std::cmp::Reverse(step.heard));
        Ok(Journey { slice: slice.named(), steps })
    }

    /// The survey that most callers began in a period: the one to show the way through, where nobody asks for another.
    /// It tells nothing that is not looked at through [`Self::journey`], which puts it on record.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn busiest_survey(
        &self,
        viewer: &Viewer,
        slice: Slice<'_>,
    ) -> Result<Option<SurveyId>, ViewError> {
        super::allowed(viewer, View::Journey)?;
        let (views, weeks) = (self.store.views(), slice.period.weeks());
        let of = Some((None, slice.origin));
        let counts = read::counts(views, "journey_weeks", ["survey", "what"], "n", &weeks, of).await?;
        let heard = counts.into_iter().filter(|([_, what], _)| what == "heard");
        Ok(heard.max_by_key(|(_, n)| *n).and_then(|([survey, _], _)| survey.parse().ok()))
    }

    /// How calls were chosen: for the agents of the viewer's teams, against all calls of the same queues.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn sampling(&self, viewer: &Viewer, period: Period) -> Result<Sampling, ViewError> {
        self.look(viewer, View::Sampling, Slice::of(period).scope(None)).await?;
        let columns = ["agent", "queue", "what"];
        let weeks = period.weeks();
        let counts = read::counts(self.store.views(), "sampling_weeks", columns, "n", &weeks, None).await?;
        let mut by_agent: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>> = BTreeMap::new();
        let mut by_queue: BTreeMap<String, Stratum> = BTreeMap::new();
        let mut sampling = Sampling {
            period,
            rows: Vec::new(),
            orphans: 0,
            offered: 0,
            sent: 0,
            agent_hung_up: 0,
            caller_hung_up: 0,
        };
        for ([agent, queue, what], n) in counts {
            let stratum = by_queue.entry(queue.clone()).or_default();
            match what.as_str() {
                "eligible" => stratum.all += n,
                "selected" => stratum.chosen += n,
                "sent" => sampling.sent += n,
                "agent_first" => sampling.agent_hung_up += n,
                "caller_first" => sampling.caller_hung_up += n,
                "offered" => {
                    sampling.offered += n;
                    sampling.orphans += if agent.is_empty() { n } else { 0 };
                }
                _ => {}
            }
            *by_agent.entry(agent).or_default().entry(queue).or_default().entry(what).or_default() += n;
        }
        for (agent, queues) in by_agent {
            let agent = agent.parse().ok();
            if !self.in_teams(viewer, agent.as_ref()) {
                continue;
            }
            let of = |what: &str| queues.values().filter_map(|counts| counts.get(what)).sum::<u64>();
            let own = |queue: &str| queues[queue].get("eligible").copied().unwrap_or_default();
            let strata: Vec<Stratum> =
                queues.keys().map(|queue| Stratum { own: own(queue), ..by_queue[queue] }).collect();
            let (expected, selected) = (expected(&strata), of("selected"));
            #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            let verdict = Verdict::of(selected as f64, expected.low, expected.high);
            sampling.rows.push(SamplingRow {
                team: agent.as_ref().and_then(|agent| self.policy.team_of(agent)).cloned(),
                agent,
                offered: of("offered"),
                eligible: of("eligible"),
                selected,
                expected,
                verdict,
                agent_hung_up: of("agent_first"),
                caller_hung_up: of("caller_first"),
                excluded: of("excluded"),
                sent: of("sent"),
                not_transferred: of("not_transferred"),
            });
        }
        Ok(sampling)
    }
}
