//! What came of a list, by grammar.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::domain::{Hearing, Meaning, Verdict};
use crate::scoring::{Figure, share};

/// Counts of one grammar's recordings.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    answers: u64,
    non_answers: u64,
    right: u64,
    wrong: u64,
    confirm_right: u64,
    confirm_wrong: u64,
    rejected: u64,
    /// No speech was found in it.
    missed: u64,
    false_accepted: u64,
    false_confirmed: u64,
    /// Non-answers that were heard as "stop", "skip" or "repeat". Some of them are.
    commands: u64,
    /// Nobody could hear it.
    unheard: u64,
    decided_ms: Vec<u32>,
}

impl Tally {
    /// Counts one recording. `None`: no speech was found.
    pub(super) fn add(&mut self, expected: Option<&str>, hearing: Option<&Hearing>) {
        let verdict = hearing.map_or(Verdict::NoMatch, |hearing| hearing.verdict);
        self.decided_ms.extend(hearing.map(|hearing| hearing.decided_ms));
        self.missed += u64::from(hearing.is_none());
        let Some(expected) = expected else {
            self.non_answers += 1;
            let answer = hearing.is_some_and(|hearing| matches!(hearing.meaning, Some(Meaning::Answer(_))));
            match verdict {
                Verdict::Accept | Verdict::Confirm if !answer => self.commands += 1,
                Verdict::Accept => self.false_accepted += 1,
                Verdict::Confirm => self.false_confirmed += 1,
                Verdict::NoMatch => {}
            }
            return;
        };
        self.answers += 1;
        let right =
            hearing.and_then(|hearing| hearing.meaning.as_ref()).is_some_and(|meaning| is(meaning, expected));
        *match (verdict, right) {
            (Verdict::Accept, true) => &mut self.right,
            (Verdict::Accept, false) => &mut self.wrong,
            (Verdict::Confirm, true) => &mut self.confirm_right,
            (Verdict::Confirm, false) => &mut self.confirm_wrong,
            (Verdict::NoMatch, _) => &mut self.rejected,
        } += 1;
    }

    /// Counts one that nobody could hear.
    pub(super) fn add_unheard(&mut self) {
        self.unheard += 1;
    }

    fn join(&mut self, other: &Self) {
        self.answers += other.answers;
        self.non_answers += other.non_answers;
        self.right += other.right;
        self.wrong += other.wrong;
        self.confirm_right += other.confirm_right;
        self.confirm_wrong += other.confirm_wrong;
        self.rejected += other.rejected;
        self.missed += other.missed;
        self.false_accepted += other.false_accepted;
        self.false_confirmed += other.false_confirmed;
        self.commands += other.commands;
        self.unheard += other.unheard;
        self.decided_ms.extend(&other.decided_ms);
    }

    fn row(mut self, grammar: &str) -> Row {
        self.decided_ms.sort_unstable();
        let before = self.false_accepted + self.false_confirmed;
        Row {
            grammar: grammar.to_owned(),
            n: self.answers + self.non_answers + self.unheard,
            answers: self.answers,
            right: self.right,
            wrong: self.wrong,
            confirm: self.confirm_right + self.confirm_wrong,
            confirm_right: self.confirm_right,
            confirm_wrong: self.confirm_wrong,
            rejected: self.rejected,
            right_share: Share::of(self.right, self.answers),
            confirm_right_share: Share::of(self.confirm_right, self.answers),
            confirm_wrong_share: Share::of(self.confirm_wrong, self.answers),
            rejected_share: Share::of(self.rejected, self.answers),
            right_after_confirm: Share::of(self.right + self.confirm_right, self.answers),
            wrong_share: Share::of(self.wrong, self.answers),
            non_answers: self.non_answers,
            false_accepts: before,
            false_accepts_after: self.false_accepted,
            false_share: Share::of(before, self.non_answers),
            false_after_share: Share::of(self.false_accepted, self.non_answers),
            commands: self.commands,
            missed: self.missed,
            unheard: self.unheard,
            decided_ms: Decided {
                p50: percentile(&self.decided_ms, 50),
                p95: percentile(&self.decided_ms, 95),
            },
        }
    }
}

/// Whether a meaning is what was expected: an answer's label, or `*repeat*`, `*skip*`, `*stop*`.
pub(super) fn is(meaning: &Meaning, expected: &str) -> bool {
    match meaning {
        Meaning::Answer(label) => label == expected,
        Meaning::Repeat => expected == "*repeat*",
        Meaning::Skip => expected == "*skip*",
        Meaning::Stop => expected == "*stop*",
    }
}

/// The nearest rank.
fn percentile(sorted: &[u32], percent: usize) -> Option<u32> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Everything, ready to be shown.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    grammars: Vec<Row>,
    total: Row,
}

#[derive(Debug, Serialize)]
struct Row {
    grammar: String,
    n: u64,
    answers: u64,
    right: u64,
    wrong: u64,
    confirm: u64,
    confirm_right: u64,
    confirm_wrong: u64,
    rejected: u64,
    right_share: Option<Share>,
    confirm_right_share: Option<Share>,
    confirm_wrong_share: Option<Share>,
    rejected_share: Option<Share>,
    right_after_confirm: Option<Share>,
    wrong_share: Option<Share>,
    non_answers: u64,
    /// Non-answers that were taken for an answer, or asked about.
    false_accepts: u64,
    /// Non-answers that were taken without asking.
    false_accepts_after: u64,
    false_share: Option<Share>,
    false_after_share: Option<Share>,
    /// Non-answers that were heard as a command. Whether they were one, a list does not say.
    commands: u64,
    missed: u64,
    unheard: u64,
    decided_ms: Decided,
}

