//! Agents: all of them by what is known of each, and one.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, Response};

use super::board::{self, Asked, BesideView, BoardView, ReasonsView, TableCell};
use super::export::{self, Form};
use super::figures::Shown;
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Refusal, Ui, encoded};
use super::goals::Goals;
use super::trends::{self, ChartView};
use super::words::Tongue;
use crate::scoring::FigureName;
use crate::store::rules::Board;
use crate::web::WebState;

/// One line of a table of boards.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) href: Option<String>,
    pub(super) team: String,
    /// The figure that the agent stands by, pulled towards that of all, with its name.
    pub(super) pulled: Option<(String, Shown)>,
    pub(super) cells: Vec<TableCell>,
    pub(super) offered: String,
    pub(super) response: String,
}

impl Row {
    pub(super) fn new(
        tr: Tongue,
        name: String,
        (figures, asked): (&[FigureName], &Asked),
        board: &Board,
    ) -> Self {
        let cell = |figure: &FigureName| asked.cell(tr, &board.scores, &board.responses, *figure);
        Self {
            name,
            href: None,
            team: String::new(),
            pulled: None,
            cells: figures.iter().map(cell).collect(),
            offered: tr.count(board.responses.funnel.offered),
            response: board::response(tr, &board.responses),
        }
    }
}

/// The heads of the columns of figures.
pub(super) fn heads(tr: Tongue, figures: &[FigureName]) -> Vec<String> {
    figures.iter().map(|figure| tr.t(&format!("figure-{}", figure.as_str()))).collect()
}

#[derive(Template)]
#[template(path = "agents.html", config = "src/ui/askama.toml")]
struct Agents {
    frame: Frame,
    tr: Tongue,
    heads: Vec<String>,
    rows: Vec<Row>,
    teams: Vec<Row>,
    pulled: bool,
    csv: String,
    xlsx: String,
}

#[derive(Template)]
#[template(path = "detail.html", config = "src/ui/askama.toml")]
pub(super) struct Detail {
    pub(super) frame: Frame,
    pub(super) tr: Tongue,
    pub(super) under: String,
    pub(super) back: String,
    pub(super) back_label: String,
    pub(super) board: BoardView,
    pub(super) controls: Vec<ChartView>,
    pub(super) trends: Vec<ChartView>,
    pub(super) reasons: Vec<ReasonsView>,
    pub(super) beside: Vec<BesideView>,
}

/// `/agents`.
pub(super) async fn list(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().agents(&ui.viewer, ui.slice()).await)?;
    let tr = ui.tr;
    let figures = board::headlines(view.rows.iter().map(|row| row.board.scores.as_slice()));
    let asked = Asked::of(&state.parts.live.load().surveys);
    let columns = (figures.as_slice(), &asked);
    let row = |row: &crate::store::rules::AgentRow| Row {
        href: row.agent.as_ref().map(|agent| ui.to(&format!("/agents/{}", encoded(agent.as_str())))),
        team: row.team.as_ref().map(ToString::to_string).unwrap_or_default(),
        pulled: row.shrunk.map(|shrunk| {
            let label = tr.t(&format!("figure-{}", shrunk.figure.as_str()));
            (label, Shown::new(tr, shrunk.figure, None, &shrunk.estimate, None))
        }),
        ..Row::new(
            tr,
            row.agent.as_ref().map_or_else(|| tr.t("no-agent"), ToString::to_string),
            columns,
            &row.board,
        )
    };
    let teams = view.teams.iter().map(|team| Row::new(tr, team.team.to_string(), columns, &team.board));
    let page = Agents {
        frame: ui.framed(tr.t("page-agents"), Surveys::Any, Origins::Any),
        heads: heads(tr, &figures),
        rows: view.rows.iter().map(row).collect(),
        teams: teams.collect(),
        pulled: view.rows.iter().any(|row| row.shrunk.is_some()),
        csv: ui.to("/agents.csv"),
        xlsx: ui.to("/agents.xlsx"),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `/agents.csv`: the table as a file.
pub(super) async fn csv(ui: Ui, State(state): State<WebState>) -> Result<Response, Refusal> {
    file(ui, state, Form::Csv).await
}

/// `/agents.xlsx`: the same as a spreadsheet.
pub(super) async fn xlsx(ui: Ui, State(state): State<WebState>) -> Result<Response, Refusal> {
    file(ui, state, Form::Xlsx).await
}

async fn file(ui: Ui, state: WebState, form: Form) -> Result<Response, Refusal> {
    let view = ui.seen(state.results().agents(&ui.viewer, ui.slice()).await)?;
    let figures = board::headlines(view.rows.iter().map(|row| row.board.scores.as_slice()));
    let row = |row: &crate::store::rules::AgentRow| {
        let agent = row.agent.as_ref().map(ToString::to_string).unwrap_or_default();
        let team = row.team.as_ref().map(ToString::to_string).unwrap_or_default();
        export::row(&[agent, team], &figures, &row.board)
    };
    let head = export::heads(&["agent", "team"], &figures);
    let rows = std::iter::once(head).chain(view.rows.iter().map(row)).collect();
    export::file(&ui, &state, ("agents", ui.scope()), form, rows).await
}

/// `/agents/{agent}`.
pub(super) async fn one(ui: Ui, State(state): State<WebState>, Path(agent): Path<String>) -> Answer {
    let agent = agent.parse().map_err(|_| ui.nothing())?;
    let view = ui.seen(state.results().agent(&ui.viewer, &agent, ui.slice()).await)?;
    let nothing = view.board == Board::default() && view.beside.is_empty() && view.weeks.is_empty();
    if nothing && view.team.is_none() {
        return Err(ui.unknown("unknown-agent", view.agent.as_str(), ("/agents", "page-agents")));
    }
    let (tr, goals) = (ui.tr, Goals::of(&ui, &state).await?);
    let controls = trends::controls(tr, &view.charts);
    let mut trends = trends::by_week(tr, &view.weeks, &goals);
    trends.retain(|trend| controls.iter().all(|control| control.title != trend.title));
    let page = Detail {
        frame: ui.framed(view.agent.to_string(), Surveys::Any, Origins::Any),
        under: view.team.as_ref().map(|team| tr.x("of-team", team)).unwrap_or_default(),
        back: ui.to("/agents"),
        back_label: tr.t("page-agents"),
        board: BoardView::new(tr, &view.board, &goals),
        controls,
        trends,
        reasons: board::reasons(tr, &view.choices),
        beside: board::beside(tr, &view.beside),
        tr,
    };
    Ok(Html(page.render()?))
}
