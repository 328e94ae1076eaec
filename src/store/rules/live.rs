//! The overview as it changes, and what its figures are measured against.

use super::{Denied, Overview, Results, Slice, SliceName, View, ViewError, allowed};
use crate::domain::Viewer;
use crate::store::{Goal, Note, StoreError};

/// Somebody keeps an overview open. It was written to the audit log once, when it was opened.
#[derive(Clone, Debug)]
pub struct OverviewWatch {
    slice: SliceName,
}

impl SliceName {
    /// The slice again.
    #[must_use]
    pub fn borrowed(&self) -> Slice<'_> {
        Slice { period: self.period, survey: self.survey.as_ref(), origin: self.origin }
    }
}

impl Results {
    /// The overview, to be kept open.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn watch_overview(
        &self,
        viewer: &Viewer,
        slice: Slice<'_>,
    ) -> Result<OverviewWatch, ViewError> {
        self.look(viewer, View::Overview, slice.scope(None)).await?;
        Ok(OverviewWatch { slice: slice.named() })
    }

    /// What an open overview shows now. All who watch the same slice see the same.
    ///
    /// # Errors
    /// The store's.
    pub async fn watched(&self, watch: &OverviewWatch) -> Result<Overview, StoreError> {
        self.read_overview(watch.slice.borrowed()).await
    }

    /// What its figures are measured against now.
    ///
    /// # Errors
    /// The store's.
    pub async fn watched_goals(&self, _: &OverviewWatch) -> Result<Vec<Goal>, StoreError> {
        self.store.views().goals().await
    }

    /// What figures are measured against; for whoever sees aggregates.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn goals(&self, viewer: &Viewer) -> Result<Vec<Goal>, ViewError> {
        allowed(viewer, View::Overview)?;
        Ok(self.store.views().goals().await?)
    }

    /// Sets a target and a benchmark; for a supervisor of the whole centre, and on record.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn set_goal(&self, viewer: &Viewer, goal: Goal) -> Result<(), ViewError> {
        allowed(viewer, View::Overview)?;
        if !viewer.teams.is_empty() {
            return Err(Denied::Teams.into());
        }
        let said = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let what = format!(
            "{} target {} benchmark {}",
            goal.figure.as_str(),
            said(goal.target),
            said(goal.benchmark)
        );
        self.store.note(Note::of(viewer, "set_goal", what, "")).await?;
        Ok(self.store.set_goal(goal).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{results, viewer};
    use super::*;
    use crate::domain::Role;
    use crate::scoring::FigureName;
    use crate::store::GoalError;

    #[tokio::test]
    async fn goals_are_set_by_who_sees_the_whole_centre_and_are_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let results = results(&folder).await;
        let supervisor = viewer(Role::Supervisor);
        let goal = |target| Goal::new(FigureName::Nps, target, Some(31.0), " a report of 2026 ").unwrap();
        results.set_goal(&supervisor, goal(Some(40.0))).await.unwrap();
        results.set_goal(&supervisor, goal(None)).await.unwrap();
        assert_eq!(results.goals(&supervisor).await.unwrap(), [goal(None)]);
        let south = Viewer { teams: vec!["south".parse().unwrap()], ..supervisor };
        let refused = results.set_goal(&south, goal(None)).await;
        assert!(matches!(refused, Err(ViewError::Denied(Denied::Teams))));
        for role in [Role::Agent, Role::Quality, Role::Admin] {
            assert!(matches!(results.goals(&viewer(role)).await, Err(ViewError::Denied(_))));
        }
        let lines = results.store.views().audit(None, 10).await.unwrap();
        let scopes: Vec<&str> = lines.iter().map(|line| line.scope.as_str()).collect();
        assert_eq!(scopes, ["nps target 40 benchmark 31", "nps target none benchmark 31"]);
    }

    #[test]
    fn goals_lie_where_figures_can() {
        let range = |figure, low, high| Err(GoalError::Range { figure, low, high });
        assert_eq!(Goal::new(FigureName::Nps, Some(101.0), None, ""), range(FigureName::Nps, -100, 100));
        assert_eq!(Goal::new(FigureName::Fcr, None, Some(f64::NAN), ""), range(FigureName::Fcr, 0, 100));
        assert_eq!(Goal::new(FigureName::Fcr, None, None, "a\nb"), Err(GoalError::Source));
        assert!(Goal::new(FigureName::CesMean, Some(1.5), None, &"x".repeat(100)).is_ok());
    }
}
