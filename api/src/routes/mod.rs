//! The endpoints, laid out as the URLs are, one file each: its answer's shape, its description, and a short handler that
//! only translates HTTP to a call and back.

pub mod health;
pub mod jwks;
pub mod metrics;
pub mod v1;
pub mod words;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::limits::{REQUEST_BYTES_MAX, limit_rate, limit_time};
use crate::http::{AppState, admission, extract, mirror, observe};
use crate::pages;
use crate::problem::{self, Problem};

/// Endpoints that are described, and so part of the OpenAPI document.
pub fn described() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(v1::router())
        .routes(routes!(jwks::get_token_keys))
        .routes(routes!(health::get_live))
        .routes(routes!(health::get_ready))
        .routes(routes!(metrics::get_metrics))
}

/// The whole server.
pub fn router(state: AppState) -> Router {
    let (described, _) = described().split_for_parts();
    let pages = Router::new()
        .route("/", get(pages::landing::landing))
        .route("/style.css", get(pages::landing::style))
        .route("/docs", get(pages::reference::reference))
        .route("/statistics", get(pages::statistics::statistics))
        .route("/statistics/{register}", get(pages::statistics::register))
        .route("/verify", get(pages::verify::verify))
        .route("/problems", get(pages::problems::problems))
        .route("/problems/{slug}", get(pages::problems::problem));
    // The outermost first. One layer to the router, which boxes each that it has and copies it with all that is within.
    let around = ServiceBuilder::new()
        .layer(from_fn_with_state(state.clone(), observe::observe))
        // Nobody's personal data stays in a cache: what may be kept says so itself.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(limit_time))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(state.clone(), extract::authenticate))
        .layer(from_fn_with_state(state.clone(), limit_rate))
        .layer(from_fn_with_state(state.clone(), admission::admit))
        .layer(from_fn(extract::third_parties_by_consent))
        .layer(from_fn_with_state(state.clone(), extract::officials_in_office))
        .layer(from_fn_with_state(state.clone(), mirror::refuse_writes));
    described
        .merge(pages)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(around)
        .with_state(state)
}

async fn not_found() -> Problem {
    Problem::not_found()
}

/// The router adds `Allow`, which is all that OPTIONS asks for (RFC 9110 section 9.3.7).
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(problem::METHOD_NOT_ALLOWED, "This address is there, but not for this method.")
        .into_response()
}

/// A panic is a fault of ours; what it says stays in the log, without the request.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(problem::INTERNAL, "The request could not be carried out.").into_response()
}
