//! Single responses, in pages.

use axum::Json;
use axum::extract::{Path, State};
use axum_extra::extract::Query;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::auth::Bearer;
use super::given::{limit, listed, named, time};
use crate::access::Scope;
use crate::domain::{self, AnswerValue, CallId, Disposition, Origin, Period, Role, midnight_us};
use crate::store::{CallFilter, GivenAnswer, Note, Response};
use crate::web::csv::{Separator, Style};
use crate::web::{WebState, cut};

/// Which responses. All that is set must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Offered in this week (2026-W47), month (2026-11) or quarter (2026-Q4); instead of `from` and `to`.
    period: Option<String>,
    /// Offered at this time or later, RFC 3339.
    from: Option<String>,
    /// Offered before this time, RFC 3339.
    to: Option<String>,
    /// Of this agent.
    agent: Option<String>,
    /// Through this queue.
    queue: Option<String>,
    /// With this survey.
    survey: Option<String>,
    /// Of this origin: sampled, agent, mystery or test.
    origin: Option<String>,
    /// That came out so: not_selected, not_transferred, complete, partial, break_off, refused, no_answer or failed.
    disposition: Option<String>,
    /// With this reference of the contact centre.
    call_ref: Option<String>,
    /// The page after this key, as `next` of the page before gave it.
    after: Option<String>,
    /// At most so many: 1-1000, 100 by default.
    limit: Option<u32>,
    /// Of CSV files alone: what stands between cells: comma (the default), semicolon or tab.
    #[param(value_type = Option<String>)]
    separator: Option<Separator>,
    /// Of CSV files alone: whether the file begins with a byte order mark, by which Excel knows UTF-8; false by default.
    bom: Option<bool>,
}

impl Wanted {
    /// How a CSV file is to be written.
    pub(super) fn style(&self) -> Style {
        Style { separator: self.separator.unwrap_or_default(), bom: self.bom.unwrap_or_default() }
    }

    /// Refuses what only CSV files have.
    pub(super) fn no_style(&self) -> Result<(), Problem> {
        let asked = [("separator", self.separator.is_some()), ("bom", self.bom.is_some())];
        match asked.into_iter().find(|(_, asked)| *asked) {
            Some((name, _)) => Err(Problem::wrong(format!("{name}: is for CSV files"))),
            None => Ok(()),
        }
    }

    pub(super) fn filter(&self) -> Result<CallFilter, Problem> {
        let time = |name: &str, text: &Option<String>| {
            named::<Timestamp>(name, text.as_deref()).map(|at| at.map(|at| at.as_microsecond()))
        };
        let (mut from_us, mut to_us) = (time("from", &self.from)?, time("to", &self.to)?);
        if let Some(period) = named::<Period>("period", self.period.as_deref())? {
            if from_us.is_some() || to_us.is_some() {
                return Err(Problem::wrong("period: goes without from and to"));
            }
            (from_us, to_us) = (midnight_us(period.first_day()), midnight_us(period.next().first_day()));
        }
        Ok(CallFilter {
            from_us,
            to_us,
            agent: named("agent", self.agent.as_deref())?,
            queue: named("queue", self.queue.as_deref())?,
            survey: named("survey", self.survey.as_deref())?,
            origin: listed("origin", self.origin.as_deref(), &Origin::ALL, Origin::as_str)?,
            disposition: listed(
                "disposition",
                self.disposition.as_deref(),
                &Disposition::ALL,
                Disposition::as_str,
            )?,
            call_ref: named("call_ref", self.call_ref.as_deref())?,
            after: named::<CallId>("after", self.after.as_deref())?,
            ..CallFilter::default()
        })
    }

    /// What was asked for, as the audit log tells it.
    pub(super) fn described(&self) -> String {
        let parts = [
            ("period", &self.period),
            ("from", &self.from),
            ("to", &self.to),
            ("agent", &self.agent),
            ("queue", &self.queue),
            ("survey", &self.survey),
            ("origin", &self.origin),
            ("disposition", &self.disposition),
            ("call_ref", &self.call_ref),
            ("after", &self.after),
        ];
        let set = parts.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        let set = set.collect::<Vec<_>>().join(" ");
        if set.is_empty() { "all".to_owned() } else { set }
    }
}

