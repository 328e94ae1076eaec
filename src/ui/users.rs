//! Who may sign in: the administration makes users, lets them in by a link, and shuts them out. All of it is on record.

use std::collections::HashMap;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::filters::Choice;
use super::frame::{Answer, Frame, Refusal, Ui};
use super::words::Tongue;
use crate::access::{AccessError, Invited, UserName, UserSummary};
use crate::domain::{AgentId, Role, TeamId};
use crate::store::Note;
use crate::web::WebState;

struct User {
    name: String,
    role: String,
    of: String,
    disabled: bool,
    sessions: u32,
    /// Nobody shuts themselves out.
    own: bool,
}

#[derive(Template)]
#[template(path = "users.html", config = "src/ui/askama.toml")]
struct Users {
    frame: Frame,
    tr: Tongue,
    users: Vec<User>,
    roles: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "user_link.html", config = "src/ui/askama.toml")]
struct Link {
    frame: Frame,
    tr: Tongue,
    name: String,
    link: String,
}

/// What the form for a new user sends.
#[derive(Deserialize)]
pub(super) struct New {
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    agent: String,
    #[serde(default)]
    teams: String,
}

/// What is done with a user.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    name: String,
    #[serde(default)]
    action: String,
}

/// The names of all users by their ids, as the audit log and tasks name them.
pub(super) async fn names(ui: &Ui, state: &WebState) -> Result<HashMap<String, String>, Refusal> {
    let users = state.access.users().await.map_err(|cause| ui.broken(&cause))?;
    Ok(users.into_iter().map(|user| (user.viewer.user.0.to_string(), user.name)).collect())
}

fn refused(ui: &Ui, error: &AccessError) -> Refusal {
    match error {
        AccessError::SameUser => ui.wrong(&ui.tr.t("user-same")),
        AccessError::NoUser => ui.wrong(&ui.tr.t("user-none")),
        AccessError::AgentRole => ui.wrong(&ui.tr.t("user-agent-role")),
        cause => ui.broken(cause),
    }
}

async fn note(ui: &Ui, state: &WebState, what: &'static str, scope: String) -> Result<(), Refusal> {
    let note = Note::of(&ui.viewer, what, scope, "");
    state.parts.store.note(note).await.map(|_| ()).map_err(|cause| ui.broken(&cause))
}

/// `GET /users`.
pub(super) async fn list(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.only(Role::Admin)?;
    let tr = ui.tr;
    let users = state.access.users().await.map_err(|cause| ui.broken(&cause))?;
    let sessions = state.access.sessions_by_user(state.session_rules()).await;
    let sessions = sessions.map_err(|cause| ui.broken(&cause))?;
    let user = |user: UserSummary| {
        let teams = user.viewer.teams.iter().map(ToString::to_string);
        let of: Vec<String> = user.viewer.agent.iter().map(ToString::to_string).chain(teams).collect();
        User {
            role: tr.t(&format!("role-{}", user.viewer.role.as_str())),
            of: of.join(", "),
            disabled: user.disabled,
            sessions: sessions.get(&user.viewer.user).copied().unwrap_or_default(),
            own: user.viewer.user == ui.viewer.user,
            name: user.name,
        }
    };
    let roles = Role::ALL.map(|role| (role.as_str().to_owned(), tr.t(&format!("role-{}", role.as_str()))));
    let page = Users {
        frame: ui.frame(tr.t("page-users")),
        users: users.into_iter().map(user).collect(),
        roles: Choice::list(roles, Role::Supervisor.as_str()),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `POST /users`: makes one, and shows the link by which they come in.
pub(super) async fn add(
    ui: Ui,
    State(state): State<WebState>,
    headers: HeaderMap,
    Form(new): Form<New>,
) -> Answer {
    ui.only(Role::Admin)?;
    let tr = ui.tr;
    let name: UserName = new.name.trim().parse().map_err(|_| ui.wrong(&tr.t("user-name-rule")))?;
    let role = Role::ALL.into_iter().find(|role| role.as_str() == new.role).ok_or_else(|| ui.nothing())?;
    let agent = match new.agent.trim() {
        "" => None,
        text => Some(text.parse::<AgentId>().map_err(|error| ui.wrong(&error.to_string()))?),
    };
    let teams: Result<Vec<TeamId>, _> =
        new.teams.split([',', ' ']).filter(|text| !text.is_empty()).map(str::parse).collect();
    let teams = teams.map_err(|error: crate::domain::IdError| ui.wrong(&error.to_string()))?;
    if (role == Role::Agent) != agent.is_some() {
        return Err(refused(&ui, &AccessError::AgentRole));
    }
    if role != Role::Supervisor && !teams.is_empty() {
        return Err(ui.wrong(&tr.t("user-teams-role")));
    }
    let of: Vec<String> =
        agent.iter().map(ToString::to_string).chain(teams.iter().map(ToString::to_string)).collect();
    note(&ui, &state, "user_add", format!("{name} {} {}", role.as_str(), of.join(" ")).trim().to_owned())
        .await?;
    let secret = state.access.invite(Invited { name: name.clone(), role, agent, teams }).await;
    let secret = secret.map_err(|error| refused(&ui, &error))?;
    link(&ui, &state, &headers, name.to_string(), &secret)
}

/// The page that shows a link, once.
fn link(ui: &Ui, state: &WebState, headers: &HeaderMap, name: String, secret: &str) -> Answer {
    let live = state.parts.live.load();
    let web = &live.config.web;
    // Without an address in the configuration, the one by which the reader came here is theirs too.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if web.is_secure() { "https" } else { "http" };
    let base = web.public_url.clone().unwrap_or_else(|| format!("{scheme}://{host}"));
    let link = format!("{}/sign-in/once?token={secret}", base.trim_end_matches('/'));
    Ok(Html(Link { frame: ui.frame(ui.tr.t("user-link")), tr: ui.tr, name, link }.render()?))
}

/// `POST /users/change`: a new link, the end of all sessions, or the end of the user.
pub(super) async fn change(
    ui: Ui,
    State(state): State<WebState>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Refusal> {
    ui.only(Role::Admin)?;
    let users = state.access.users().await.map_err(|cause| ui.broken(&cause))?;
    let user = users.into_iter().find(|user| user.name == wanted.name && !user.disabled);
    let user = user.ok_or_else(|| refused(&ui, &AccessError::NoUser))?;
    match wanted.action.as_str() {
        "link" => {
            note(&ui, &state, "user_link", user.name.clone()).await?;
            let secret = state.access.add_link(&user.name).await.map_err(|error| refused(&ui, &error))?;
            return Ok(link(&ui, &state, &headers, user.name, &secret)?.into_response());
        }
        "sessions" => {
            note(&ui, &state, "user_sign_out", user.name).await?;
            let ended = state.access.sign_out_everywhere(user.viewer.user).await;
            ended.map_err(|error| refused(&ui, &error))?;
        }
        "disable" if user.viewer.user == ui.viewer.user => return Err(ui.wrong(&ui.tr.t("user-own"))),
        "disable" => {
            note(&ui, &state, "user_disable", user.name.clone()).await?;
            state.access.disable_user(&user.name).await.map_err(|error| refused(&ui, &error))?;
        }
        _ => return Err(ui.nothing()),
    }
    Ok(Redirect::to("/users").into_response())
}
