//! The dashboard: one file per page over what the viewer's role may see ([`crate::store::rules`]), made on the server,
//! in English and Dutch. Pages decide nothing: a view that is refused is a page that says so.

mod agents;
mod assets;
mod audit;
mod board;
mod call;
mod calls;
mod charts;
mod export;
mod figures;
mod filters;
mod frame;
mod goals;
mod journey;
mod live;
mod mine;
mod mystery;
mod operations;
mod overview;
mod policy;
mod preview;
mod queues;
mod rehearsal;
mod running;
mod sampling;
mod sign_in;
mod sign_on;
mod sound;
mod tasks;
mod timeline;
mod trends;
mod trunks;
mod users;
mod why;
mod words;

use axum::Router;
use axum::routing::{get, post};

use crate::web::{self, WebState, guard};

/// Every page, for people who sign in.
pub fn router(state: WebState) -> Router {
    let strangers = Router::new()
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-in/once", get(sign_in::ask_once).post(sign_in::once))
        .route("/sign-in/oidc", get(sign_on::leave))
        .route(crate::web::CALLBACK, get(sign_on::back))
        .route("/sign-out", post(sign_in::sign_out))
        .layer(axum::middleware::from_fn_with_state(web::STRANGERS_BODY_MAX, web::whole));
    Router::new()
        .route("/", get(frame::home))
        .route("/sign-out/everywhere", post(sign_in::sign_out_everywhere))
        .route("/overview", get(overview::page))
        .route("/overview/stream", get(overview::stream))
        .route("/goals", post(goals::set))
        .route("/agents", get(agents::list))
        .route("/agents.csv", get(agents::csv))
        .route("/agents.xlsx", get(agents::xlsx))
        .route("/queues.csv", get(queues::csv))
        .route("/queues.xlsx", get(queues::xlsx))
        .route("/agents/{agent}", get(agents::one))
        .route("/queues", get(queues::list))
        .route("/queues/{queue}", get(queues::one))
        .route("/why", get(why::page).post(why::comments))
        .route("/journey", get(journey::page))
        .route("/sampling", get(sampling::page))
        .route("/mystery", get(mystery::page))
        .route("/running", get(running::page))
        .route("/running/stream", get(running::stream))
        .route("/my-weeks", get(mine::page))
        .route("/calls", get(calls::ask).post(calls::list))
        .route("/calls/{call}", get(call::ask_one).post(call::one))
        .route("/calls/{call}/recordings/{recording}", get(call::recording))
        .route("/preview", get(preview::first))
        .route("/preview/{survey}", get(preview::page))
        .route("/preview/sound/{language}/{prompts}", get(preview::sound_of))
        .route("/tasks", get(tasks::list))
        .route("/tasks/{call}", get(tasks::one).post(tasks::change))
        .route("/tasks/{call}/number", post(tasks::number))
        .route("/operations", get(operations::page))
        .route("/operations/replay", post(operations::replay))
        .route("/users", get(users::list).post(users::add))
        .route("/users/change", post(users::change))
        .route("/users/tokens/revoke", post(users::revoke))
        .route("/policy", get(policy::page))
        .route("/audit", get(audit::page).post(audit::verify))
        .route("/assets/{*name}", get(assets::serve))
        .layer(axum::middleware::from_fn_with_state(web::FORM_MAX, web::whole))
        .merge(strangers)
        .fallback(frame::nowhere)
        .layer(axum::middleware::from_fn(words::remember))
        .layer(axum::middleware::from_fn_with_state(state.clone(), guard))
        .with_state(state)
}
