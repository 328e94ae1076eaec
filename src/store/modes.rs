//! How answers came: by key, by voice, by voice and confirmed.

use sqlx::Row as _;

use super::views::read_error;
use super::wheres::Wheres;
use super::{Scope, StoreError, Views};
use crate::domain::GivenBy;

impl Views {
    /// Answers of calls offered within the scope, by how they were given.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn answers_by_mode(&self, scope: &Scope) -> Result<Vec<(GivenBy, u64)>, StoreError> {
        let mut wheres = Wheres::default();
        wheres.add("c.offered_us >= ", scope.from_us);
        wheres.add("c.offered_us < ", scope.to_us);
        wheres.add("c.agent = ", scope.agent.as_ref().map(ToString::to_string));
        wheres.add("c.queue = ", scope.queue.as_ref().map(ToString::to_string));
        wheres.add("c.survey = ", scope.survey.as_ref().map(ToString::to_string));
        wheres.add("c.origin = ", scope.origin.map(|origin| origin.as_str().to_owned()));
        let text = format!(
            "SELECT a.given_by AS mode, COUNT(*) AS n FROM answers a JOIN calls c ON c.id = a.call_id{wheres} \
             GROUP BY a.given_by"
        );
        let rows = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        let mut counts = Vec::new();
        for mode in [GivenBy::Key, GivenBy::Voice, GivenBy::VoiceConfirmed] {
            let name = super::project::name(&mode);
            let row =
                rows.iter().find(|row| row.try_get::<String, _>("mode").is_ok_and(|found| found == name));
            let n = row.map_or(Ok(0), |row| row.try_get::<i64, _>("n")).map_err(read_error)?;
            counts.push((mode, u64::try_from(n).unwrap_or(0)));
        }
        Ok(counts)
    }
}
