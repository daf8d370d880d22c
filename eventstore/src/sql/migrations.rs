//! The schema, brought up to date when a store is opened.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::Dialect;
use crate::error::StoreError;

// `SQLITE` and `POSTGRES`: (version, name, text) of every file in `migrations/`, listed by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

pub(super) fn migrator(dialect: Dialect) -> Migrator {
    let files = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
    };
    let migrations = files.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// A schema of a newer version is left as it is: what it means, this version cannot know.
pub(super) fn failed(error: MigrateError) -> StoreError {
    let known = SQLITE.iter().chain(POSTGRES).map(|(version, ..)| *version).max().unwrap_or_default();
    match error {
        MigrateError::VersionMissing(found) if found > known => StoreError::SchemaNewer { found, known },
        error => error.into(),
    }
}
