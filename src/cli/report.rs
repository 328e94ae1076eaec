//! `aftercall report`: figures per agent, queue, survey or day.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::ValueEnum;

use super::Global;
use super::filter::{Filter, table};
use crate::domain::{GivenBy, Origin, Stage};
use crate::scoring::{Figure, FigureName, Measure, Report, ReportRow};
use crate::store::{GroupBy, Scope};
use crate::web::csv::guard;

/// Which figures, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A line for each.
    #[arg(long, value_enum, default_value = "agent")]
    by: By,
    #[command(flatten)]
    filter: Filter,
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV, one figure a line.
    #[arg(long)]
    csv: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Agent,
    Queue,
    Survey,
    Day,
}

/// Prints the report.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let views = super::open_views(global).await?;
    let (group, title) = match args.by {
        By::Agent => (GroupBy::Agent, "agent"),
        By::Queue => (GroupBy::Queue, "queue"),
        By::Survey => (GroupBy::Survey, "survey"),
        By::Day => (GroupBy::Day, "day"),
    };
    let scope = Scope {
        from_us: args.filter.begin_us(),
        to_us: args.filter.end_us(),
        agent: args.filter.agent,
        queue: args.filter.queue,
        survey: args.filter.survey,
        origin: args.filter.origin,
    };
    let report = Report::new(&views.report(group, &scope).await?);
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else if args.csv {
        csv_lines(&report, title)?
    } else {
        tables(&report, title) + &modes_line(&views.answers_by_mode(&scope).await?)
    };
    views.close().await;
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn csv_lines(report: &Report, title: &str) -> anyhow::Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([title, "origin", "figure", "question", "scale", "n", "value", "low", "high"])?;
    for row in &report.rows {
        // Groups are named by what came in headers.
        let (origin, group) = (row.origin.as_str(), &guard(&row.group));
        for stage in Stage::ALL {
            let name = format!("calls_{}", stage.as_str());
            let n = row.funnel.reached(stage).to_string();
            csv.write_record([group, origin, &name, "", "", &n, "", "", ""])?;
        }
        for (measure, name, figure) in figures(row) {
            let scale = scale(measure);
            let n = figure.n().to_string();
            let [value, low, high] = match figure {
                Figure::TooFew { .. } => [String::new(), String::new(), String::new()],
                Figure::Of(e) => [e.value, e.low, e.high].map(|x| x.to_string()),
            };
            csv.write_record([
                group,
                origin,
                name.as_str(),
                measure.question.as_str(),
                &scale,
                &n,
                &value,
                &low,
                &high,
            ])?;
        }
        for choice in &row.choices {
            for (value, n) in &choice.counts {
                let (name, question) = (guard(&format!("choice_{value}")), choice.question.as_str());
                csv.write_record([group, origin, &name, question, "", &n.to_string(), "", "", ""])?;
            }
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}

fn figures(row: &ReportRow) -> impl Iterator<Item = (&Measure, FigureName, &Figure)> {
    row.measures.iter().flat_map(|m| m.figures.iter().map(move |(name, figure)| (m, *name, figure)))
}

/// A scale in words: `1-5, lower is better`.
fn scale(measure: &Measure) -> String {
    measure.scale.map_or(String::new(), |scale| {
        let better = match scale.better {
            crate::domain::Better::Higher => "higher",
            crate::domain::Better::Lower => "lower",
        };
        format!("{}-{} {better} is better", scale.min, scale.max)
    })
}

fn tables(report: &Report, title: &str) -> String {
    if report.rows.is_empty() {
        return "No calls yet.\n".into();
    }
    let mut text = String::new();
    for origin in Origin::ALL {
        let rows: Vec<&ReportRow> = report.rows.iter().filter(|row| row.origin == origin).collect();
        if rows.is_empty() {
            continue;
        }
        let said = match origin {
            Origin::Sampled => "chosen by us: these speak for all callers",
            Origin::Agent => "sent by the agent: these speak for nobody else",
            Origin::Mystery => "mystery callers",
            Origin::Test => "trial calls",
        };
        text += &format!("Origin {}: {said}\n{}\n\n", origin.as_str(), figure_table(&rows, title));
        text += &format!("{}\n", funnel_line(&rows));
        for (question, counts) in choices(&rows) {
            let counts: Vec<_> = counts.iter().map(|(value, n)| format!("{value} {n}")).collect();
            text += &format!("{question}: {}\n", counts.join(", "));
        }
        text.push('\n');
    }
    text += "Percent with 95 % interval and number of answers. CSAT: the best two of five (the best one of three). \
             CES: mean, and percent on the easy side. NPS: -100 to 100. Fewer than 5 answers are too few to show.\n";
    text
}

fn figure_table(rows: &[&ReportRow], title: &str) -> comfy_table::Table {
    let used: Vec<FigureName> = FigureName::ALL
        .into_iter()
        .filter(|name| rows.iter().any(|row| figures(row).any(|(_, n, _)| n == *name)))
        .collect();
    let mut table = table();
    let names = used.iter().map(|name| match name {
        FigureName::CsatTopBox => "CSAT %",
        FigureName::CsatMean => "CSAT mean",
        FigureName::Nps => "NPS",
        FigureName::CesMean => "CES mean",
        FigureName::CesLowEffort => "easy %",
        FigureName::Fcr => "FCR %",
    });
    table.set_header([title, "offered", "surveyed", "responded", "complete"].into_iter().chain(names));
    for row in rows {
        let funnel = &row.funnel;
        let group = if row.group.is_empty() { "(none)" } else { &row.group };
        let counts = [funnel.offered, funnel.answered, funnel.responded, funnel.complete];
        let cells = used.iter().map(|name| cell(row, *name));
        let counts = counts.iter().map(u64::to_string);
        table.add_row(std::iter::once(group.to_owned()).chain(counts).chain(cells));
    }
    table
}

/// A figure of a row; one line per question where there are several.
fn cell(row: &ReportRow, name: FigureName) -> String {
    let found: Vec<_> = figures(row).filter(|(_, n, _)| *n == name).collect();
    let lines = found.iter().map(|(measure, _, figure)| {
        let on = if found.len() > 1 { format!(" {}", measure.question) } else { String::new() };
        match figure {
            Figure::TooFew { n } => format!("too few ({n}){on}"),
            Figure::Of(e) if matches!(name, FigureName::CsatMean | FigureName::CesMean) => {
                format!("{:.2} ({:.2} to {:.2}) n {}{on}", e.value, e.low, e.high, e.n)
            }
            Figure::Of(e) => format!("{:.0} ({:.0} to {:.0}) n {}{on}", e.value, e.low, e.high, e.n),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn funnel_line(rows: &[&ReportRow]) -> String {
    let reached = |stage| rows.iter().map(|row| row.funnel.reached(stage)).sum::<u64>();
    let steps: Vec<_> =
        Stage::ALL.iter().map(|&stage| format!("{} {}", stage.as_str(), reached(stage))).collect();
    let mut outcomes: BTreeMap<_, u64> = BTreeMap::new();
    for (disposition, n) in rows.iter().flat_map(|row| &row.dispositions) {
        *outcomes.entry(disposition.as_str()).or_default() += n;
    }
    let outcomes: Vec<_> = outcomes.iter().map(|(name, n)| format!("{name} {n}")).collect();
    format!("Funnel: {}\nOutcomes: {}", steps.join(" > "), outcomes.join(", "))
}

/// How answers came, where callers may speak.
fn modes_line(modes: &[(GivenBy, u64)]) -> String {
    if modes.iter().all(|(mode, n)| *mode == GivenBy::Key || *n == 0) {
        return String::new();
    }
    let parts = modes.iter().map(|(mode, n)| match mode {
        GivenBy::Key => format!("{n} by key"),
        GivenBy::Voice => format!("{n} by voice"),
        GivenBy::VoiceConfirmed => format!("{n} by voice and confirmed"),
    });
    format!("Answers came: {}.\n", parts.collect::<Vec<_>>().join(", "))
}

fn choices(rows: &[&ReportRow]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for choice in rows.iter().flat_map(|row| &row.choices) {
        let counts = all.entry(format!("{} ({})", choice.question, choice.survey)).or_default();
        for (value, n) in &choice.counts {
            *counts.entry(value.clone()).or_default() += n;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Better, Disposition, QuestionKind, Scale};
    use crate::scoring::{AnswerTally, OutcomeTally, Tallies};

    fn tallies() -> Tallies {
        let nps = |value: &str, n| (value.to_owned(), n);
        let answer = |question: &str, kind, scale, counts: BTreeMap<String, u64>| AnswerTally {
            group: "anna".into(),
            origin: Origin::Sampled,
            survey: "service".parse().unwrap(),
            question: question.parse().unwrap(),
            kind,
            scale,
            counts,
        };
        let effort = Scale { min: 1, max: 5, better: Better::Lower };
        let outcome = |disposition, stage, n| OutcomeTally {
            group: "anna".into(),
            origin: Origin::Sampled,
            disposition,
            stage,
            n,
        };
        Tallies {
            answers: vec![
                answer("recommend", QuestionKind::Nps, Some(Scale::NPS), [nps("10", 6), nps("3", 2)].into()),
                answer("effort", QuestionKind::Ces, Some(effort), [nps("1", 2), nps("5", 1)].into()),
                answer("why", QuestionKind::Menu, None, [nps("repeat", 1)].into()),
            ],
            outcomes: vec![
                outcome(Disposition::Complete, Stage::Complete, 8),
                outcome(Disposition::NotSelected, Stage::Offered, 152),
            ],
        }
    }

    #[test]
    fn as_tables() {
        insta::assert_snapshot!(tables(&Report::new(&tallies()), "agent"), @r"
        Origin sampled: chosen by us: these speak for all callers
         agent   offered   surveyed   responded   complete   NPS                  CES mean      easy %      
        ────────────────────────────────────────────────────────────────────────────────────────────────────
         anna    160       8          8           8          50 (-14 to 87) n 8   too few (3)   too few (3) 

        Funnel: offered 160 > selected 8 > answered 8 > asked 8 > responded 8 > complete 8
        Outcomes: complete 8, not_selected 152
        why (service): repeat 1

        Percent with 95 % interval and number of answers. CSAT: the best two of five (the best one of three). CES: mean, and percent on the easy side. NPS: -100 to 100. Fewer than 5 answers are too few to show.
        ");
    }

    #[test]
    fn as_csv() {
        insta::assert_snapshot!(csv_lines(&Report::new(&tallies()), "agent").unwrap(), @r"
        agent,origin,figure,question,scale,n,value,low,high
        anna,sampled,calls_offered,,,160,,,
        anna,sampled,calls_selected,,,8,,,
        anna,sampled,calls_answered,,,8,,,
        anna,sampled,calls_asked,,,8,,,
        anna,sampled,calls_responded,,,8,,,
        anna,sampled,calls_complete,,,8,,,
        anna,sampled,nps,recommend,0-10 higher is better,8,50,-14.175835429227213,86.90310815649994
        anna,sampled,ces_mean,effort,1-5 lower is better,3,,,
        anna,sampled,ces_low_effort,effort,1-5 lower is better,3,,,
        anna,sampled,choice_repeat,why,,1,,,
        ");
    }
}
