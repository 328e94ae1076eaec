//! Figures from counted answers: each formula and interval with its source.
//!
//! A [`Report`] is made from [`Tallies`], in which every count carries its origin and its scale; counts that differ in
//! either never meet in one [`Figure`].

mod compare;
mod expect;
mod figure;
mod measure;
mod report;
mod shrink;
mod tally;
#[cfg(test)]
mod tests;

pub use compare::{Difference, Verdict, mean_difference, nps_difference, share_difference};
pub use expect::{Expected, Stratum, expected};
pub use figure::{ANSWERS_MIN, Estimate, Figure, low_effort, mean, nps, share, top_box};
pub use measure::{FigureName, changes, figures, proportion};
pub use report::{ChoiceCount, Funnel, Measure, Report, ReportRow};
pub use shrink::{Limits, Shrinkage, p_chart};
pub use tally::{AnswerTally, OutcomeTally, Tallies};
