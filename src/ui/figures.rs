//! Figures in words: a value with its unit, its interval, its number of answers and its change, as precise as they need to be
//! so as not to contradict each other.

use super::charts;
use super::words::Tongue;
use crate::domain::{Better, Scale};
use crate::scoring::{Difference, Estimate, FigureName, Verdict};

/// A figure that can be shown.
pub(super) struct Shown {
    pub(super) value: String,
    pub(super) interval: String,
    /// Of how many answers it is, and how many were asked for one.
    pub(super) n: String,
    pub(super) rail: String,
    pub(super) change: Option<Change>,
}

/// How a figure differs from the period before.
pub(super) struct Change {
    pub(super) text: String,
    pub(super) verdict: String,
    pub(super) class: &'static str,
}

/// From where to where a figure can go.
pub(super) fn ends(figure: FigureName, scale: Option<Scale>) -> (f64, f64) {
    match (figure, scale) {
        (FigureName::Nps, _) => (-100.0, 100.0),
        (FigureName::CsatMean | FigureName::CesMean, Some(scale)) => {
            (f64::from(scale.min), f64::from(scale.max))
        }
        _ => (0.0, 100.0),
    }
}

/// Whether less of it is better.
pub(super) fn lower_is_good(figure: FigureName, scale: Option<Scale>) -> bool {
    let mean = matches!(figure, FigureName::CesMean | FigureName::CsatMean);
    mean && scale.is_some_and(|scale| scale.better == Better::Lower)
}

/// Whether a figure has the unit of percent.
pub(super) fn is_share(figure: FigureName) -> bool {
    !matches!(figure, FigureName::Nps | FigureName::CsatMean | FigureName::CesMean)
}

/// Decimals that a figure is told with, where nothing asks for more.
fn decimals(figure: FigureName) -> usize {
    usize::from(matches!(figure, FigureName::CsatMean | FigureName::CesMean))
}

/// A number with so many decimals, for comparison: nothing has no sign.
fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if is_nothing(&text) { text.trim_start_matches('-').to_owned() } else { text }
}

fn is_nothing(text: &str) -> bool {
    text.trim_matches(['-', '0', '.']).is_empty()
}

/// Decimals with which these are told apart; at most two more than usual. What is the same needs none.
fn decimals_apart(figure: FigureName, values: [f64; 3]) -> usize {
    let usual = decimals(figure);
    let same = |decimals: usize| {
        let told = values.map(|value| rounded(value, decimals));
        values
            .windows(2)
            .zip(told.windows(2))
            .any(|(values, told)| values[0] < values[1] && told[0] == told[1])
    };
    (usual..usual + 2).find(|decimals| !same(*decimals)).unwrap_or(usual + 2)
}

/// A value with its unit.
pub(super) fn value(tr: Tongue, figure: FigureName, value: f64) -> String {
    value_to(tr, figure, value, decimals(figure))
}

fn value_to(tr: Tongue, figure: FigureName, value: f64, decimals: usize) -> String {
    let number = tr.number(value, decimals);
    match figure {
        FigureName::Nps if value > 0.0 => format!("+{number}"),
        _ if is_share(figure) => format!("{number}\u{a0}%"),
        _ => number,
    }
}

/// An interval, as precise as the value between its ends needs it.
pub(super) fn span(tr: Tongue, figure: FigureName, of: &Estimate) -> String {
    let decimals = decimals_apart(figure, [of.low, of.value, of.high]);
    let end = |value| value_to(tr, figure, value, decimals);
    tr.xy("span", end(of.low), end(of.high))
}

/// A share of whole numbers in percent.
pub(super) fn percent(tr: Tongue, part: u64, whole: u64) -> String {
    if whole == 0 {
        "\u{2013}".into()
    } else {
        format!("{}\u{a0}%", tr.number(100.0 * ratio(part, whole), 0))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Shown {
    pub(super) fn new(
        tr: Tongue,
        figure: FigureName,
        scale: Option<Scale>,
        of: &Estimate,
        change: Option<Change>,
    ) -> Self {
        let decimals = decimals_apart(figure, [of.low, of.value, of.high]);
        Self {
            value: value_to(tr, figure, of.value, decimals),
            interval: span(tr, figure, of),
            n: tr.x("n", tr.count(of.n)),
            rail: charts::interval(of.value, of.low, of.high, ends(figure, scale)),
            change,
        }
    }

    /// With how many were asked.
    pub(super) fn of_asked(self, n: String) -> Self {
        Self { n, ..self }
    }
}

/// Of how many answers something is, and of how many who were asked for them.
pub(super) fn answered(tr: Tongue, n: u64, asked: Option<u64>) -> String {
    match asked {
        Some(asked) => tr.xy("n-of-asked", tr.count(n), tr.count(asked)),
        None => tr.x("n", tr.count(n)),
    }
}

impl Change {
    pub(super) fn new(tr: Tongue, figure: FigureName, scale: Option<Scale>, by: &Difference) -> Self {
        let most = decimals(figure) + 2;
        let apart = decimals_apart(figure, [by.low, by.value, by.high]);
        // What is told apart from nothing must not look like nothing.
        let clear = by.verdict() != Verdict::Within;
        let hidden =
            |decimals: usize| [by.low, by.high].iter().any(|end| is_nothing(&rounded(*end, decimals)));
        let decimals = (apart..most).find(|decimals| !(clear && hidden(*decimals))).unwrap_or(most);
        let signed = |value: f64| {
            let text = tr.number(value, decimals);
            if value > 0.0 && !is_nothing(&text) { format!("+{text}") } else { text }
        };
        let (id, class) = match (by.verdict(), lower_is_good(figure, scale)) {
            (Verdict::Within, _) => ("change-none", "same"),
            (Verdict::Above, false) => ("change-higher", "good"),
            (Verdict::Above, true) => ("change-higher", "bad"),
            (Verdict::Below, false) => ("change-lower", "bad"),
            (Verdict::Below, true) => ("change-lower", "good"),
        };
        let text = tr.xy("change-by", signed(by.value), tr.xy("span", signed(by.low), signed(by.high)));
        Self { text, verdict: tr.t(id), class }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_do_not_contradict_themselves() {
        let (tr, mean) = (Tongue::English, FigureName::CsatMean);
        let shown =
            Shown::new(tr, mean, None, &Estimate { n: 9000, value: 3.91, low: 3.88, high: 3.94 }, None);
        assert_eq!((&*shown.value, &*shown.interval, &*shown.n), ("3.91", "3.88 to 3.94", "n 9,000"));
        let told =
            |figure, value, low, high| Change::new(tr, figure, None, &Difference { value, low, high }).text;
        let minus = "\u{2212}";
        assert_eq!(
            told(mean, -0.08, -0.14, -0.03),
            format!("{minus}0.08 points ({minus}0.14 to {minus}0.03)")
        );
        assert_eq!(told(FigureName::Fcr, 1.2, 0.2, 2.3), "+1.2 points (+0.2 to +2.3)");
        assert_eq!(told(FigureName::Fcr, 3.4, -4.2, 11.0), format!("+3 points ({minus}4 to +11)"));
        let same = Shown::new(
            tr,
            FigureName::Fcr,
            None,
            &Estimate { n: 9, value: 100.0, low: 70.1, high: 100.0 },
            None,
        );
        assert_eq!(same.interval, "70\u{a0}% to 100\u{a0}%", "what is the same is not told apart");
    }
}
