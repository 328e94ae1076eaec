//! The API under `/api/v1`, for other systems: JSON, bearer tokens with scopes, problems as `application/problem+json`,
//! lists in pages that follow a key, and an OpenAPI document made from the code, with Swagger UI served from here.

mod auth;
mod decisions;
mod deliveries;
mod exports;
mod given;
mod headers;
mod limits;
mod once;
mod problem;
mod reports;
mod reservations;
mod responses;
mod running;
mod surveys;
mod tasks;
mod triggers;

use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

pub use problem::Problem;

use crate::web::WebState;

#[derive(OpenApi)]
#[openapi(
    info(title = "Aftercall", description = "Post-call survey results.", license(name = "MIT OR Apache-2.0")),
    components(schemas(reports::Kind)),
    modifiers(&Tokens)
)]
struct Document;

/// Says in the document how one signs in.
struct Tokens;

impl utoipa::Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What every endpoint works with. Cheap to clone.
#[derive(Clone)]
struct ApiState {
    web: WebState,
    at_work: once::AtWork,
}

impl FromRef<ApiState> for WebState {
    fn from_ref(state: &ApiState) -> Self {
        state.web.clone()
    }
}

/// What can be wrong with any question.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes answers that are made elsewhere")]
enum ReadProblems {
    /// A parameter is wrong.
    #[response(status = 400)]
    Wrong(Problem),
    /// There is no good bearer token.
    #[response(status = 401)]
    Unknown(Problem),
    /// The token lacks the scope.
    #[response(status = 403)]
    Forbidden(Problem),
    /// There is nothing of that name.
    #[response(status = 404)]
    Nothing(Problem),
    /// Too many requests; `Retry-After` says when to come again.
    #[response(status = 429)]
    TooOften(Problem),
}

/// What can be wrong with any write.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it describes answers that are made elsewhere")]
enum WriteProblems {
    /// The body, or a parameter, is wrong.
    #[response(status = 400)]
    Wrong(Problem),
    /// There is no good bearer token.
    #[response(status = 401)]
    Unknown(Problem),
    /// The token lacks the scope.
    #[response(status = 403)]
    Forbidden(Problem),
    /// A write with this `Idempotency-Key` is at work now; or a task is closed.
    #[response(status = 409)]
    AtWork(Problem),
    /// The body is too long.
    #[response(status = 413)]
    TooLong(Problem),
    /// The body is no `application/json`.
    #[response(status = 415)]
    Kind(Problem),
    /// The `Idempotency-Key` came with another request before.
    #[response(status = 422)]
    OtherRequest(Problem),
    /// Too many requests; `Retry-After` says when to come again.
    #[response(status = 429)]
    TooOften(Problem),
    /// As many wait as the configuration allows; `Retry-After` says when to come again.
    #[response(status = 503)]
    Full(Problem),
}

/// The header by which a write that is sent again is known.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header that is read elsewhere")]
struct IdempotencyKey {
    /// A write that comes again with the same key and body is answered as before and not done again; 1-128 printable
    /// characters, good for a day unless the configuration says otherwise.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// An id in a path. One that is malformed names nothing.
fn id(text: &str) -> Result<uuid::Uuid, Problem> {
    text.parse().map_err(|_| no_such())
}

/// There is nothing of that name.
fn no_such() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing of that name".to_owned())
}

/// Everything under `/api`.
pub fn router(web: WebState) -> Router {
    let limits = limits::Limits::new(web.clone());
    let headers = axum::middleware::from_fn_with_state(web.clone(), headers::put_on);
    let state = ApiState { web, at_work: once::AtWork::default() };
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(surveys::list))
        .routes(routes!(reports::one))
        .routes(routes!(responses::list))
        .routes(routes!(responses::one))
        .routes(routes!(exports::csv))
        .routes(routes!(exports::ndjson))
        .routes(routes!(exports::xlsx))
        .routes(routes!(running::list))
        .routes(routes!(running::stream))
        .routes(routes!(reservations::create))
        .routes(routes!(reservations::one, reservations::delete))
        .routes(routes!(decisions::decide))
        .routes(routes!(triggers::create))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::one, tasks::change))
        .routes(routes!(tasks::number))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::replay))
        .split_for_parts();
    problem::name_kind(&mut document);
    let ui = SwaggerUi::new("/api/docs").url("/api/v1/openapi.json", document);
    let limited = axum::middleware::from_fn_with_state(limits, limits::limit);
    // What is nowhere under /api is refused by the API; other paths are the dashboard's to refuse.
    let nowhere = axum::routing::any(problem::nothing_here);
    router.route("/api/{*rest}", nowhere).layer(limited).with_state(state).merge(ui).layer(headers)
}
