//! The picture of a call: what the service did above, what the caller did below, and the answers, along the seconds.

use super::super::charts::escaped;
use super::super::words::{Tongue, spoken};
use super::{answer, since, words};
use crate::domain::{Entry, Fact};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 16.0;
/// The middle of each lane.
const SURVEY: f64 = 24.0;
const CALLER: f64 = 66.0;
const ANSWERS: f64 = 106.0;
const AXIS: f64 = 136.0;
const HEIGHT: f64 = 156.0;
/// Half the height of a bar, and a key's radius.
const HALF: f64 = 13.0;
/// About what a letter of a label takes.
const LETTER: f64 = 6.6;
/// A picture has so many marks on its axis at most.
const TICKS_MAX: f64 = 12.0;
/// Steps between marks, in seconds.
const STEPS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0];

/// A stretch of time, in seconds, and what it was.
struct Span {
    from: f64,
    to: f64,
    label: String,
    class: &'static str,
}

/// A moment, in seconds, and what it was.
struct Mark {
    at: f64,
    label: String,
    title: String,
}

#[derive(Default)]
struct Lanes {
    survey: Vec<Span>,
    speech: Vec<Span>,
    keys: Vec<Mark>,
    answers: Vec<Mark>,
    end: f64,
}

/// The picture of a story. A call that was never answered has none.
pub(super) fn draw(tr: Tongue, story: &[Entry]) -> String {
    let lanes = lanes(tr, story);
    if lanes.survey.is_empty() {
        return String::new();
    }
    let x = |at: f64| LEFT + (at / lanes.end.max(1.0)).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let lane = |id: &str, y: f64| {
        let (name, right) = (escaped(&tr.t(id)), WIDTH - RIGHT);
        format!(
            "<text class=\"axis\" x=\"0\" y=\"{:.1}\">{name}</text>\
             <line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\"/>",
            y + 4.0
        )
    };
    let mut svg = format!(
        "<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(&tr.t("story-picture"))
    );
    svg += &axis(tr, lanes.end, x);
    svg +=
        &[lane("lane-survey", SURVEY), lane("lane-caller", CALLER), lane("lane-answers", ANSWERS)].concat();
    svg.extend(lanes.survey.iter().map(|span| bar(span, SURVEY, x)));
    svg.extend(lanes.speech.iter().map(|span| bar(span, CALLER, x)));
    svg.extend(lanes.keys.iter().map(|key| {
        let (at, label, title) = (x(key.at), escaped(&key.label), escaped(&key.title));
        format!(
            "<g class=\"key\"><title>{title}</title><circle cx=\"{at:.1}\" cy=\"{CALLER}\" r=\"{HALF}\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\">{label}</text></g>",
            CALLER + 4.5
        )
    }));
    svg.extend(lanes.answers.iter().map(|mark| pill(mark, x)));
    svg + "</svg>"
}

