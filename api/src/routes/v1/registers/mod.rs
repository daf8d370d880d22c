//! `/v1/registers`: registers, their entries and records, and what verifies them.

pub mod checkpoint;
pub mod entries;
pub mod key;
pub mod list;
pub mod lookup;
pub mod records;
pub mod register;
pub mod statistics;
pub mod tile;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::limits::LOOKUP_BYTES_MAX;

/// The endpoints of this folder.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_registers))
        .routes(routes!(register::get_register))
        .routes(routes!(entries::append::append_entries, entries::list::list_entries))
        .routes(routes!(entries::entry::get_entry))
        .routes(routes!(entries::receipt::get_receipt))
        .routes(routes!(records::list::list_records))
        .routes(routes!(records::record::get_record))
        .routes(routes!(records::history::get_record_history))
        .routes(routes!(lookup::get_number))
        .routes(routes!(lookup::look_up_number).layer(DefaultBodyLimit::max(LOOKUP_BYTES_MAX)))
        .routes(routes!(statistics::get_statistics))
        .routes(routes!(checkpoint::get_checkpoint))
        .routes(routes!(key::get_register_key))
        .routes(routes!(tile::get_tile))
}
