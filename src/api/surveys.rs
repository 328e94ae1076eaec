//! The surveys there are.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::auth::Bearer;
use crate::access::Scope;
use crate::web::WebState;

/// One survey.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Survey {
    /// Its name.
    id: String,
    /// Its version.
    version: u32,
    /// A line for people.
    title: String,
    /// Its languages, the first being the usual one.
    languages: Vec<String>,
    /// Its questions, in order.
    questions: Vec<Question>,
}

/// One question.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Question {
    /// Its name.
    id: String,
    /// What it measures: csat, nps, ces, fcr, yes_no, menu or comment.
    kind: &'static str,
    /// Everything that can be answered.
    answers: Vec<String>,
    /// Whether it can be answered by voice.
    voice: bool,
}

/// Lists the surveys.
#[utoipa::path(
    get, path = "/api/v1/surveys", tag = "surveys", security(("token" = ["reports:read"])),
    responses((status = 200, body = Vec<Survey>), super::ReadProblems)
)]
pub(super) async fn list(
    State(state): State<WebState>,
    bearer: Bearer,
) -> Result<Json<Vec<Survey>>, Problem> {
    bearer.may(Scope::Reports)?;
    let live = state.parts.live.load_full();
    let survey = |survey: &crate::dialogue::Survey| Survey {
        id: survey.id.to_string(),
        version: survey.version.0,
        title: survey.title.clone(),
        languages: survey.languages.iter().map(ToString::to_string).collect(),
        questions: survey
            .questions()
            .iter()
            .map(|question| Question {
                id: question.id.to_string(),
                kind: question.kind.as_str(),
                answers: question.answers.values().iter().map(ToString::to_string).collect(),
                voice: question.voice.is_some(),
            })
            .collect(),
    };
    Ok(Json(live.surveys.iter().map(|found| survey(found)).collect()))
}
