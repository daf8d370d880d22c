//! `GET /verify`: verifies a receipt in the browser itself, with the keys that the page brings along. Nothing is sent.
//!
//! The script goes the way of `proofs::receipt::examine`; `fixtures/vectors/receipts` hold both to one verdict.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::html::Alone;
use super::language::{Language, LanguageQuery};
use crate::http::AppState;
use crate::http::extract::Query;
use crate::problem::Problem;
use crate::routes::v1::keys::{CACHED, keyring};

/// The script, in one scope of its own.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("verify/encoding.js"),
    include_str!("verify/json.js"),
    include_str!("verify/note.js"),
    include_str!("verify/policy.js"),
    include_str!("verify/receipt.js"),
    include_str!("verify/words.js"),
    include_str!("verify/page.js"),
    "})();\n"
);
const STYLE: &str = concat!(include_str!("style.css"), include_str!("verify/page.css"));
const BODY: &str = include_str!("verify/page.html");

/// The page.
pub async fn verify(
    State(state): State<AppState>,
    Query(query): Query<LanguageQuery>,
) -> Result<Response, Problem> {
    let language = query.language()?;
    let knowledge = state.registry().refresh().await?;
    let keys =
        serde_json::to_string(&keyring(&state, &knowledge)).map_err(|error| Problem::internal(&error))?;
    // In JSON an escape means the same, and no text of it can end the element that it stands in.
    let keys = keys.replace('<', "\\u003c");
    let body = format!("{BODY}<script type=\"application/json\" id=\"keys\">{keys}</script>\n");
    let title = match language {
        Language::Russian => "Проверить квитанцию",
        Language::English => "Verify a receipt",
    };
    let page = Alone { language: language.code(), title, style: STYLE, script: SCRIPT, body: &body };
    let mut response = page.respond()?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    Ok(response)
}
