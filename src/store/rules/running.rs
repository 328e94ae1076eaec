//! The calls that run now, as supervisors see them.

use jiff::Timestamp;

use super::{Results, View, ViewError};
use crate::domain::{AgentId, CallId, Origin, Progress, QueueId, SurveyId, Viewer};

/// A survey that is being held. There is no question in it and no number of answers, since a question that is asked only
/// after some answers tells them by being asked; nor is a change of either told. How long a call lasts can be seen here
/// as it can on the telephone system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningSurvey {
    /// The call.
    pub id: CallId,
    /// When it was answered.
    pub since: Timestamp,
    /// The agent, where one is known.
    pub agent: Option<AgentId>,
    /// The queue, where one is known.
    pub queue: Option<QueueId>,
    /// The survey.
    pub survey: SurveyId,
    /// Where it comes from.
    pub origin: Origin,
    /// How far it has come.
    pub progress: Progress,
}

impl Results {
    /// Puts on record that somebody opens the calls that run now. They are held elsewhere; nothing of them is stored.
    ///
    /// # Errors
    /// [`ViewError`]: then they are not to be shown.
    pub async fn watch_running(&self, viewer: &Viewer) -> Result<(), ViewError> {
        self.look(viewer, View::Running, "now".to_owned()).await
    }

    /// Those of the calls that the viewer sees: of the agents of their teams.
    pub fn running(
        &self,
        viewer: &Viewer,
        calls: impl IntoIterator<Item = impl Into<RunningSurvey>>,
    ) -> Vec<RunningSurvey> {
        let calls = calls.into_iter().map(Into::into);
        calls.filter(|call: &RunningSurvey| self.in_teams(viewer, call.agent.as_ref())).collect()
    }
}
