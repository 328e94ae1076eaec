//! What surrounds every page: who looks, the way to other pages, the period and the survey of the address.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use tracing::error;

use super::filters::{Filters, Origins, Surveys};
use super::words::Tongue;
use crate::domain::{Origin, Period, Role, SurveyId, Viewer, Week};
use crate::store::rules::{Slice, ViewError};
use crate::web::{Pass, SignedIn, WebState};

/// One entry of the navigation.
pub(super) struct Link {
    pub(super) href: String,
    pub(super) label: String,
    pub(super) current: bool,
}

/// What the layout shows around a page.
pub(super) struct Frame {
    pub(super) tr: Tongue,
    pub(super) title: String,
    pub(super) user: Option<String>,
    pub(super) role: String,
    pub(super) links: Vec<Link>,
    pub(super) languages: Vec<Link>,
    pub(super) filters: Option<Filters>,
}

/// A request for a page by somebody who has signed in.
pub(super) struct Ui {
    pub(super) tr: Tongue,
    pub(super) viewer: Viewer,
    pub(super) pass: Pass,
    name: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    surveys: Vec<SurveyId>,
    survey: Option<SurveyId>,
}

/// Every page with the roles that it is for, in the order of the navigation.
const PAGES: [(&str, &str, &[Role]); 17] = [
    ("/overview", "page-overview", &[Role::Supervisor]),
    ("/agents", "page-agents", &[Role::Supervisor]),
    ("/queues", "page-queues", &[Role::Supervisor]),
    ("/tasks", "page-tasks", &[Role::Quality]),
    ("/calls", "page-calls", &[Role::Quality]),
    ("/why", "page-why", &[Role::Supervisor, Role::Quality]),
    ("/journey", "page-journey", &[Role::Supervisor]),
    ("/sampling", "page-sampling", &[Role::Supervisor]),
    ("/mystery", "page-mystery", &[Role::Supervisor]),
    ("/running", "page-running", &[Role::Supervisor]),
    ("/preview", "page-preview", &[Role::Supervisor, Role::Quality]),
    ("/my-weeks", "page-my-weeks", &[Role::Agent]),
    ("/operations", "page-operations", &[Role::Admin]),
    ("/users", "page-users", &[Role::Admin]),
    ("/policy", "page-policy", &[Role::Admin]),
    ("/audit", "page-audit", &[Role::Admin]),
    ("/preview", "page-preview", &[Role::Admin]),
];

