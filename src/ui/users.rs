//! Who may sign in: the administration makes users, lets them in by a link, and shuts them out. All of it is on record.

use std::collections::HashMap;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::filters::Choice;
use super::frame::{Answer, Frame, Refusal, Ui};
use super::words::Tongue;
use crate::access::{AccessError, Rights, TokenSummary, UserName, UserSummary};
use crate::domain::{AgentId, Role, TeamId};
use crate::store::Note;
use crate::web::WebState;

struct User {
    name: String,
    role: String,
    of: String,
    agent: String,
    teams: String,
    roles: Vec<Choice>,
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
    tokens: Vec<Token>,
    new: New,
    roles: Vec<Choice>,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "user_link.html", config = "src/ui/askama.toml")]
struct Link {
    frame: Frame,
    tr: Tongue,
    name: String,
    link: String,
}

/// A bearer token, as it is listed.
struct Token {
    name: String,
    scopes: String,
    until: String,
    state: TokenState,
}

/// Whether a token opens anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenState {
    Good,
    Over,
    Revoked,
}

/// What the form for a new user sends, filled in again where something is wrong with it.
#[derive(Default, Deserialize)]
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
    #[serde(default)]
    role: String,
    #[serde(default)]
    agent: String,
    #[serde(default)]
    teams: String,
}

/// The token that is to open nothing any more.
#[derive(Deserialize)]
pub(super) struct Revoked {
    #[serde(default)]
    name: String,
}

/// The names of all users and tokens by their ids, as the audit log and tasks name them.
pub(super) async fn names(ui: &Ui, state: &WebState) -> Result<HashMap<String, String>, Refusal> {
    let users = state.access.users().await.map_err(|cause| ui.broken(&cause))?;
    let tokens = state.access.tokens().await.map_err(|cause| ui.broken(&cause))?;
    let tokens = tokens.into_iter().map(|token| (token.id.to_string(), ui.tr.x("token-named", token.name)));
    Ok(users.into_iter().map(|user| (user.viewer.user.0.to_string(), user.name)).chain(tokens).collect())
}

/// What is wrong with what was sent, in the reader's words; none where it is our fault.
fn told(ui: &Ui, error: &AccessError) -> Option<String> {
    match error {
        AccessError::SameUser => Some(ui.tr.t("user-same")),
        AccessError::NoUser => Some(ui.tr.t("user-none")),
        AccessError::AgentRole => Some(ui.tr.t("user-agent-role")),
        AccessError::Teams => Some(ui.tr.t("user-teams-role")),
        AccessError::Provider => Some(ui.tr.t("user-provider")),
        _ => None,
    }
}

fn refused(ui: &Ui, error: &AccessError) -> Refusal {
    told(ui, error).map_or_else(|| ui.broken(error), |text| ui.wrong(&text))
}

async fn note(ui: &Ui, state: &WebState, what: &'static str, scope: String) -> Result<(), Refusal> {
    let note = Note::of(&ui.viewer, what, scope, "");
    state.parts.store.note(note).await.map(|_| ()).map_err(|cause| ui.broken(&cause))
}

/// `GET /users`.
pub(super) async fn list(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.only(Role::Admin)?;
    let new = New { role: Role::Supervisor.as_str().to_owned(), ..New::default() };
    listing(&ui, &state, new, None).await
}

fn roles(tr: Tongue, chosen: &str) -> Vec<Choice> {
    let named = Role::ALL.map(|role| (role.as_str().to_owned(), tr.t(&format!("role-{}", role.as_str()))));
    Choice::list(named, chosen)
}

async fn listing(ui: &Ui, state: &WebState, new: New, fault: Option<String>) -> Answer {
    let tr = ui.tr;
    let users = state.access.users().await.map_err(|cause| ui.broken(&cause))?;
    let sessions = state.access.sessions_by_user(state.session_rules()).await;
    let sessions = sessions.map_err(|cause| ui.broken(&cause))?;
    let user = |user: UserSummary| {
        let teams: Vec<String> = user.viewer.teams.iter().map(ToString::to_string).collect();
        let agent = user.viewer.agent.map(|agent| agent.to_string());
        User {
            role: tr.t(&format!("role-{}", user.viewer.role.as_str())),
            of: agent.clone().into_iter().chain(teams.clone()).collect::<Vec<_>>().join(", "),
            agent: agent.unwrap_or_default(),
            teams: teams.join(", "),
            roles: roles(tr, user.viewer.role.as_str()),
            disabled: user.disabled,
            sessions: sessions.get(&user.viewer.user).copied().unwrap_or_default(),
            own: user.viewer.user == ui.viewer.user,
            name: user.name,
        }
    };
    let tokens = state.access.tokens().await.map_err(|cause| ui.broken(&cause))?;
    let token = |token: TokenSummary| Token {
        state: match (token.revoked, token.expires < jiff::Timestamp::now()) {
            (true, _) => TokenState::Revoked,
            (false, true) => TokenState::Over,
            (false, false) => TokenState::Good,
        },
        until: token.expires.strftime("%Y-%m-%d").to_string(),
        scopes: token.scopes.to_string(),
        name: token.name,
    };
    let page = Users {
        frame: ui.frame(tr.t("page-users")),
        users: users.into_iter().map(user).collect(),
        tokens: tokens.into_iter().map(token).collect(),
        roles: roles(tr, &new.role),
        new,
        fault,
        tr,
    };
    Ok(Html(page.render()?))
}

