//! What is to be followed up, for the role of quality: it tells of single calls. Reading a number asks for a reason.

use jiff::Timestamp;

use super::{Reason, Results, View, ViewError};
use crate::domain::{CallId, CallerNumber, Viewer};
use crate::store::{
    MessageFilter, MessageRow, MessageState, Receipt, TaskChange, TaskFilter, TaskRow, TaskState,
};

/// Longest note, in characters.
pub const NOTE_MAX: usize = 500;

/// What can be wrong with a change.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// It is not for this viewer, or cannot be kept.
    #[error(transparent)]
    View(#[from] ViewError),
    /// There is no such task.
    #[error("there is no such task")]
    NoTask,
    /// The task is closed, and its number destroyed: it cannot be opened again.
    #[error("the task is closed")]
    Closed,
    /// The note is longer than 500 characters, or not printable.
    #[error("a note has at most {NOTE_MAX} printable characters")]
    Note,
}

impl From<crate::store::StoreError> for ChangeError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::View(error.into())
    }
}

/// A task as people see it before they give a reason: what there is to do, and nothing that tells which call it is
/// about or what was answered. The story of the call has that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskCard {
    /// The call, whose id is the task's.
    pub call: CallId,
    /// low_score or callback.
    pub kind: String,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// open, called_back or closed.
    pub state: String,
    /// The question whose answer made it.
    pub question: String,
    /// Whether there is a number to call.
    pub has_number: bool,
    /// What somebody wrote about it.
    pub note: String,
    /// When it was changed, in microseconds since 1970 UTC.
    pub changed_us: Option<i64>,
    /// Who changed it: a user's id.
    pub changed_by: Option<String>,
    /// The queue of the call.
    pub queue: Option<String>,
    /// The survey.
    pub survey: Option<String>,
    /// Where the response comes from.
    pub origin: Option<String>,
}

impl From<TaskRow> for TaskCard {
    fn from(row: TaskRow) -> Self {
        let TaskRow { call, kind, made_us, state, question, has_number, note, .. } = row;
        let TaskRow { changed_us, changed_by, queue, survey, origin, .. } = row;
        Self {
            call,
            kind,
            made_us,
            state,
            question,
            has_number,
            note,
            changed_us,
            changed_by,
            queue,
            survey,
            origin,
        }
    }
}

impl Results {
    /// A list of tasks for people, the latest first.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn task_cards(&self, viewer: &Viewer, filter: &TaskFilter) -> Result<Vec<TaskCard>, ViewError> {
        Ok(self.tasks(viewer, filter).await?.into_iter().map(TaskCard::from).collect())
    }

    /// One task for people; `None` where there is none for the call.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn task_card(&self, viewer: &Viewer, call: CallId) -> Result<Option<TaskCard>, ViewError> {
        Ok(self.task(viewer, call).await?.map(TaskCard::from))
    }

    /// A list of tasks with their calls, the latest first, for other systems that follow them up.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn tasks(&self, viewer: &Viewer, filter: &TaskFilter) -> Result<Vec<TaskRow>, ViewError> {
        let state = filter.state.map_or("all", TaskState::as_str);
        self.look(viewer, View::Tasks, state.to_owned()).await?;
        Ok(self.store.views().tasks(filter).await?)
    }

    /// One task with its call; `None` where there is none for it.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn task(&self, viewer: &Viewer, call: CallId) -> Result<Option<TaskRow>, ViewError> {
        self.look(viewer, View::Tasks, call.to_string()).await?;
        Ok(self.store.views().task(call).await?)
    }

    /// Changes the state or the note of a task, and gives it back. `receipt` is made of what it becomes, and written
    /// with it.
    ///
    /// # Errors
    /// [`ChangeError`]; then nothing has changed.
    pub async fn change_task(
        &self,
        viewer: &Viewer,
        call: CallId,
        (state, note): (Option<TaskState>, Option<String>),
        receipt: impl FnOnce(&TaskRow) -> Option<Receipt>,
    ) -> Result<TaskRow, ChangeError> {
        let scope = format!("{call} {}", state.map_or("note", TaskState::as_str));
        self.look_closely(viewer, View::TaskChange, scope, "").await?;
        let printable = |note: &str| !note.chars().any(|c| c.is_control() && c != '\n');
        if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_MAX || !printable(note)) {
            return Err(ChangeError::Note);
        }
        let Some(mut task) = self.store.views().task(call).await? else { return Err(ChangeError::NoTask) };
        if task.state == TaskState::Closed.as_str() && state.is_some_and(|state| state != TaskState::Closed) {
            return Err(ChangeError::Closed);
        }
        let (at_us, by) = (Timestamp::now().as_microsecond(), viewer.user.0.to_string());
        let change = TaskChange { call, state, note, at_us, by };
        if let Some(state) = state {
            state.as_str().clone_into(&mut task.state);
            task.has_number &= state != TaskState::Closed;
        }
        task.note = change.note.clone().unwrap_or(task.note);
        (task.changed_us, task.changed_by) = (Some(at_us), Some(change.by.clone()));
        self.store.change_task(change, receipt(&task)).await?;
        Ok(task)
    }

    /// The number to call back; `None` when there is none, or it has been destroyed.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn task_number(
        &self,
        viewer: &Viewer,
        call: CallId,
        reason: &Reason,
    ) -> Result<Option<CallerNumber>, ViewError> {
        self.look_closely(viewer, View::TaskNumber, call.to_string(), reason.as_str()).await?;
        Ok(self.store.vault().number(call).await?)
    }

    /// Messages to other systems and how they fared, the latest first; not what they say.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn messages(
        &self,
        viewer: &Viewer,
        filter: &MessageFilter,
    ) -> Result<Vec<MessageRow>, ViewError> {
        self.look(viewer, View::Messages, filter.state.map_or("all", MessageState::as_str).to_owned())
            .await?;
        Ok(self.store.views().messages(filter).await?)
    }
}
