//! `GET /v1/registers/{register}/entries/{index}/receipt`: proof that an entry is in the register.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::ProvedEntry;
use proofs::receipt::Receipt;
use proofs::slug::Slug;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::visible;
use crate::accesses::{Endpoint, Look, Purpose};
use crate::auth::Caller;
use crate::http::AppState;
use crate::http::extract::Path;
use crate::problem::{Problem, ProblemDocument};

/// A receipt (`docs/format.md`): enough to verify the entry offline.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptDocument {
    /// The leaf, in base64url.
    pub leaf: String,
    /// Its index.
    pub index: u64,
    /// Inclusion proof and checkpoint: a C2SP tlog-proof.
    pub proof: String,
    /// The body; null for those who may not see it, or where it is withheld.
    #[schema(value_type = Option<Object>)]
    pub body: Option<Value>,
    /// Its salt; null together with the body.
    pub salt: Option<String>,
}

impl From<Receipt> for ReceiptDocument {
    fn from(receipt: Receipt) -> Self {
        Self {
            leaf: URL_SAFE_NO_PAD.encode(&receipt.leaf),
            index: receipt.index,
            proof: receipt.proof.to_string(),
            body: receipt.body,
            salt: receipt.salt.map(|salt| salt.to_string()),
        }
    }
}

/// An entry that is proved, for its receipt. One that no published checkpoint covers yet has none for now.
async fn proved(state: &AppState, register: &Slug, index: u64) -> Result<Option<ProvedEntry>, Problem> {
    let proved = state.store().proved(register, index).await?;
    if proved.is_none() && state.store().witnessed() {
        let exists = state.store().entry(register, index).await?.is_some();
        return if exists { Err(Problem::not_published()) } else { Ok(None) };
    }
    Ok(proved)
}

/// The whole receipt of an entry, for those who may see all of it.
pub async fn whole(state: &AppState, register: &Slug, index: u64) -> Result<Option<Receipt>, Problem> {
    Ok(proved(state, register, index).await?.map(ProvedEntry::receipt).transpose()?)
}

/// The same, as it is answered.
pub async fn read(state: &AppState, register: &Slug, index: u64) -> Result<Option<ReceiptDocument>, Problem> {
    Ok(whole(state, register, index).await?.map(ReceiptDocument::from))
}

/// The receipt of an entry under the published checkpoint; with `Accept: text/plain`, the tlog-proof alone.
#[utoipa::path(get, path = "/v1/registers/{register}/entries/{index}/receipt", operation_id = "getReceipt", tag = "Verification",
    security((), ("bearer" = [])),
    params(
        ("register" = String, Path, description = "Slug of the register"),
        ("index" = u64, Path, description = "Index of the entry in its register"),
        Purpose,
    ),
    responses(
        (status = 200, description = "The receipt", body = ReceiptDocument),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_receipt(
    State(state): State<AppState>,
    caller: Option<Caller>,
    purpose: Purpose,
    Path((register, index)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (knowledge, in_force) = state.register(&register).await?;
    let register = &in_force.definition.slug;
    let mut proved = proved(&state, register, index).await?.ok_or_else(Problem::not_found)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.trim_start().starts_with("text/plain") {
        let proof = ReceiptDocument::from(proved.receipt()?).proof;
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof).into_response());
    }
    let reader = AppState::reader(caller.as_ref(), &in_force);
    let entry = std::slice::from_ref(&proved.entry);
    let seen = visible::bodies(&state, &knowledge, reader, entry).await?;
    if !seen.first().copied().unwrap_or_default() {
        (proved.entry.body, proved.entry.salt) = (None, None);
    } else if proved.entry.body.is_some() {
        let look = Look::new(caller.as_ref(), &purpose, Endpoint::Receipt);
        look.entries(&state, &knowledge, entry.iter()).await?;
    }
    let receipt = ReceiptDocument::from(proved.receipt()?);
    Ok(axum::Json(receipt).into_response())
}
