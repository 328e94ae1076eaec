//! The API under `/api/v1`, for other systems: JSON, bearer tokens with scopes, problems as `application/problem+json`,
//! lists in pages that follow a key, and an OpenAPI document made from the code, with Swagger UI served from here.

mod auth;
mod problem;
mod reports;
mod responses;
mod running;
mod surveys;

use axum::Router;
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

/// Everything under `/api`.
pub fn router(state: WebState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(surveys::list))
        .routes(routes!(reports::one))
        .routes(routes!(responses::list))
        .routes(routes!(responses::export_csv))
        .routes(routes!(responses::export_ndjson))
        .routes(routes!(running::list))
        .routes(routes!(running::stream))
        .split_for_parts();
    let ui = SwaggerUi::new("/api/docs").url("/api/v1/openapi.json", document);
    router.fallback(problem::nothing_here).with_state(state).merge(ui)
}
