//! `GET /v1/account/accesses/{record}`: one access to what concerns the person.

use axum::Json;
use axum::extract::State;
use domain::platform::ACCESSES;
use projections::accesses::Access;
use proofs::slug::Slug;
use uuid::Uuid;

use super::{AccessItem, current};
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::extract::Path;
use crate::http::{Acting, AppState};
use crate::problem::{Problem, ProblemDocument};

/// One access, as it is now.
#[utoipa::path(get, path = "/v1/account/accesses/{record}", operation_id = "getAccountAccess", tag = "Account",
    security(("bearer" = [])),
    params(("record" = Uuid, Path, description = "The access")),
    responses(
        (status = 200, description = "The access", body = AccessItem),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_account_access(
    State(state): State<AppState>,
    acting: Acting,
    Path(record): Path<Uuid>,
) -> Result<Json<AccessItem>, Problem> {
    let (access, register) = own(&state, &acting, record).await?;
    let shown = [Disclosure::new(&register, record, access.person.into_iter().collect())];
    disclose(&state, &acting, &Purpose::default(), Endpoint::Accesses, &shown).await?;
    Ok(Json(AccessItem::of(access, &state.registry().knowledge())))
}

/// The access, where it concerns the person whose account it is.
pub async fn own(state: &AppState, acting: &Acting, record: Uuid) -> Result<(Access, Slug), Problem> {
    let person = acting.person()?;
    let register = ACCESSES.parse().map_err(|error| Problem::internal(&error))?;
    let found = current(state, &state.registry().knowledge(), record).await?;
    let found = found.filter(|access| access.person == Some(person) && acting.sees(&register));
    Ok((found.ok_or_else(Problem::not_found)?, register))
}
