//! `GET /v1/account/records/{record}/entries/{version}/receipt`: proof of what an entry said, for those whom it concerns.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::acting::OnBehalfOf;
use crate::http::extract::{Path, Query};
use crate::http::{Acting, AppState};
use crate::pages::language::LanguageQuery;
use crate::pages::receipt::ReceiptPage;
use crate::problem::{Problem, ProblemDocument};
use crate::registry::Folded;
use crate::routes::v1::keys::keyring;
use crate::routes::v1::registers::entries::receipt::{ReceiptDocument, whole};

/// The receipt of an entry that concerns the person who asks, as a file to keep; with `Accept: text/html`, as a page to
/// print or keep, which can be verified as the file can. An entry that does not concern them is answered as one that does not exist.
#[utoipa::path(get, path = "/v1/account/records/{record}/entries/{version}/receipt", operation_id = "getAccountReceipt", tag = "Account",
    security(("bearer" = [])),
    params(
        ("record" = Uuid, Path, description = "The record"),
        ("version" = u64, Path, description = "Version of the record that the entry made"),
        OnBehalfOf,
        LanguageQuery,
    ),
    responses(
        (status = 200, description = "The receipt", content(
            (ReceiptDocument = "application/json"),
            (String = "text/html"),
        )),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_account_receipt(
    State(state): State<AppState>,
    acting: Acting,
    Path((record, version)): Path<(Uuid, u64)>,
    Query(query): Query<LanguageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = query.language()?;
    // The newest keys, since the newest checkpoint may be signed with them.
    let knowledge = state.registry().refresh().await?;
    // Whom an entry concerns is asked of the entries: a projection may be a moment behind.
    let entries = state.store().read_record(record).await?;
    let folded = Folded::fold(&entries, &knowledge).map_err(|error| Problem::internal(&error))?;
    let concerning = |version: u64| folded.at(version).is_some_and(|step| acting.concerned(step));
    let mut concerned =
        entries.iter().filter(|entry| concerning(entry.version()) && acting.sees(&entry.register));
    let first = concerned.next().ok_or_else(Problem::not_found)?;
    let entry = std::iter::once(first).chain(concerned).find(|entry| entry.version() == version);
    let entry = entry.ok_or_else(Problem::not_found)?;
    let receipt = whole(&state, &entry.register, entry.index).await?.ok_or_else(Problem::not_found)?;
    let shown = Disclosure::new(&entry.register, record, acting.person().into_iter().collect());
    disclose(&state, &acting, &Purpose::default(), Endpoint::Receipt, &[shown.at(entry.index)]).await?;
    // Neither a register nor a person is in the file's name: it will lie where others look.
    let file = |end: &str| format!("filename=\"receipt-{record}-{version}.{end}\"");
    let vary = (header::VARY, HeaderValue::from_static("accept"));
    if !wants_page(&headers) {
        let name = (header::CONTENT_DISPOSITION, format!("attachment; {}", file("json")));
        return Ok(([vary], [name], Json(ReceiptDocument::from(receipt))).into_response());
    }
    let in_force = knowledge.definitions.at_position(&entry.register, entry.position);
    let page = ReceiptPage {
        knowledge: &knowledge,
        in_force: in_force.as_deref().ok_or_else(Problem::not_found)?,
        entries: &entries,
        entry,
        appeared_at: first.recorded_at,
        receipt: &receipt,
        keys: &keyring(&state, &knowledge),
        language,
    };
    let name = (header::CONTENT_DISPOSITION, format!("inline; {}", file("html")));
    Ok(([vary], [name], page.respond()?).into_response())
}

/// Is a page asked for? What a program that says nothing gets is JSON.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.trim_start().starts_with("text/html")
}