/// What somebody is to see, as a form tells it.
fn rights(ui: &Ui, role: &str, agent: &str, teams: &str) -> Result<Rights, String> {
    let named = |error: crate::domain::IdError| error.to_string();
    let role = Role::ALL.into_iter().find(|known| known.as_str() == role);
    let agent = Some(agent.trim()).filter(|text| !text.is_empty());
    let teams = teams.split([',', ' ']).filter(|text| !text.is_empty()).map(str::parse::<TeamId>);
    let rights = Rights {
        role: role.ok_or_else(|| ui.tr.t("nothing-here-text"))?,
        agent: agent.map(str::parse::<AgentId>).transpose().map_err(named)?,
        teams: teams.collect::<Result<_, _>>().map_err(named)?,
    };
    rights.check().map_err(|error| told(ui, &error).unwrap_or_default())?;
    Ok(rights)
}

/// `POST /users`: makes one, and shows the link by which they come in.
pub(super) async fn add(
    ui: Ui,
    State(state): State<WebState>,
    headers: HeaderMap,
    Form(new): Form<New>,
) -> Result<Response, Refusal> {
    ui.only(Role::Admin)?;
    let name = new.name.trim().parse::<UserName>().map_err(|_| ui.tr.t("user-name-rule"));
    let wanted = name.and_then(|name| Ok((name, rights(&ui, &new.role, &new.agent, &new.teams)?)));
    let (name, rights) = match wanted {
        Ok(wanted) => wanted,
        Err(fault) => {
            let page = listing(&ui, &state, new, Some(fault)).await?;
            return Ok((StatusCode::BAD_REQUEST, page).into_response());
        }
    };
    note(&ui, &state, "user_add", format!("{name} {rights}")).await?;
    match state.access.invite(name.clone(), rights).await {
        Ok(secret) => Ok(link(&ui, &state, &headers, name.to_string(), &secret)?.into_response()),
        Err(error) => {
            let fault = told(&ui, &error).ok_or_else(|| ui.broken(&error))?;
            let page = listing(&ui, &state, new, Some(fault)).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
    }
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

/// `POST /users/change`: a new link, the end of all sessions, other rights, the end of the user, or their return.
pub(super) async fn change(
    ui: Ui,
    State(state): State<WebState>,
    headers: HeaderMap,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Refusal> {
    ui.only(Role::Admin)?;
    let access = &state.access;
    let user = access.named(&wanted.name).await.map_err(|error| refused(&ui, &error))?;
    let own = user.viewer.user == ui.viewer.user;
    let done = match (wanted.action.as_str(), user.disabled) {
        ("enable", true) => {
            note(&ui, &state, "user_enable", user.name.clone()).await?;
            access.enable_user(&user.name).await
        }
        (_, true) => Err(AccessError::NoUser),
        ("link", _) => {
            note(&ui, &state, "user_link", user.name.clone()).await?;
            let secret = access.add_link(&user.name).await.map_err(|error| refused(&ui, &error))?;
            return Ok(link(&ui, &state, &headers, user.name, &secret)?.into_response());
        }
        ("sessions", _) => {
            note(&ui, &state, "user_sign_out", user.name).await?;
            access.sign_out_everywhere(user.viewer.user).await
        }
        ("disable" | "rights", _) if own => return Err(ui.wrong(&ui.tr.t("user-own"))),
        ("rights", _) => {
            let rights = rights(&ui, &wanted.role, &wanted.agent, &wanted.teams);
            let rights = rights.map_err(|fault| ui.wrong(&fault))?;
            note(&ui, &state, "user_change", format!("{} {rights}", user.name)).await?;
            access.change_user(&user.name, rights).await
        }
        ("disable", _) => {
            note(&ui, &state, "user_disable", user.name.clone()).await?;
            access.disable_user(&user.name).await
        }
        _ => return Err(ui.nothing()),
    };
    done.map_err(|error| refused(&ui, &error))?;
    Ok(Redirect::to("/users").into_response())
}

/// `POST /users/tokens/revoke`.
pub(super) async fn revoke(
    ui: Ui,
    State(state): State<WebState>,
    Form(wanted): Form<Revoked>,
) -> Result<Redirect, Refusal> {
    ui.only(Role::Admin)?;
    let tokens = state.access.tokens().await.map_err(|cause| ui.broken(&cause))?;
    if !tokens.iter().any(|token| token.name == wanted.name && !token.revoked) {
        return Err(ui.nothing());
    }
    note(&ui, &state, "token_revoke", wanted.name.clone()).await?;
    state.access.revoke_token(&wanted.name).await.map_err(|cause| ui.broken(&cause))?;
    Ok(Redirect::to("/users"))
}
