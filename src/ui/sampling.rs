//! Whether calls were chosen as the rule says: nobody picks their own callers.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::figures::percent;
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Ui};
use super::words::Tongue;
use crate::scoring::Verdict;
use crate::store::rules::SamplingRow;
use crate::web::WebState;

struct Row {
    agent: String,
    team: String,
    eligible: u64,
    selected: u64,
    expected: String,
    verdict: String,
    class: &'static str,
    agent_hung_up: String,
    caller_hung_up: String,
    excluded: u64,
    not_transferred: u64,
    sent: String,
}

#[derive(Template)]
#[template(path = "sampling.html", config = "src/ui/askama.toml")]
struct Sampling {
    frame: Frame,
    tr: Tongue,
    rows: Vec<Row>,
    offered: String,
    orphans: String,
    sent: String,
    agent_hung_up: String,
}

/// How many, and which share they are.
fn share(tr: Tongue, part: u64, whole: u64) -> String {
    tr.xy("share-of", tr.count(part), percent(tr, part, whole))
}

fn row(tr: Tongue, row: &SamplingRow) -> Row {
    let of = &row.expected;
    let (id, class) = match row.verdict {
        Verdict::Below => ("verdict-below", "bad"),
        Verdict::Within => ("verdict-within", "same"),
        Verdict::Above => ("verdict-above", "bad"),
    };
    Row {
        agent: row.agent.as_ref().map_or_else(|| tr.t("no-agent"), ToString::to_string),
        team: row.team.as_ref().map_or_else(|| "\u{2013}".to_owned(), ToString::to_string),
        eligible: row.eligible,
        selected: row.selected,
        expected: format!(
            "{} ({})",
            tr.number(of.value, 1),
            tr.xy("span", tr.number(of.low, 0), tr.number(of.high, 0))
        ),
        verdict: tr.t(id),
        class,
        agent_hung_up: share(tr, row.agent_hung_up, row.agent_hung_up + row.caller_hung_up),
        caller_hung_up: share(tr, row.caller_hung_up, row.agent_hung_up + row.caller_hung_up),
        excluded: row.excluded,
        not_transferred: row.not_transferred,
        sent: share(tr, row.sent, row.offered),
    }
}

/// `/sampling`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().sampling(&ui.viewer, ui.period()).await)?;
    let tr = ui.tr;
    let page = Sampling {
        frame: ui.framed(tr.t("page-sampling"), Surveys::None, Origins::Fixed),
        rows: view.rows.iter().map(|one| row(tr, one)).collect(),
        offered: tr.count(view.offered),
        orphans: share(tr, view.orphans, view.offered),
        sent: share(tr, view.sent, view.offered),
        agent_hung_up: share(tr, view.agent_hung_up, view.agent_hung_up + view.caller_hung_up),
        tr,
    };
    Ok(Html(page.render()?))
}
