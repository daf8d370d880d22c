//! The one envelope of lists.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::problem::Problem;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that is complete.
    pub fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// From a projection's page, row by row.
    pub fn of<R>(page: projections::Page<R>, row: impl FnMut(R) -> T) -> Self {
        Self { items: page.items.into_iter().map(row).collect(), next: page.next }
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before; nothing for the first.
    pub cursor: Option<String>,
    /// Rows, 1 to 200; 50 when nothing is said.
    pub limit: Option<u32>,
}

impl PageQuery {
    /// For a projection's query.
    pub fn request(self) -> Result<projections::PageRequest, Problem> {
        let limit = self.limit.unwrap_or(PAGE_ROWS_DEFAULT);
        if limit == 0 || limit > PAGE_ROWS_MAX {
            return Err(Problem::invalid(format!("`limit` is 1 to {PAGE_ROWS_MAX}.")));
        }
        Ok(projections::PageRequest { cursor: self.cursor.filter(|cursor| !cursor.is_empty()), limit })
    }
}
