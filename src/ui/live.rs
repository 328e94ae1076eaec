//! Pages that change while they are open: their parts as server-sent events, for as long as the session holds.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use tokio_stream::{Stream, StreamExt as _};

use super::charts::escaped;
use super::frame::Ui;
use crate::web::{WebState, guarded, news};

/// The event at which a page stops to listen; templates name it too.
const OVER: &str = "over";

/// A part of a page whenever it is a new one. Once the session is over, or shows its user something else, a way to sign in
/// takes its place.
pub(super) fn parts(
    ui: &Ui,
    state: &WebState,
    texts: impl Stream<Item = Option<Arc<str>>> + Send + 'static,
) -> Response {
    let over = format!(
        "<p class=\"empty\" role=\"status\">{} <a href=\"/sign-in\">{}</a></p>",
        escaped(&ui.tr.t("live-over")),
        escaped(&ui.tr.t("sign-in"))
    );
    let last = vec![Event::default().data(over), Event::default().event(OVER).data("")];
    let ask = Arc::new((state.clone(), ui.viewer.clone(), ui.pass.clone()));
    let may = move || {
        let ask = Arc::clone(&ask);
        async move { ask.2.holds(&ask.0, &ask.1).await }
    };
    let events = guarded(news(texts).map(|text| Event::default().data(text.as_ref())), may, last);
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default()).into_response()
}
