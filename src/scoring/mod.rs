//! Figures from counted answers: each formula and interval with its source.
//!
//! A [`Report`] is made from [`Tallies`], in which every count carries its origin and its scale; counts that differ in
//! either never meet in one [`Figure`].

mod figure;
mod report;
mod tally;

pub use figure::{ANSWERS_MIN, Estimate, Figure, low_effort, mean, nps, share, top_box};
pub use report::{ChoiceCount, FigureName, Funnel, Measure, Report, ReportRow};
pub use tally::{AnswerTally, OutcomeTally, Tallies};
