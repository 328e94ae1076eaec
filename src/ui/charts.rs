//! Charts as SVG, made here: they need no script, print, and stand beside the numbers that they show.

use super::words::Tongue;

/// Text inside markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// From 0 to 1, where a value lies between two ends.
fn place(value: f64, (min, max): (f64, f64)) -> f64 {
    if max > min { ((value - min) / (max - min)).clamp(0.0, 1.0) } else { 0.0 }
}

/// An interval with its value on a rail from the lowest to the highest that there can be.
pub(super) fn interval(value: f64, low: f64, high: f64, ends: (f64, f64)) -> String {
    let at = |value| 200.0 * place(value, ends);
    let (from, to) = (at(low), at(high));
    format!(
        "<svg class=\"interval\" viewBox=\"0 0 200 12\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"rail\" x=\"0\" y=\"5\" width=\"200\" height=\"2\"/>\
         <rect class=\"band\" x=\"{from:.1}\" y=\"2\" width=\"{:.1}\" height=\"8\" rx=\"2\"/>\
         <rect class=\"dot\" x=\"{:.1}\" y=\"0\" width=\"3\" height=\"12\"/></svg>",
        (to - from).max(2.0),
        (at(value) - 1.5).clamp(0.0, 197.0),
    )
}

/// A share from 0 to 1 as a bar.
pub(super) fn bar(share: f64) -> String {
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 200 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"rail\" width=\"200\" height=\"10\"/><rect class=\"fill\" width=\"{:.1}\" height=\"10\"/></svg>",
        200.0 * share.clamp(0.0, 1.0)
    )
}

/// One point of a line: a place on the axis, and a value with its band.
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) n: u64,
    /// Drawn as one that chance does not explain.
    pub(super) marked: bool,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Lines across a chart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) target: Option<f64>,
    pub(super) benchmark: Option<f64>,
}

/// The place of points on a chart.
struct Plot {
    /// The first and the last place on the axis of time.
    times: (f64, f64),
    /// The lowest and the highest value that there can be.
    ends: (f64, f64),
    /// What stands behind values.
    unit: &'static str,
}

impl Plot {
    fn x(&self, at: f64) -> f64 {
        let (first, last) = self.times;
        let share = if last > first { (at - first) / (last - first) } else { 0.5 };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - place(value, self.ends) * (HEIGHT - TOP - BOTTOM)
    }

    /// A line from one side to the other.
    fn level(&self, class: &str, value: f64) -> String {
        let (right, y) = (WIDTH - RIGHT, self.y(value));
        format!("<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>")
    }

    /// Lines that one reads values by, and their numbers.
    fn grid(&self, tr: Tongue) -> String {
        let (low, high) = self.ends;
        let step = |step: u8| {
            let value = low + (high - low) * f64::from(step) / 4.0;
            let number = tr.number(value, usize::from(high - low < 10.0));
            let (x, y) = (LEFT - 6.0, self.y(value) + 3.5);
            format!(
                "{}<text class=\"axis end\" x=\"{x:.1}\" y=\"{y:.1}\">{number}{}</text>",
                self.level("grid", value),
                self.unit
            )
        };
        (0..=4).map(step).collect()
    }

    /// The line of the values, and the band of their intervals.
    fn path(&self, points: &[Point]) -> String {
        let at = |x: f64, value: f64| format!("{:.1},{:.1}", self.x(x), self.y(value));
        let upper = points.iter().map(|p| at(p.x, p.high));
        let band: Vec<String> = upper.chain(points.iter().rev().map(|p| at(p.x, p.low))).collect();
        let path: Vec<String> = points.iter().map(|p| at(p.x, p.value)).collect();
        let (band, path) = (band.join(" "), path.join(" "));
        let whisker = match points {
            [only] => {
                let (x, low, high) = (self.x(only.x), self.y(only.low), self.y(only.high));
                format!(
                    "<line class=\"whisker\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\"/>"
                )
            }
            _ => String::new(),
        };
        format!(
            "<polygon class=\"band\" points=\"{band}\"/><polyline class=\"line\" points=\"{path}\"/>{whisker}"
        )
    }

    fn point(&self, tr: Tongue, point: &Point) -> String {
        format!(
            "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>{}: {}{} (n {})</title></circle>",
            if point.marked { "point marked" } else { "point" },
            self.x(point.x),
            self.y(point.value),
            escaped(&point.label),
            tr.number(point.value, 1),
            self.unit,
            tr.count(point.n)
        )
    }

    /// What a point is called, under it.
    fn label(&self, point: &Point, anchor: &str) -> String {
        let short = point.label.split_once('-').map_or(point.label.as_str(), |(_, week)| week);
        let (x, y) = (self.x(point.x), HEIGHT - 7.0);
        format!("<text class=\"axis {anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(short))
    }
}

/// A line over time with the band around it. The table under it says the same in numbers.
pub(super) fn line(
    tr: Tongue,
    points: &[Point],
    (ends, unit): ((f64, f64), &'static str),
    marks: Marks,
    label: &str,
) -> String {
    let times = (points.first().map_or(0.0, |p| p.x), points.last().map_or(0.0, |p| p.x));
    let plot = Plot { times, ends, unit };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">{}{}",
        escaped(label),
        plot.grid(tr),
        plot.path(points)
    );
    for (class, mark) in [("target", marks.target), ("benchmark", marks.benchmark)] {
        svg.extend(mark.map(|mark| plot.level(class, mark)));
    }
    let every = points.len().div_ceil(5).max(1);
    for (index, point) in points.iter().enumerate() {
        svg.push_str(&plot.point(tr, point));
        if index % every == 0 {
            // Under the last point there is no room to its right.
            let is_last = index > 0 && index + 1 == points.len();
            svg.push_str(&plot.label(point, if is_last { "end" } else { "middle" }));
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_hold_no_styles_and_escape_their_texts() {
        let point = |x, value| Point {
            x,
            label: "2026-W47".into(),
            value,
            low: value - 5.0,
            high: value + 5.0,
            n: 9,
            marked: false,
        };
        let marks = Marks { target: Some(80.0), benchmark: None };
        let svg = line(
            Tongue::Dutch,
            &[point(1.0, 50.0), point(3.0, 200.0)],
            ((0.0, 100.0), "\u{a0}%"),
            marks,
            "a <b> \"c\"",
        );
        assert!(svg.contains("a &lt;b&gt; &quot;c&quot;") && !svg.contains("style="));
        assert!(svg.contains("50,0\u{a0}% (n 9)") && svg.contains(">100\u{a0}%</text>"));
        assert!(svg.contains("class=\"target\"") && !svg.contains("class=\"benchmark\""));
        assert!(
            !svg.contains("NaN") && !line(Tongue::English, &[], ((0.0, 0.0), ""), marks, "").contains("NaN")
        );
        assert!(interval(5.0, 4.0, 9.0, (1.0, 5.0)).contains("x=\"197.0\""), "nothing leaves the rail");
        assert!(bar(2.0).contains("width=\"200.0\""));
    }
}
