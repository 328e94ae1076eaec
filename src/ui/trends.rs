//! Figures over time: charts, each with the table under it.

use std::collections::BTreeMap;

use super::board::{headline, order};
use super::charts::{self, Marks, Point};
use super::figures::{ends, is_share, span, value};
use super::goals::Goals;
use super::words::{Tongue, spoken};
use crate::domain::Scale;
use crate::scoring::{Estimate, FigureName, Verdict};
use crate::store::rules::{Cell, Chart, DayPoint, Score, WeekPoint};

/// A chart with the table under it.
pub(super) struct ChartView {
    /// Its name on the page, by which it stays the same part of it when the page changes.
    pub(super) id: String,
    pub(super) title: String,
    /// What its points are of: weeks or days.
    pub(super) column: String,
    pub(super) svg: String,
    pub(super) rows: Vec<[String; 4]>,
    /// What its lines without points stand for.
    pub(super) notes: Vec<String>,
}

/// The headline figure of every question over the weeks.
pub(super) fn by_week(tr: Tongue, weeks: &[WeekPoint], goals: &Goals) -> Vec<ChartView> {
    let points = weeks.iter().map(|point| (at(point.week), point.week.to_string(), point.scores.as_slice()));
    over_time(tr, points, goals, "chart-label")
}

/// The same over the days.
pub(super) fn by_day(tr: Tongue, days: &[DayPoint], goals: &Goals) -> Vec<ChartView> {
    let first = days.first().map(|point| point.day);
    let since = |day: jiff::civil::Date| first.map_or(0, |first| first.duration_until(day).as_hours() / 24);
    #[expect(clippy::cast_precision_loss, reason = "days of a quarter")]
    let point = |point: &'_ DayPoint| (since(point.day) as f64, point.day.to_string());
    let points = days.iter().map(|one| {
        let (at, label) = point(one);
        (at, label, one.scores.as_slice())
    });
    over_time(tr, points, goals, "chart-label-days")
}

#[expect(clippy::cast_precision_loss, reason = "weeks since 1970")]
fn at(week: crate::domain::Week) -> f64 {
    week.number() as f64
}

fn over_time<'a>(
    tr: Tongue,
    times: impl Iterator<Item = (f64, String, &'a [Score])>,
    goals: &Goals,
    said: &str,
) -> Vec<ChartView> {
    type Line = (FigureName, Option<Scale>, Vec<Point>);
    let mut lines: BTreeMap<(usize, String), Line> = BTreeMap::new();
    for (x, label, scores) in times {
        for score in scores {
            let Some(figure) = headline(score.kind) else { continue };
            let Some(Cell::Shown(of)) = score.figures.get(&figure) else { continue };
            let scale = score.scale.map(|scale| format!("{}-{}", scale.min, scale.max)).unwrap_or_default();
            let key = format!("{:?}\u{0}{}\u{0}{scale}", figure, score.question);
            let line = lines.entry((order(score.kind), key)).or_insert((figure, score.scale, Vec::new()));
            line.2.push(Point {
                x,
                label: label.clone(),
                value: of.value,
                low: of.low,
                high: of.high,
                n: of.n,
                marked: false,
            });
        }
    }
    let view = |((_, key), (figure, scale, points)): ((usize, String), Line)| {
        let question = key.split('\u{0}').nth(1).map(|name| spoken(tr, name)).unwrap_or_default();
        let title = format!("{} \u{b7} {question}", tr.t(&format!("figure-{}", figure.as_str())));
        let id = format!("{said}-{}", key.replace('\u{0}', "-"));
        ChartView { id, ..chart(tr, figure, scale, title, &points, goals.marks(figure), said) }
    };
    lines.into_iter().map(view).collect()
}

fn chart(
    tr: Tongue,
    figure: FigureName,
    scale: Option<Scale>,
    title: String,
    points: &[Point],
    marks: Marks,
    said: &str,
) -> ChartView {
    let row = |point: &Point| {
        [
            point.label.clone(),
            value(tr, figure, point.value),
            span(tr, figure, &Estimate { n: point.n, value: point.value, low: point.low, high: point.high }),
            tr.count(point.n),
        ]
    };
    let label = tr.xy(said, &title, points.len());
    let unit = if is_share(figure) { "\u{a0}%" } else { "" };
    let svg = charts::line(tr, points, (ends(figure, scale), unit), marks, &label);
    let note = |id, mark: Option<f64>| mark.map(|mark| tr.x(id, value(tr, figure, mark)));
    let notes = [note("target-is", marks.target), note("benchmark-is", marks.benchmark)];
    ChartView {
        id: String::new(),
        column: tr.t(if said == "chart-label-days" { "col-day" } else { "col-week" }),
        svg,
        rows: points.iter().map(row).collect(),
        title,
        notes: notes.into_iter().flatten().collect(),
    }
}

/// Control charts: the weeks that chance does not explain are marked.
pub(super) fn controls(tr: Tongue, charts: &[Chart]) -> Vec<ChartView> {
    let view = |one: &Chart| {
        let points: Vec<Point> = one
            .points
            .iter()
            .map(|point| Point {
                x: at(point.week),
                label: point.week.to_string(),
                value: point.limits.value,
                low: point.limits.low,
                high: point.limits.high,
                n: point.limits.n,
                marked: point.limits.verdict != Verdict::Within,
            })
            .collect();
        let figure = tr.t(&format!("figure-{}", one.figure.as_str()));
        let title = format!("{figure} \u{b7} {}", spoken(tr, one.question.as_str()));
        let id = format!("control-{}-{}", one.figure.as_str(), one.question);
        let view = chart(tr, one.figure, None, title, &points, Marks::default(), "chart-label");
        ChartView { id, ..view }
    };
    charts.iter().map(view).collect()
}
