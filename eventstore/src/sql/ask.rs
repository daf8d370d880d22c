//! A question to PostgreSQL.

use futures_util::future::BoxFuture;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use super::patience::{READ, within};
use super::ready::Lent;
use super::rows::Parameter;

/// A query for PostgreSQL, with its parameters.
type Asked = Query<'static, Postgres, PgArguments>;

/// Reads on a connection that is lent, and again on another when that one turns out to be gone or silent.
pub(super) async fn ask<T>(
    mut lent: Lent,
    sql: &str,
    parameters: Vec<Parameter>,
    how: impl for<'c> Fn(&'c mut PgConnection, Asked) -> BoxFuture<'c, sqlx::Result<T>>,
) -> Result<T, sqlx::Error> {
    loop {
        let (limit, query) = (lent.limit(READ), postgres_query(sql.to_owned(), parameters.clone()));
        match within(limit, how(lent.connection(), query)).await {
            Ok(answer) => {
                lent.keep();
                return Ok(answer);
            }
            Err(error) => lent = lent.after(error).await?,
        }
    }
}

pub(super) fn postgres_query(sql: String, parameters: Vec<Parameter>) -> Asked {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for parameter in parameters {
        query = match parameter {
            Parameter::Int(value) => query.bind(value),
            Parameter::Text(value) => query.bind(value),
            Parameter::Blob(value) => query.bind(value),
            Parameter::Ints(values) => query.bind(values),
            Parameter::Texts(values) => query.bind(values),
            Parameter::Blobs(values) => query.bind(values),
        };
    }
    query
}
