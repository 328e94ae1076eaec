//! Who looked at what and who changed what, the latest first, and whether the log is whole. No results are here.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use jiff::civil::Date;

use super::filters::Choice;
use super::frame::{Answer, Frame, Refusal, Ui};
use super::users::names;
use super::words::{Tongue, moment, plain};
use crate::domain::{Role, midnight_us};
use crate::store::rules::audit_names;
use crate::store::{AuditFilter, AuditLine, Chain};
use crate::web::WebState;

/// Lines of one page.
const PAGE: u32 = 100;
/// Lines that one check goes through.
const CHECK_MAX: i64 = 100_000;
/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

struct Line {
    seq: i64,
    at: String,
    user: String,
    role: String,
    what: String,
    scope: String,
    reason: String,
}

struct Verdict {
    good: bool,
    text: String,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit.html", config = "src/ui/askama.toml")]
struct Audit {
    frame: Frame,
    tr: Tongue,
    users: Vec<Choice>,
    whats: Vec<Choice>,
    day: String,
    lines: Vec<Line>,
    next: Option<String>,
    verdict: Option<Verdict>,
    here: String,
}

/// What is written in the log as people say it; what has no words of its own stays as it is.
fn what(tr: Tongue, name: &str) -> String {
    tr.known(&format!("audit-{}", name.replace(' ', "-"))).unwrap_or_else(|| plain(name))
}

/// `GET /audit`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    shown(&ui, &state, None).await
}

/// `POST /audit`: checks the chain, and shows the page again.
pub(super) async fn verify(ui: Ui, State(state): State<WebState>) -> Answer {
    let (first, chain) = ui.seen(state.results().audit_chain(&ui.viewer, CHECK_MAX).await)?;
    let tr = ui.tr;
    let verdict = match chain {
        Chain::Whole(head) => {
            Verdict { good: true, text: tr.xy("audit-whole", first, head.seq), hash: head.hash }
        }
        Chain::Broken { seq, .. } => {
            Verdict { good: false, text: tr.x("audit-broken", seq), hash: String::new() }
        }
    };
    shown(&ui, &state, Some(verdict)).await
}

/// The filter of the address, the user and what as their names there, and the day.
fn filter(ui: &Ui) -> Result<AuditFilter, Refusal> {
    let day = ui.asked("day").map(str::parse::<Date>).transpose();
    let day = day.map_err(|_| ui.wrong(&ui.tr.t("audit-day-wrong")))?;
    let from_us = day.and_then(midnight_us);
    let before = ui.asked("before").map(str::parse).transpose().map_err(|_| ui.nothing())?;
    Ok(AuditFilter {
        user: ui.asked("user").map(str::to_owned),
        what: ui.asked("what").map(str::to_owned),
        from_us,
        to_us: from_us.map(|us| us + DAY_US),
        before,
        limit: PAGE,
    })
}

async fn shown(ui: &Ui, state: &WebState, verdict: Option<Verdict>) -> Answer {
    ui.only(Role::Admin)?;
    let tr = ui.tr;
    let filter = filter(ui)?;
    let seen = ui.seen(state.results().audit(&ui.viewer, &filter).await)?;
    let names = names(ui, state).await?;
    let machine = ["operator", "service"].map(|id| (id.to_owned(), tr.t(&format!("audit-user-{id}"))));
    let line = |line: &AuditLine| Line {
        seq: line.seq,
        at: moment(line.at_us),
        user: match machine.iter().find(|(id, _)| *id == line.user) {
            Some((_, label)) => label.clone(),
            None => names.get(&line.user).cloned().unwrap_or_else(|| tr.t("an-api-token")),
        },
        role: match Role::ALL.into_iter().any(|role| role.as_str() == line.role) {
            true => tr.t(&format!("role-{}", line.role)),
            false => String::new(),
        },
        what: what(tr, &line.what),
        scope: line.readable_scope(),
        reason: line.reason.clone(),
    };
    let mut people: Vec<(String, String)> = names.clone().into_iter().collect();
    people.sort_by(|a, b| a.1.cmp(&b.1));
    let anybody = (String::new(), tr.t("audit-anybody"));
    let anything = (String::new(), tr.t("audit-anything"));
    let whats = audit_names().into_iter().map(|name| (name.to_owned(), what(tr, name)));
    let page = Audit {
        frame: ui.frame(tr.t("page-audit")),
        users: Choice::list(
            [anybody].into_iter().chain(people).chain(machine.clone()),
            filter.user.as_deref().unwrap_or_default(),
        ),
        whats: Choice::list([anything].into_iter().chain(whats), filter.what.as_deref().unwrap_or_default()),
        day: ui.asked("day").unwrap_or_default().to_owned(),
        lines: seen.lines.iter().map(line).collect(),
        next: seen.next.map(|before| ui.with(&[("before", Some(before.to_string()))])),
        verdict,
        here: ui.with(&[]),
        tr,
    };
    Ok(Html(page.render()?))
}