/// A page that is refused or failed.
pub(super) struct Refusal(Box<Response>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<askama::Error> for Refusal {
    fn from(cause: askama::Error) -> Self {
        error!(%cause, "A page could not be written");
        Self(Box::new(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
    }
}

/// What handlers of pages give.
pub(super) type Answer = Result<Html<String>, Refusal>;

#[derive(Template)]
#[template(path = "message.html", config = "src/ui/askama.toml")]
struct Message<'a> {
    frame: &'a Frame,
    heading: String,
    text: String,
    /// The way back.
    back: Link,
}

/// Writes a page that only says something.
pub(super) fn message(frame: &Frame, heading: &str, text: String) -> Answer {
    let back = Link { href: "/".to_owned(), label: frame.tr.t("home"), current: false };
    message_with(frame, heading, text, back)
}

fn message_with(frame: &Frame, heading: &str, text: String, back: Link) -> Answer {
    let page = Message { heading: frame.tr.t(heading), text, back, frame };
    Ok(Html(page.render()?))
}

/// The frame for somebody who has not signed in.
pub(super) fn outside(tr: Tongue, title: &str, path: &str) -> Frame {
    let languages = languages(tr, path, &BTreeMap::new());
    Frame { tr, title: tr.t(title), user: None, role: String::new(), links: vec![], languages, filters: None }
}

/// The same address in each language.
pub(super) fn languages(tr: Tongue, path: &str, query: &BTreeMap<String, String>) -> Vec<Link> {
    let link = |tongue: Tongue| Link {
        href: address(path, query, &[("lang", Some(tongue.code().to_owned()))]),
        label: tongue.name().to_owned(),
        current: tongue == tr,
    };
    Tongue::ALL.into_iter().map(link).collect()
}

/// A text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

pub(super) fn address(
    path: &str,
    query: &BTreeMap<String, String>,
    change: &[(&str, Option<String>)],
) -> String {
    let mut query = query.clone();
    for (name, value) in change {
        match value {
            Some(value) => query.insert((*name).to_owned(), value.clone()),
            None => query.remove(*name),
        };
    }
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

impl FromRequestParts<WebState> for Ui {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        let SignedIn { viewer, name, pass } = SignedIn::from_request_parts(parts, state).await?;
        let query = Query::try_from_uri(&parts.uri).map(|Query(query)| query).unwrap_or_default();
        let live = state.parts.live.load();
        // Forms that only measure the line ask nothing.
        let asking = live.surveys.iter().filter(|survey| !survey.questions().is_empty());
        let surveys = asking.map(|survey| survey.id.clone()).collect();
        let tr = Tongue::asked(parts.uri.query(), &parts.headers);
        let query: BTreeMap<String, String> = query;
        let survey = query.get("survey").and_then(|text| text.parse().ok());
        Ok(Self { tr, viewer, pass, name, path: parts.uri.path().to_owned(), query, surveys, survey })
    }
}

impl Ui {
    /// The period of the address; the running month where it names none.
    pub(super) fn period(&self) -> Period {
        let named = self.query.get("period").and_then(|text| text.parse().ok());
        named.unwrap_or_else(|| Period::month_of(this_week()))
    }

    /// The survey of the address.
    pub(super) fn survey(&self) -> Option<SurveyId> {
        self.survey.clone()
    }

    /// Shows this survey, where the address names none.
    pub(super) fn show(&mut self, survey: Option<SurveyId>) {
        self.survey = self.survey.take().or(survey);
    }

    /// The survey of the address, else the first that there is.
    pub(super) fn one_survey(&self) -> Option<SurveyId> {
        self.survey().or_else(|| self.surveys.first().cloned())
    }

    /// Whose answers; those of callers chosen by us where the address names nobody.
    pub(super) fn origin(&self) -> Origin {
        let named = self.query.get("origin").map(String::as_str);
        Origin::ALL.into_iter().find(|origin| named == Some(origin.as_str())).unwrap_or(Origin::Sampled)
    }

    /// What aggregates the address asks for.
    pub(super) fn slice(&self) -> Slice<'_> {
        Slice { period: self.period(), survey: self.survey.as_ref(), origin: self.origin() }
    }

    /// One value of the address; none where it is empty.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The address of this page with other values.
    pub(super) fn with(&self, change: &[(&str, Option<String>)]) -> String {
        let mut query = self.query.clone();
        query.remove("lang");
        address(&self.path, &query, change)
    }

    /// What the addresses of all pages have in common.
    fn shared(&self) -> BTreeMap<String, String> {
        let known = |name: &&String| ["period", "survey", "origin"].contains(&name.as_str());
        let pairs = self.query.iter().filter(|(name, _)| known(name));
        pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What the address asks aggregates of, in one line.
    pub(super) fn scope(&self) -> String {
        let survey = self.survey.as_ref().map(|survey| format!(" survey {survey}")).unwrap_or_default();
        format!("{}{survey} origin {}", self.period(), self.origin().as_str())
    }

    /// All surveys.
    pub(super) fn surveys(&self) -> &[SurveyId] {
        &self.surveys
    }

    /// The address of another page with the same filters.
    pub(super) fn to(&self, path: &str) -> String {
        address(path, &self.query, &[("lang", None)])
    }

    /// What surrounds a page.
    pub(super) fn frame(&self, title: impl Into<String>) -> Frame {
        let pages = PAGES.into_iter().filter(|(_, _, roles)| roles.contains(&self.viewer.role));
        let inside = |path: &str| self.path == path || self.path.starts_with(&format!("{path}/"));
        let link = |(path, label, _): (&str, &str, &[Role])| Link {
            href: address(path, &self.shared(), &[]),
            label: self.tr.t(label),
            current: inside(path),
        };
        Frame {
            tr: self.tr,
            title: title.into(),
            user: Some(self.name.clone()),
            role: self.tr.t(&format!("role-{}", self.viewer.role.as_str())),
            links: pages.map(link).collect(),
            languages: languages(self.tr, &self.path, &self.query),
            filters: None,
        }
    }

    /// What a view gave, or the page that says why it gave nothing.
    pub(super) fn seen<T>(&self, seen: Result<T, ViewError>) -> Result<T, Refusal> {
        seen.map_err(|cause| match cause {
            ViewError::Denied(denied) => self.refuse(StatusCode::FORBIDDEN, "refused", &denied.to_string()),
            ViewError::Store(cause) => self.broken(&cause),
        })
    }

    /// Lets one role pass.
    pub(super) fn only(&self, role: Role) -> Result<(), Refusal> {
        self.one_of(&[role])
    }

    /// Lets some roles pass.
    pub(super) fn one_of(&self, roles: &[Role]) -> Result<(), Refusal> {
        if roles.contains(&self.viewer.role) {
            return Ok(());
        }
        Err(self.forbidden(&self.tr.t("refused-text")))
    }

    /// The page that refuses, and says why.
    pub(super) fn forbidden(&self, text: &str) -> Refusal {
        self.refuse(StatusCode::FORBIDDEN, "refused", text)
    }

    /// The page that says that there is no such thing.
    pub(super) fn nothing(&self) -> Refusal {
        self.refuse(StatusCode::NOT_FOUND, "nothing-here", &self.tr.t("nothing-here-text"))
    }

    /// The page that says that there is nothing of this name, with the way to the list of those that there are.
    pub(super) fn unknown(&self, text: &str, name: &str, (list, label): (&str, &str)) -> Refusal {
        let frame = self.framed(self.tr.t("nothing-here"), Surveys::Any, Origins::Any);
        let back = Link { href: self.to(list), label: self.tr.t(label), current: false };
        match message_with(&frame, "nothing-here", self.tr.x(text, name), back) {
            Ok(page) => Refusal(Box::new((StatusCode::NOT_FOUND, page).into_response())),
            Err(refusal) => refusal,
        }
    }

    /// The page that says that something failed; what it was is in the log.
    pub(super) fn broken(&self, cause: &dyn std::fmt::Display) -> Refusal {
        error!(%cause, "A page could not be made");
        self.refuse(StatusCode::INTERNAL_SERVER_ERROR, "failed", &self.tr.t("failed-text"))
    }

    /// The page that says what is wrong with what was sent.
    pub(super) fn wrong(&self, text: &str) -> Refusal {
        self.refuse(StatusCode::BAD_REQUEST, "wrong-input", text)
    }

    fn refuse(&self, status: StatusCode, heading: &str, text: &str) -> Refusal {
        match message(&self.frame(self.tr.t(heading)), heading, text.to_owned()) {
            Ok(page) => Refusal(Box::new((status, page).into_response())),
            Err(refusal) => refusal,
        }
    }
}

pub(super) fn this_week() -> Week {
    Week::of_us(Timestamp::now().as_microsecond())
}

/// Sends everybody to the first page of their role.
pub(super) async fn home(ui: Ui) -> Redirect {
    let first = PAGES.into_iter().find(|(_, _, roles)| roles.contains(&ui.viewer.role));
    Redirect::to(first.map_or("/sign-in", |(path, _, _)| path))
}

/// Where there is no page.
pub(super) async fn nowhere(ui: Ui) -> Refusal {
    ui.nothing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rules::View;

    #[test]
    fn pages_are_for_the_roles_of_their_views() {
        let views = [
            ("/overview", View::Overview),
            ("/agents", View::Agents),
            ("/queues", View::Queues),
            ("/why", View::Why),
            ("/journey", View::Journey),
            ("/sampling", View::Sampling),
            ("/mystery", View::Mystery),
            ("/running", View::Running),
            ("/my-weeks", View::MyWeeks),
            ("/calls", View::Calls),
            ("/why", View::Comments),
            ("/tasks", View::Tasks),
            ("/audit", View::Audit),
        ];
        for (path, view) in views {
            assert!(
                PAGES.iter().any(|(page, _, roles)| *page == path && roles.contains(&view.role())),
                "{path}"
            );
        }
    }

    #[test]
    fn addresses_keep_their_filters() {
        let query = BTreeMap::from([("period".to_owned(), "2026-11".to_owned())]);
        assert_eq!(
            address("/agents", &query, &[("survey", Some("a b&c".into()))]),
            "/agents?period=2026-11&survey=a%20b%26c"
        );
        assert_eq!(address("/agents", &query, &[("period", None)]), "/agents");
    }
}
