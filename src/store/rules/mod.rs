//! Who may see what of the results, as types: every view takes a [`Viewer`], refuses the wrong role with
//! [`ViewError::Denied`], writes to the audit log, and only then reads; and it gives back a type that holds what the
//! role may see and nothing else.
//!
//! | role | views |
//! | --- | --- |
//! | agent | [`Results::my_weeks`] |
//! | supervisor | all aggregates; those of single agents for the agents of their teams |
//! | quality | [`Results::calls`], [`Results::call`], [`Results::recording`], [`Results::comments`], [`Results::task_number`], with a reason; [`Results::task_cards`] |
//! | admin | no results; [`Results::messages`], which tells how messages fared and not what they say; [`Results::audit`] |
//!
//! # Aggregates are made of whole groups of calls
//!
//! What supervisors see must not give away single answers: not by one look, and not by the difference of two looks at
//! other times, periods or parts of the centre. Hiding small cells does not do that, since a total less the cells that
//! are shown is what is hidden; and hiding more cells until it fits depends on everything that was ever shown.
//! So calls are put together once, when they end, into *groups* of at least `cell_min` calls with answers, of one origin,
//! survey and agent, and everything shown that depends on answers is a sum over whole groups: a group counts in full or not
//! at all, in the week and day in which it became full, and never changes afterwards. Any two sums then differ by whole
//! groups, whatever periods, agents, teams, queues and surveys they are over and whenever they were asked for. So do all
//! the sums and differences of any number of them: nothing about fewer than `cell_min` callers can be had from the
//! figures, and no filter has to be forbidden for it.
//!
//! A group is of calls and not of answers to one question because surveys ask some questions only after some answers
//! (`when = "effort >= 4"`). That such a question was heard, answered, left or commented on tells the answer before it. So
//! all that a call brings counts in the same group and at the same moment, and that moment depends on how many callers
//! answered, never on what: who counted anna's calls on their fingers would know it already. Callers of one group are
//! interchangeable: had two of them told each other's story, no view would ever have differed (`attack_tests.rs`).
//!
//! Within full groups a question may still have been answered by fewer than `cell_min`; its answers wait for those of the
//! agent's next groups until there are as many. That is a *tile*, and a score is made of tiles. With it counts how many of
//! those calls, and of the calls without any answer, heard the question: the score's non-response.
//!
//! A group belongs to one queue when `cell_min` of the agent's waiting calls came through one; else it counts under
//! [`QueueName::Several`]. Mystery and trial calls have no customer to protect: each of them is a group. Calls that wait are
//! the price; they are fewer than three groups' worth for each agent and survey, and count when theirs is full.
//!
//! Shown exactly, because no answer decides about it, is how many calls came how far, how they ended and how they were
//! chosen; and what callers did who gave no answer at all. Of a call that runs it is shown how far it has come, and neither
//! a question nor how many ([`RunningSurvey`]). What is left is what the telephone system shows too: how long a call lasts,
//! which is a little longer for those who are asked more. Filters of aggregates are a period and a survey; a page of one
//! agent or queue is the row of the table with more detail.
//!
//! What callers say in their own words is for the role of quality. Supervisors see how many comments were left, in whole
//! groups of calls, and in how many each group of key words was found, over the whole centre, in steps of `cell_min`
//! comments that hold it, with as many between two steps that do not (`store/words.rs`): a word of four callers is not
//! shown, and no two looks differ by fewer than five. Words count one group later than their call, since those of the last
//! call of a group are found only after it counts.
//!
//! # An agent's own results
//!
//! An agent sees single responses, but no call: no time, no queue, no reference, in an order that has nothing to do
//! with time, in batches of whole weeks with at least `agent_batch_min` responses, two weeks late. Only sampled ones:
//! an agent knows which callers they sent on purpose, so those would be single, known calls.

mod access;
mod aggregates;
#[cfg(test)]
mod attack_tests;
mod audit;
mod board;
mod calls;
mod live;
mod mine;
mod operations;
mod process;
mod read;
mod running;
mod tasks;
#[cfg(test)]
mod tests;
mod types;
#[cfg(test)]
mod views_tests;

pub use access::{Denied, Reason, ReasonError, View, ViewError};
pub use audit::audit_names;
pub use calls::{CallDetail, CommentDetail, CommentText};
pub use live::OverviewWatch;
pub use mine::{AgentWeek, AnonymousResponse, MyWeeks, Whose};
pub use operations::{LINE_CALLS_MAX, Line};
pub use process::{Journey, Sampling, SamplingRow, Step};
pub use running::RunningSurvey;
pub use tasks::{ChangeError, NOTE_MAX, TaskCard};
pub use types::*;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::PolicyConfig;
use crate::domain::{AgentId, Role, UserId, Viewer};
use crate::store::{Note, Store};

/// The same look at an aggregate by the same user is written to the audit log once in so long.
const SAME_LOOK: Duration = Duration::from_secs(60);
/// Looks remembered for that; with more, some are written again sooner.
const LOOKS_MAX: usize = 10_000;

/// What may be seen, under a policy. Cheap to clone; make a new one when the policy changes.
#[derive(Clone, Debug)]
pub struct Results {
    store: Store,
    policy: Arc<PolicyConfig>,
    looks: Arc<Mutex<HashMap<Look, Instant>>>,
    closed: read::Closed,
}

/// Who looked at what of what.
type Look = (UserId, View, String);

impl Results {
    /// The results in a store.
    #[must_use]
    pub fn new(store: Store, policy: Arc<PolicyConfig>) -> Self {
        Self { store, policy, looks: Arc::default(), closed: read::Closed::default() }
    }

    /// Refuses the wrong role; writes a look at an aggregate to the audit log, the same one once in a minute.
    async fn look(&self, viewer: &Viewer, view: View, scope: String) -> Result<(), ViewError> {
        allowed(viewer, view)?;
        let look = (viewer.user, view, scope.clone());
        let known =
            |looks: &HashMap<Look, Instant>| looks.get(&look).is_some_and(|at| at.elapsed() < SAME_LOOK);
        if known(&self.looks.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        self.store.note(Note::of(viewer, view.as_str(), scope, "")).await?;
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= LOOKS_MAX {
            looks.clear();
        }
        looks.insert(look, Instant::now());
        Ok(())
    }

    /// Refuses the wrong role; writes every look to the audit log.
    async fn look_closely(
        &self,
        viewer: &Viewer,
        view: View,
        scope: String,
        reason: &str,
    ) -> Result<(), ViewError> {
        allowed(viewer, view)?;
        self.store.note(Note::of(viewer, view.as_str(), scope, reason)).await?;
        Ok(())
    }

    /// Whether a supervisor sees this agent.
    fn in_teams(&self, viewer: &Viewer, agent: Option<&AgentId>) -> bool {
        viewer.teams.is_empty()
            || agent
                .and_then(|agent| self.policy.team_of(agent))
                .is_some_and(|team| viewer.teams.contains(team))
    }
}

fn allowed(viewer: &Viewer, view: View) -> Result<(), Denied> {
    if viewer.role != view.role() {
        return Err(Denied::Role { role: viewer.role, view });
    }
    if viewer.role == Role::Agent && viewer.agent.is_none() {
        return Err(Denied::NoAgent);
    }
    Ok(())
}
