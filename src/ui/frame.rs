//! What surrounds every page: who looks, the way to other pages, the period and the survey of the address.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use tracing::error;

use super::words::Tongue;
use crate::domain::{Origin, Period, Role, SurveyId, Viewer, Week};
use crate::store::rules::{Slice, ViewError};
use crate::web::{SignedIn, WebState};

/// One entry of the navigation.
pub(super) struct Link {
    pub(super) href: String,
    pub(super) label: String,
    pub(super) current: bool,
}

/// One choice of a list.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// Period and survey, as the form above a page shows them.
pub(super) struct Filters {
    pub(super) action: String,
    pub(super) weeks: Vec<Choice>,
    pub(super) months: Vec<Choice>,
    pub(super) quarters: Vec<Choice>,
    pub(super) surveys: Vec<Choice>,
    pub(super) origins: Vec<Choice>,
    pub(super) earlier: String,
    pub(super) later: Option<String>,
    pub(super) days: String,
    /// What to keep in mind about the calls that are shown.
    pub(super) note: Option<String>,
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
    name: String,
    path: String,
    query: BTreeMap<String, String>,
    surveys: Vec<SurveyId>,
    survey: Option<SurveyId>,
}

/// Every page with the role that it is for, in the order of the navigation.
const PAGES: [(&str, &str, Role); 11] = [
    ("/overview", "page-overview", Role::Supervisor),
    ("/agents", "page-agents", Role::Supervisor),
    ("/queues", "page-queues", Role::Supervisor),
    ("/why", "page-why", Role::Supervisor),
    ("/journey", "page-journey", Role::Supervisor),
    ("/sampling", "page-sampling", Role::Supervisor),
    ("/mystery", "page-mystery", Role::Supervisor),
    ("/running", "page-running", Role::Supervisor),
    ("/my-weeks", "page-my-weeks", Role::Agent),
    ("/calls", "page-calls", Role::Quality),
    ("/operations", "page-operations", Role::Admin),
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
#[template(path = "message.html")]
struct Message<'a> {
    frame: &'a Frame,
    tr: Tongue,
    heading: String,
    text: String,
}

/// Writes a page that only says something.
pub(super) fn message(frame: &Frame, heading: &str, text: String) -> Answer {
    let page = Message { tr: frame.tr, heading: frame.tr.t(heading), text, frame };
    Ok(Html(page.render()?))
}

/// The frame for somebody who has not signed in.
pub(super) fn outside(tr: Tongue, title: &str, path: &str) -> Frame {
    let languages = languages(tr, path, &BTreeMap::new());
    Frame { tr, title: tr.t(title), user: None, role: String::new(), links: vec![], languages, filters: None }
}

