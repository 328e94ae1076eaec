//! What figures are measured against: a target of one's own, and a benchmark from elsewhere. Entered by supervisors, not
//! made from calls.

use serde::Serialize;
use sqlx::SqliteConnection;

use super::views::{get, parse, read_error};
use super::{StoreError, Views, sql};
use crate::scoring::FigureName;

/// What one figure is measured against, over all surveys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Goal {
    /// The figure.
    pub figure: FigureName,
    /// What it should reach, in the unit of the figure.
    pub target: Option<f64>,
    /// What others reach.
    pub benchmark: Option<f64>,
    /// Where the benchmark comes from.
    pub source: String,
}

/// Why something is no goal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum GoalError {
    #[error("a {} lies between {low} and {high}", .figure.as_str())]
    Range { figure: FigureName, low: i16, high: i16 },
    #[error("the source has at most {SOURCE_MAX} printable characters")]
    Source,
}

/// Longest source, in characters.
const SOURCE_MAX: usize = 100;

impl Goal {
    /// A goal that makes sense for its figure.
    ///
    /// # Errors
    /// [`GoalError`].
    pub fn new(
        figure: FigureName,
        target: Option<f64>,
        benchmark: Option<f64>,
        source: &str,
    ) -> Result<Self, GoalError> {
        let (low, high) = match figure {
            FigureName::Nps => (-100, 100),
            // Scales begin and end somewhere in here.
            FigureName::CsatMean | FigureName::CesMean => (0, 10),
            FigureName::CsatTopBox | FigureName::CesLowEffort | FigureName::Fcr => (0, 100),
        };
        let fits = |value: &f64| (f64::from(low)..=f64::from(high)).contains(value);
        if !target.iter().chain(&benchmark).all(fits) {
            return Err(GoalError::Range { figure, low, high });
        }
        let source = source.trim();
        if source.chars().count() > SOURCE_MAX || source.chars().any(char::is_control) {
            return Err(GoalError::Source);
        }
        Ok(Self { figure, target, benchmark, source: source.to_owned() })
    }
}

impl Views {
    /// All goals.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn goals(&self) -> Result<Vec<Goal>, StoreError> {
        let rows = sqlx::query("SELECT * FROM goals ORDER BY figure").fetch_all(self.pool()).await;
        let goal = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Goal {
                figure: parse(row, "figure")?,
                target: get(row, "target")?,
                benchmark: get(row, "benchmark")?,
                source: get(row, "source")?,
            })
        };
        rows.map_err(read_error)?.iter().map(goal).collect()
    }
}

/// Puts a goal in the place of the one that there may be.
pub(super) async fn set(conn: &mut SqliteConnection, goal: &Goal) -> Result<(), StoreError> {
    let text = "INSERT INTO goals (figure, target, benchmark, source) VALUES ($1, $2, $3, $4) ON CONFLICT (figure) \
                DO UPDATE SET target = excluded.target, benchmark = excluded.benchmark, source = excluded.source";
    let query = sqlx::query(text).bind(goal.figure.as_str()).bind(goal.target).bind(goal.benchmark);
    query.bind(&goal.source).execute(conn).await.map(|_| ()).map_err(sql::write_error)
}