/// One response. No number of a caller is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Held {
    /// The call.
    id: String,
    /// When it was offered, RFC 3339.
    offered: String,
    /// The contact centre's reference.
    call_ref: Option<String>,
    /// The agent.
    agent: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// The survey.
    survey: Option<String>,
    /// Its version.
    version: Option<i64>,
    /// Where it comes from: sampled, agent, mystery or test.
    origin: Option<String>,
    /// How it counts; none while the call runs.
    disposition: Option<String>,
    /// The answers in the order of answering.
    answers: Vec<Given>,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Given {
    /// The question, by its name in the survey.
    question: String,
    /// What it measures: csat, nps, ces, fcr, yes_no or menu.
    kind: &'static str,
    /// A number for ratings (csat, nps, ces), true or false for yes and no (fcr, yes_no), the label of a choice (menu).
    value: Value,
    /// How it was given: key, voice (sure enough to be taken at once), or voice_confirmed (asked back).
    given_by: GivenBy,
    /// When, RFC 3339.
    at: String,
    /// Milliseconds from the start of the question to the answer.
    took_ms: i64,
}

/// What was answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Value {
    /// A number on the question's scale.
    Rating(i16),
    /// Yes or no.
    YesNo(bool),
    /// A label.
    Choice(String),
}

/// How an answer was given.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum GivenBy {
    /// By key.
    Key,
    /// By voice, sure enough to be taken at once.
    Voice,
    /// By voice, and confirmed by the caller.
    VoiceConfirmed,
}

impl From<Response> for Held {
    fn from(Response { call, answers }: Response) -> Self {
        Self {
            id: call.id.to_string(),
            offered: time(call.offered_us),
            call_ref: call.call_ref,
            agent: call.agent,
            queue: call.queue,
            survey: call.survey,
            version: call.version,
            origin: call.origin,
            disposition: call.disposition,
            answers: answers.into_iter().map(Given::from).collect(),
        }
    }
}

impl From<GivenAnswer> for Given {
    fn from(answer: GivenAnswer) -> Self {
        Self {
            question: answer.question,
            kind: answer.kind.as_str(),
            value: match answer.value {
                AnswerValue::Rating(value) => Value::Rating(value),
                AnswerValue::YesNo(value) => Value::YesNo(value),
                AnswerValue::Choice(label) => Value::Choice(label),
            },
            given_by: match answer.given_by {
                domain::GivenBy::Key => GivenBy::Key,
                domain::GivenBy::Voice => GivenBy::Voice,
                domain::GivenBy::VoiceConfirmed => GivenBy::VoiceConfirmed,
            },
            at: time(answer.at_us),
            took_ms: answer.took_ms,
        }
    }
}

/// A page of responses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// The responses, the oldest first.
    items: Vec<Held>,
    /// The key of the next page; none on the last one.
    next: Option<String>,
}

/// Lists responses, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/responses", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, body = Page), super::ReadProblems)
)]
pub(super) async fn list(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, axum_extra::extract::QueryRejection>,
) -> Result<Json<Page>, Problem> {
    bearer.may(Scope::Responses)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    wanted.no_style()?;
    let limit = limit(wanted.limit)?;
    let filter = CallFilter { limit: Some(limit + 1), ..wanted.filter()? };
    note(&state, &bearer, "api responses", wanted.described()).await?;
    let mut calls = state.parts.store.views().responses(&filter).await?;
    let more = cut(&mut calls, limit);
    let next = calls.last().filter(|_| more).map(|response| response.call.id.to_string());
    Ok(Json(Page { items: calls.into_iter().map(Held::from).collect(), next }))
}

/// Gives one response.
#[utoipa::path(
    get, path = "/api/v1/responses/{id}", tag = "responses", params(("id" = String, Path, description = "The call")),
    security(("token" = ["responses:read"])), responses((status = 200, body = Held), super::ReadProblems)
)]
pub(super) async fn one(
    State(state): State<WebState>,
    bearer: Bearer,
    Path(id): Path<String>,
) -> Result<Json<Held>, Problem> {
    bearer.may(Scope::Responses)?;
    let call = CallId(super::id(&id)?);
    note(&state, &bearer, "api responses", call.to_string()).await?;
    let response = state.parts.store.views().response(call).await?.ok_or_else(super::no_such)?;
    Ok(Json(Held::from(response)))
}

/// Puts the look on record; without that nothing is shown.
pub(super) async fn note(
    state: &WebState,
    bearer: &Bearer,
    what: &'static str,
    scope: String,
) -> Result<(), Problem> {
    let note = Note::of(&bearer.viewer(Role::Quality), what, scope, &bearer.0.name);
    state.parts.store.note(note).await?;
    Ok(())
}