fn languages(tr: Tongue, path: &str, query: &BTreeMap<String, String>) -> Vec<Link> {
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

fn address(path: &str, query: &BTreeMap<String, String>, change: &[(&str, Option<String>)]) -> String {
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
        let SignedIn { viewer, name } = SignedIn::from_request_parts(parts, state).await?;
        let query = Query::try_from_uri(&parts.uri).map(|Query(query)| query).unwrap_or_default();
        let surveys = state.parts.live.load().surveys.iter().map(|survey| survey.id.clone()).collect();
        let tr = Tongue::asked(parts.uri.query(), &parts.headers);
        let query: BTreeMap<String, String> = query;
        let survey = query.get("survey").and_then(|text| text.parse().ok());
        Ok(Self { tr, viewer, name, path: parts.uri.path().to_owned(), query, surveys, survey })
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
        let pages = PAGES.into_iter().filter(|(_, _, role)| *role == self.viewer.role);
        let inside = |path: &str| self.path == path || self.path.starts_with(&format!("{path}/"));
        let link = |(path, label, _): (&str, &str, Role)| Link {
            href: self.to(path),
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

    /// The same with the form for period and survey.
    pub(super) fn framed(&self, title: impl Into<String>, surveys: Surveys, origins: Origins) -> Frame {
        let (period, now) = (self.period(), this_week());
        let one = |period: Period, label: String| Choice {
            value: period.to_string(),
            label,
            chosen: period == self.period(),
        };
        let spread = |first: Period, count: usize| {
            let mut list: Vec<Period> =
                std::iter::successors(Some(first), |period| Some(period.previous())).take(count).collect();
            let kind = std::mem::discriminant(&period);
            if std::mem::discriminant(&first) == kind && !list.contains(&period) {
                list.push(period);
            }
            list.into_iter().map(|period| one(period, period.to_string())).collect::<Vec<_>>()
        };
        let named = if matches!(surveys, Surveys::One) { self.one_survey() } else { self.survey() };
        let mut choices: Vec<Choice> = Vec::new();
        if matches!(surveys, Surveys::Any) {
            choices.push(Choice {
                value: String::new(),
                label: self.tr.t("all-surveys"),
                chosen: named.is_none(),
            });
        }
        if !matches!(surveys, Surveys::None) {
            choices.extend(self.surveys.iter().map(|survey| Choice {
                value: survey.to_string(),
                label: survey.to_string(),
                chosen: named.as_ref() == Some(survey),
            }));
        }
        let move_to = |period: Period| {
            address(&self.path, &self.query, &[("period", Some(period.to_string())), ("lang", None)])
        };
        let next = period.next();
        let filters = Filters {
            action: self.path.clone(),
            weeks: spread(Period::Week(now), 9),
            months: spread(Period::month_of(now), 7),
            quarters: spread(Period::quarter_of(now), 5),
            surveys: choices,
            origins: if matches!(origins, Origins::Any) { self.origins() } else { Vec::new() },
            earlier: move_to(period.previous()),
            later: (*next.weeks().start() <= now).then(|| move_to(next)),
            note: (matches!(origins, Origins::Any) && self.origin() != Origin::Sampled)
                .then(|| self.tr.t(&format!("note-{}", self.origin().as_str()))),
            days: format!("{} \u{2013} {}", period.first_day(), period.last_day()),
        };
        Frame { filters: Some(filters), ..self.frame(title) }
    }

    fn origins(&self) -> Vec<Choice> {
        let choice = |origin: Origin| Choice {
            value: origin.as_str().to_owned(),
            label: self.tr.t(&format!("origin-{}", origin.as_str())),
            chosen: origin == self.origin(),
        };
        Origin::ALL.into_iter().map(choice).collect()
    }

    /// What a view gave, or the page that says why it gave nothing.
    pub(super) fn seen<T>(&self, seen: Result<T, ViewError>) -> Result<T, Refusal> {
        seen.map_err(|cause| match cause {
            ViewError::Denied(denied) => self.refuse(StatusCode::FORBIDDEN, "refused", &denied.to_string()),
            ViewError::Store(cause) => {
                error!(%cause, "A page could not be made");
                self.refuse(StatusCode::INTERNAL_SERVER_ERROR, "failed", &self.tr.t("failed-text"))
            }
        })
    }

    /// Lets one role pass.
    pub(super) fn only(&self, role: Role) -> Result<(), Refusal> {
        if self.viewer.role == role {
            return Ok(());
        }
        Err(self.refuse(StatusCode::FORBIDDEN, "refused", &self.tr.t("refused-text")))
    }

    /// The page that says that there is no such thing.
    pub(super) fn nothing(&self) -> Refusal {
        self.refuse(StatusCode::NOT_FOUND, "nothing-here", &self.tr.t("nothing-here-text"))
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

/// Which surveys a page can be narrowed to.
#[derive(Clone, Copy)]
pub(super) enum Surveys {
    /// None: it is over all of them.
    None,
    /// One or all.
    Any,
    /// Always one.
    One,
}

/// Whether a page can show other calls than those chosen by us.
#[derive(Clone, Copy)]
pub(super) enum Origins {
    /// It cannot, or shows all of them side by side.
    Fixed,
    /// One at a time.
    Any,
}

fn this_week() -> Week {
    Week::of_us(Timestamp::now().as_microsecond())
}

/// Sends everybody to the first page of their role.
pub(super) async fn home(ui: Ui) -> Redirect {
    let first = PAGES.into_iter().find(|(_, _, role)| *role == ui.viewer.role);
    Redirect::to(first.map_or("/sign-in", |(path, _, _)| path))
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
            ("/my-weeks", View::MyWeeks),
            ("/calls", View::Calls),
        ];
        for (path, view) in views {
            assert!(PAGES.iter().any(|(page, _, role)| *page == path && *role == view.role()), "{path}");
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
