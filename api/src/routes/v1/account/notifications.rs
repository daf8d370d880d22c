//! `GET` and `PUT /v1/account/settings/notifications`: by what, of what and when a person is notified.

use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use crate::http::extract::{self, typed};
use crate::http::{Acting, AppState};
use crate::notifications::{self, Settings};
use crate::problem::{self, Pointed, Problem, ProblemDocument};

/// Whose settings they are: where a person is reached, and when not, nobody else decides.
fn person(acting: &Acting) -> Result<Uuid, Problem> {
    if acting.represents() {
        let detail =
            "How a person is notified they set themselves; a representative has settings of their own.";
        return Err(Problem::new(problem::FORBIDDEN, detail));
    }
    Ok(acting.actor)
}

/// How the person is notified. Notices are served by their appearance in the account, whatever is set here.
#[utoipa::path(get, path = "/v1/account/settings/notifications", operation_id = "getNotificationSettings", tag = "Account",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The settings", body = Settings),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn get_notification_settings(
    State(state): State<AppState>,
    acting: Acting,
) -> Result<Json<Settings>, Problem> {
    Ok(Json(notifications::read(state.store(), person(&acting)?).await?))
}

/// Sets how the person is notified, whole: a channel that is not named is off.
#[utoipa::path(put, path = "/v1/account/settings/notifications", operation_id = "putNotificationSettings", tag = "Account",
    security(("bearer" = [])), request_body = Settings,
    responses(
        (status = 200, description = "The settings", body = Settings),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn put_notification_settings(
    State(state): State<AppState>,
    acting: Acting,
    extract::Json(body): extract::Json,
) -> Result<Json<Settings>, Problem> {
    let person = person(&acting)?;
    let settings: Settings = typed(body)?;
    if settings.quiet_hours.is_some_and(|quiet| !quiet.is_some_time()) {
        let detail = "Quiet hours end at another time than they begin.".to_owned();
        let errors = vec![Pointed { pointer: "/quiet_hours/to".to_owned(), detail }];
        return Err(
            Problem::new(problem::INVALID_REQUEST, "The settings were not changed.").with_errors(errors)
        );
    }
    notifications::write(state.store(), person, &settings).await?;
    Ok(Json(settings))
}