fn lanes(tr: Tongue, story: &[Entry]) -> Lanes {
    let begin_us = story.first().map_or(0, |entry| entry.at_us);
    let mut lanes = Lanes::default();
    // What the service is at since when.
    let mut doing: Option<(f64, String, &'static str)> = None;
    for entry in story {
        let at = since(begin_us, entry.at_us);
        let next = match &entry.fact {
            Fact::Answered { .. } => Some((tr.t("lane-greeting"), "soft")),
            Fact::Asked { question, .. } => Some((spoken(tr, question.as_str()), "asked")),
            Fact::Answer(given) => {
                let (name, value) =
                    (spoken(tr, given.question.as_str()), answer(tr, &given.value.to_string()));
                lanes.answers.push(Mark { at, title: format!("{name}: {value}"), label: value });
                Some((String::new(), "soft"))
            }
            Fact::Key { digit, .. } => {
                let title = tr.x("story-key", digit);
                lanes.keys.push(Mark { at, label: digit.to_string(), title });
                None
            }
            Fact::Heard { hearing, .. } => {
                let to = at - f64::from(hearing.decided_ms) / 1000.0;
                let from = to - f64::from(hearing.end_ms.saturating_sub(hearing.start_ms)) / 1000.0;
                lanes.speech.push(Span { from, to, label: words(hearing), class: "speech" });
                None
            }
            Fact::Comment { length_ms, .. } => {
                let from = at - f64::from(*length_ms) / 1000.0;
                lanes.speech.push(Span { from, to: at, label: tr.t("lane-comment"), class: "speech" });
                Some((String::new(), "soft"))
            }
            Fact::Held { on } => {
                Some(if *on { (tr.t("lane-hold"), "hold") } else { (String::new(), "soft") })
            }
            Fact::Ended { .. } => {
                lanes.end = at;
                Some((String::new(), "soft"))
            }
            _ => None,
        };
        let Some((label, class)) = next else { continue };
        let same = doing.as_ref().is_some_and(|(_, before, _)| !label.is_empty() && *before == label);
        if same {
            continue; // Asked once more: the same stretch.
        }
        if let Some((from, label, class)) = doing.take() {
            lanes.survey.push(Span { from, to: at, label, class });
        }
        doing = Some((at, label, class)).filter(|_| !matches!(entry.fact, Fact::Ended { .. }));
        lanes.end = lanes.end.max(at);
    }
    // Between two things that are said there is nothing to name, unless it lasts until the end: the goodbye.
    if let Some(last) = lanes.survey.last_mut().filter(|span| span.label.is_empty()) {
        last.label = tr.t("lane-goodbye");
    }
    lanes.survey.retain(|span| !span.label.is_empty());
    lanes
}

fn bar(span: &Span, y: f64, x: impl Fn(f64) -> f64) -> String {
    let (from, to) = (x(span.from), x(span.to));
    let width = (to - from - 1.5).max(2.0);
    let title = escaped(&span.label);
    let fits = span.label.chars().count() as f64 * LETTER + 10.0 <= width;
    // What is said is short: its words stand beside it.
    let beside = span.class == "speech" && !fits;
    let text = if fits || beside {
        let at = if beside { to + 4.0 } else { from + 6.0 };
        format!("<text x=\"{at:.1}\" y=\"{:.1}\">{title}</text>", y + 4.0)
    } else {
        String::new()
    };
    format!(
        "<g class=\"{}\"><title>{title}</title><rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" \
         rx=\"4\"/>{text}</g>",
        span.class,
        y - HALF,
        2.0 * HALF
    )
}

/// An answer, as wide as its label, within the picture.
fn pill(mark: &Mark, x: impl Fn(f64) -> f64) -> String {
    let width = mark.label.chars().count() as f64 * (LETTER + 0.8) + 18.0;
    let from = (x(mark.at) - width / 2.0).clamp(LEFT, WIDTH - RIGHT - width);
    format!(
        "<g class=\"given\"><title>{}</title><rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" \
         rx=\"{HALF}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escaped(&mark.title),
        ANSWERS - HALF,
        2.0 * HALF,
        from + width / 2.0,
        ANSWERS + 4.5,
        escaped(&mark.label)
    )
}

fn axis(tr: Tongue, end: f64, x: impl Fn(f64) -> f64) -> String {
    let step = STEPS.into_iter().find(|step| end / step <= TICKS_MAX).unwrap_or(300.0);
    let count = (end / step).floor() as u32;
    let tick = |number: u32| {
        let at = f64::from(number) * step;
        format!(
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\"/>\
             <text class=\"axis middle\" x=\"{0:.1}\" y=\"{3}\">{4}\u{a0}s</text>",
            x(at),
            SURVEY - HALF,
            AXIS - 6.0,
            AXIS + 10.0,
            tr.number(at, 0)
        )
    };
    (0..=count).map(tick).collect()
}
