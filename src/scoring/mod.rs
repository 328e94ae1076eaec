//! Figures from counted answers: each formula and interval with its source.

mod tally;

pub use tally::{AnswerTally, OutcomeTally, Tallies};
