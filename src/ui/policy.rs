//! The rules in force, as the configuration has them, and what each of them means. They are changed there, not here.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::frame::{Answer, Frame, Ui};
use super::words::Tongue;
use crate::config::CommentAccess;
use crate::domain::Role;
use crate::web::WebState;

struct Rule {
    /// The key in the configuration.
    key: &'static str,
    name: String,
    value: String,
    meaning: String,
}

#[derive(Template)]
#[template(path = "policy.html", config = "src/ui/askama.toml")]
struct Policy {
    frame: Frame,
    tr: Tongue,
    rules: Vec<Rule>,
    teams: Vec<[String; 2]>,
}

/// A time as people say it.
fn span(tr: Tongue, time: Duration) -> String {
    match time.as_secs() {
        s if s >= 86_400 && s % 86_400 == 0 => tr.x("days", s / 86_400),
        s if s >= 3600 => tr.x("hours", s / 3600),
        s => tr.x("minutes", s / 60),
    }
}

/// `/policy`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.only(Role::Admin)?;
    let (tr, live) = (ui.tr, state.parts.live.load_full());
    let (policy, follow, web) = (&live.config.policy, &live.config.follow_up, &live.config.web);
    let rule = |key, id: &str, value: String| Rule {
        key,
        name: tr.t(&format!("policy-{id}")),
        meaning: tr.t(&format!("policy-{id}-means")),
        value,
    };
    let comments = match policy.comments {
        CommentAccess::Quality => tr.t("role-quality"),
        CommentAccess::Nobody => tr.t("nobody"),
    };
    let low = &follow.low_scores;
    let share = |name: &str, share: Option<f64>| {
        share.map(|share| format!("{name} {}\u{a0}%", tr.number(share * 100.0, 0)))
    };
    let low: Vec<String> = [
        share("CSAT", low.csat),
        share("CES", low.ces),
        share("NPS", low.nps),
        low.fcr.then(|| format!("FCR {}", tr.t("no"))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let low = if low.is_empty() { tr.t("policy-low-none") } else { low.join(", ") };
    let rules = vec![
        rule("policy.cell_min", "cell", policy.cell_min.to_string()),
        rule("policy.agent_batch_min", "batch", policy.agent_batch_min.to_string()),
        rule("policy.agent_delay_weeks", "delay", tr.x("weeks", policy.agent_delay_weeks)),
        rule("policy.time_zone", "zone", policy.time_zone.clone()),
        rule("policy.comments", "comments", comments),
        rule("policy.keep_recordings", "recordings", span(tr, policy.keep_recordings)),
        rule("policy.keep_contexts", "contexts", span(tr, policy.keep_contexts)),
        rule("follow_up.keep_numbers", "numbers", span(tr, follow.keep_numbers)),
        rule("follow_up.low_scores", "low", low),
        rule("web.session_idle_max", "idle", span(tr, web.session_idle_max)),
        rule("web.session_max", "session", span(tr, web.session_max)),
    ];
    let team = |(team, agents): (&crate::domain::TeamId, &Vec<crate::domain::AgentId>)| {
        let agents: Vec<String> = agents.iter().map(ToString::to_string).collect();
        [team.to_string(), agents.join(", ")]
    };
    let teams = policy.teams.iter().map(team).collect();
    Ok(Html(Policy { frame: ui.frame(tr.t("page-policy")), tr, rules, teams }.render()?))
}