#[derive(Debug, Serialize)]
struct Decided {
    p50: Option<u32>,
    p95: Option<u32>,
}

/// A share in percent with its 95 % interval (Wilson).
#[derive(Clone, Copy, Debug, Serialize)]
struct Share {
    percent: f64,
    low: f64,
    high: f64,
}

impl Share {
    fn of(k: u64, n: u64) -> Option<Self> {
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        match share(k, n) {
            Figure::TooFew { .. } => None,
            Figure::Of(estimate) => Some(Self {
                percent: tenth(estimate.value),
                low: tenth(estimate.low),
                high: tenth(estimate.high),
            }),
        }
    }
}

impl Outcome {
    /// Of all tallies.
    pub(super) fn of(tallies: &BTreeMap<String, Tally>) -> Self {
        let mut total = Tally::default();
        tallies.values().for_each(|tally| total.join(tally));
        let grammars = tallies.iter().map(|(grammar, tally)| tally.clone().row(grammar)).collect();
        Self { grammars, total: total.row("total") }
    }

    /// As a table for people.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "grammar",
            "answers",
            "right",
            "asked right",
            "asked wrong",
            "wrong",
            "rejected",
            "right in the end",
            "others",
            "false: taken or asked",
            "taken",
            "commands",
            "decided ms p50/p95",
        ]);
        for row in self.grammars.iter().chain([&self.total]) {
            // The count, and below it the share with its interval.
            let both = |count: u64, of: Option<Share>| match of {
                Some(Share { percent, low, high }) => {
                    format!("{count}\n{percent:.1}\u{a0}%\n({low:.1}-{high:.1})")
                }
                None => count.to_string(),
            };
            let ms = |ms: Option<u32>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
            table.add_row([
                row.grammar.clone(),
                row.answers.to_string(),
                both(row.right, row.right_share),
                both(row.confirm_right, row.confirm_right_share),
                both(row.confirm_wrong, row.confirm_wrong_share),
                both(row.wrong, row.wrong_share),
                both(row.rejected, row.rejected_share),
                both(row.right + row.confirm_right, row.right_after_confirm),
                row.non_answers.to_string(),
                both(row.false_accepts, row.false_share),
                both(row.false_accepts_after, row.false_after_share),
                row.commands.to_string(),
                format!("{}/{}", ms(row.decided_ms.p50), ms(row.decided_ms.p95)),
            ]);
        }
        for column in 1..13 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    /// Recordings that nobody could hear.
    pub(super) fn unheard(&self) -> u64 {
        self.total.unheard
    }

    /// Recordings in which no speech was found.
    pub(super) fn missed(&self) -> u64 {
        self.total.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hearing(label: &str, verdict: Verdict) -> Hearing {
        Hearing {
            grammar: "g".into(),
            language: "en".parse().unwrap(),
            model: "m".into(),
            words: Vec::new(),
            meaning: Some(Meaning::Answer(label.into())),
            verdict,
            confidence_pm: 1000,
            start_ms: 0,
            end_ms: 0,
            decided_ms: 310,
            level_dbfs: -20,
            noise_dbfs: -60,
        }
    }

    #[test]
    fn every_recording_counts_once() {
        let mut tally = Tally::default();
        for (expected, label, verdict) in [
            (Some("8"), "8", Verdict::Accept),
            (Some("8"), "6", Verdict::Accept),
            (Some("8"), "8", Verdict::Confirm),
            (Some("8"), "6", Verdict::Confirm),
            (Some("8"), "8", Verdict::NoMatch),
            (None, "8", Verdict::Accept),
            (None, "8", Verdict::Confirm),
            (None, "8", Verdict::NoMatch),
        ] {
            tally.add(expected, Some(&hearing(label, verdict)));
        }
        tally.add(Some("8"), None);
        tally.add_unheard();
        let row = tally.row("g");
        assert_eq!((row.n, row.answers, row.right, row.wrong), (10, 6, 1, 1));
        assert_eq!((row.confirm, row.confirm_right, row.rejected, row.missed), (2, 1, 2, 1));
        assert_eq!((row.non_answers, row.false_accepts, row.false_accepts_after), (3, 2, 1));
        assert!((row.right_after_confirm.unwrap().percent - 33.3).abs() < 0.05);
        let shares = [
            row.right_share,
            row.confirm_right_share,
            row.confirm_wrong_share,
            row.wrong_share,
            row.rejected_share,
        ];
        let sum: f64 = shares.iter().map(|share| share.expect("of six answers").percent).sum();
        assert!((sum - 100.0).abs() < 0.3, "each answer came to one end: {shares:?}");
        assert_eq!((row.decided_ms.p50, row.decided_ms.p95), (Some(310), Some(310)));
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 95)), (Some(50), Some(95)));
        assert_eq!(percentile(&[], 50), None);
    }
}
