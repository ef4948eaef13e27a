//! `/docs` and `/openapi.json`: what there is to call, and what each error code means.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::Api;
use super::error::RequestError;
use super::problem::Problem;

/// The table of error codes that the documentation has.
const ERRORS: &str = include_str!("../../docs/errors.md");

/// What the page of the API may load: its own files. It styles its elements by attributes.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'",
);

pub(super) fn routes(page: &OpenApi) -> Router<Api> {
    let config = std::sync::Arc::new(Config::from("/openapi.json").try_it_out_enabled(true));
    let file = move |Path(name): Path<String>| {
        let config = std::sync::Arc::clone(&config);
        async move { file(&name, config) }
    };
    // Written once: it is long, and anybody may ask for it as often as they like. That it can be, a test shows.
    let page = Bytes::from(serde_json::to_vec(page).unwrap_or_default());
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Router::new()
        .route("/openapi.json", get(move || async move { (kind, page) }))
        .route("/docs", get(|| async { Redirect::temporary("/docs/index.html") }))
        .route("/docs/errors/{code}", get(error))
        .route("/docs/{*file}", get(file))
}

/// A file of the page of the API.
fn file(name: &str, config: std::sync::Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let headers =
                [(header::CONTENT_TYPE, file.content_type), (header::CACHE_CONTROL, "no-cache".into())];
            let mut response = (headers, Body::from(file.bytes.into_owned())).into_response();
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
            response
        }
        _ => Problem::from(RequestError::NoPath(format!("/docs/{name}"))).into_response(),
    }
}

/// What an error code means: where the `type` of a problem leads.
async fn error(Path(code): Path<String>) -> Response {
    let rows: Vec<[&str; 2]> = meanings(&code).collect();
    if rows.is_empty() {
        return Problem::from(RequestError::NoPath(format!("/docs/errors/{code}"))).into_response();
    }
    // The code is one of ours: it needs no escaping; what it means is prose without markup.
    let mut page = format!("<!doctype html><html lang=\"en\"><title>{code}</title><h1>{code}</h1>");
    for [kind, meaning] in rows {
        page.extend(["<p>", &escaped(meaning), "</p><p>Kind: ", kind, "</p>"]);
    }
    (StatusCode::OK, [(header::CACHE_CONTROL, "max-age=3600")], Html(page)).into_response()
}

/// The kind and the meaning of each row of a code.
fn meanings(code: &str) -> impl Iterator<Item = [&'static str; 2]> {
    ERRORS.lines().filter_map(move |line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`');
        let (kind, _, meaning) = (cells.next()?, cells.next()?, cells.next()?);
        (name == code).then(|| [kind, meaning.trim_end_matches(" |")])
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_meaning() {
        let found: Vec<_> = meanings("already_initialised").collect();
        assert_eq!(found, [["conflict", "The installation is already initialised."]]);
        assert_eq!(meanings("nothing_like_it").count(), 0);
    }
}
