//! Style sheet and scripts, built into the program. htmx is vendored; its licence lies beside it.

use axum::extract::{Path, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use rust_embed::EmbeddedFile;

#[derive(rust_embed::Embed)]
#[folder = "src/ui/assets"]
struct Assets;

/// The address of a file. It holds a hash of what is in it, so that a browser may keep it for good.
pub(super) fn address(name: &str) -> String {
    Assets::get(name)
        .map_or_else(|| format!("/assets/{name}"), |file| format!("/assets/{name}?v={}", version(&file)))
}

fn version(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One file.
pub(super) async fn serve(Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(file) = Assets::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let known = query.is_some_and(|query| query == format!("v={}", version(&file)));
    let kept = if known { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept)];
    (headers, file.data.into_owned()).into_response()
}
