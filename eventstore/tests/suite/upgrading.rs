//! Stores of versions that kept their keys in the clear, and their statements as text.

use std::path::Path;

use eventstore::sql::Target;
use eventstore::testing::SeededEntropy;
use eventstore::{Entropy as _, Store, StoreError, args};
use proofs::key::PrivateKey;
use proofs::signer::Signer as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqlSafeStr as _, SqliteConnection};

use crate::fixture::{Fixture, on_both_stores, slug};
use crate::secrets::{everything, find, hex};
use crate::sharding::whole;

on_both_stores!(
    clear_seeds_are_sealed_and_erased,
    a_key_that_is_not_its_own_stops_the_sealing,
    statements_that_were_kept_as_text_are_read_beside_packed_ones,
);

/// The migration that seals.
const SEALING: i64 = 11;
/// Enough keys that pages of the table were split and merged, which leaves copies beside the rows.
const KEYS: u64 = 200;

fn keys() -> Vec<PrivateKey> {
    let entropy = SeededEntropy::new(4711);
    let key = |_| {
        let mut seed = [0; 32];
        entropy.fill(&mut seed);
        PrivateKey::from_seed(&seed)
    };
    (0..KEYS).map(key).collect()
}

/// The migrations that an older version had.
fn older(dialect: &str) -> Migrator {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(dialect);
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (version, name) = name.split_once('_').unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let sql = AssertSqlSafe(text).into_sql_str();
        Migration::new(version.parse().unwrap(), name.to_owned().into(), MigrationType::Simple, sql, false)
    };
    let mut all: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|file| read(file.unwrap().path())).collect();
    all.retain(|migration| migration.version < SEALING);
    all.sort_by_key(|migration| migration.version);
    Migrator::with_migrations(all)
}

/// What that version wrote: department 0 has one key after the other, and each webhook its secret.
fn clear_rows(postgres: bool, seed_of_first: Option<&[u8]>) -> Vec<String> {
    let blob = |bytes: &[u8]| {
        if postgres { format!("decode('{}', 'hex')", hex(bytes)) } else { format!("x'{}'", hex(bytes)) }
    };
    let mut rows = Vec::new();
    for (at, key) in keys().iter().enumerate() {
        let seed = seed_of_first.filter(|_| at == 0).unwrap_or(key.seed());
        rows.push(format!(
            "INSERT INTO signing_key (owner, purpose, ordinal, kid, seed) VALUES ('department-{}', 'statement', {at}, '{}', {})",
            at % 7,
            key.kid(),
            blob(seed)
        ));
    }
    for (at, key) in keys().iter().take(20).enumerate() {
        let reversed: Vec<u8> = key.seed().iter().rev().copied().collect();
        let former = if at % 2 == 0 { blob(&reversed) } else { "NULL".to_owned() };
        rows.push(format!(
            "INSERT INTO webhook (id, owner, kind, url, registers, bodies, secret, former_secret, state, position, created_at, created_by, revision, lease_until)
             VALUES ({}, 'gibdd', 'entries', 'https://a.example', '[]', 0, {}, {former}, 'active', 0, 0, 'x', 1, 0)",
            blob(&(at as u128).to_be_bytes()),
            blob(&reversed)
        ));
    }
    // Some go again, so that there is free space with what they said.
    rows.push("DELETE FROM signing_key WHERE ordinal % 10 = 9".to_owned());
    rows.push("UPDATE webhook SET former_secret = NULL WHERE owner = 'gibdd' AND revision = 1 AND former_secret IS NOT NULL".to_owned());
    rows
}

async fn make(fixture: &Fixture, rows: Vec<String>) {
    match &fixture.target {
        Target::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let options = options.journal_mode(SqliteJournalMode::Wal);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            older("sqlite").run_direct(None, &mut connection, false).await.unwrap();
            for row in rows {
                sqlx::query(AssertSqlSafe(row)).execute(&mut connection).await.unwrap();
            }
            connection.close().await.unwrap();
        }
        Target::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            older("postgres").run_direct(None, &mut connection, false).await.unwrap();
            for row in rows {
                sqlx::query(AssertSqlSafe(row)).execute(&mut connection).await.unwrap();
            }
            connection.close().await.unwrap();
        }
    }
}

fn secrets() -> Vec<Vec<u8>> {
    let seeds = keys().into_iter().map(|key| key.seed().to_vec());
    seeds.flat_map(|seed| [seed.iter().rev().copied().collect(), seed]).collect()
}

async fn count(store: &Store, sql: &str) -> u64 {
    store.db().fetch_optional(sql, vec![]).await.unwrap().unwrap().uint("n").unwrap()
}

async fn clear_seeds_are_sealed_and_erased(fixture: &Fixture) {
    make(fixture, clear_rows(fixture.is_postgres(), None)).await;
    if let Target::Sqlite(path) = &fixture.target {
        assert!(find(&std::fs::read(path).unwrap(), &secrets()), "they were in the file");
    }
    let store = fixture.open().await;
    for (at, key) in keys().iter().enumerate() {
        let kept = store.key_by_kid(&key.kid()).await.unwrap();
        assert_eq!(kept.is_some(), at % 10 != 9, "key {at}");
        assert!(kept.is_none_or(|kept| kept.sign(b"text").unwrap() == key.sign(b"text")), "key {at}");
    }
    // The newest of an owner is still the newest.
    let newest = store.key("department-2", eventstore::STATEMENT).await.unwrap().unwrap();
    assert_eq!(newest.public(), keys()[198].public());
    for row in store.db().fetch_all("SELECT id, secret, former_secret FROM webhook", vec![]).await.unwrap() {
        let id = row.uuid("id").unwrap();
        let secret = store.unseal("webhook", &id.to_string(), &row.blob("secret").unwrap()).unwrap();
        let key = &keys()[usize::try_from(id.as_u128()).unwrap()];
        assert!(secret.iter().rev().eq(key.seed().iter()), "webhook {id}");
    }
    assert_eq!(count(&store, "SELECT count(*) AS n FROM signing_key_clear").await, 0);
    assert_eq!(count(&store, "SELECT count(*) AS n FROM webhook_secret_clear").await, 0);
    assert_eq!(count(&store, "SELECT erased AS n FROM seal").await, 1);
    for (name, bytes) in everything(fixture, &store).await {
        assert!(!find(&bytes, &secrets()), "a secret is in {name}");
    }
    store.close().await;
    fixture.open().await.close().await;
}

/// Nothing is erased that could not be sealed.
async fn a_key_that_is_not_its_own_stops_the_sealing(fixture: &Fixture) {
    make(fixture, clear_rows(fixture.is_postgres(), Some(&[1; 32]))).await;
    for _ in 0..2 {
        match fixture.try_open().await.err() {
            Some(StoreError::Corrupt { table: "signing_key_clear", column, key, .. }) => {
                assert_eq!((column.as_str(), key.as_str()), ("seed", keys()[0].kid().as_str()));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Takes back what the migration to packed statements made; then the store is one that an older version left.
async fn unpack(fixture: &Fixture, store: &Store) {
    let entries = store.read_after(0, 100).await.unwrap();
    let mut tx = store.db().begin().await.unwrap();
    let (off, back): (&str, &[&str]) = if fixture.is_postgres() {
        (
            "ALTER TABLE entry DISABLE TRIGGER entry_update",
            &[
                "ALTER TABLE entry ALTER COLUMN statement TYPE TEXT USING convert_from(statement, 'UTF8')",
                "ALTER TABLE entry ENABLE TRIGGER entry_update",
            ],
        )
    } else {
        (
            "DROP TRIGGER entry_update",
            &[
                "ALTER TABLE entry ADD COLUMN jws TEXT NOT NULL DEFAULT ''",
                "UPDATE entry SET jws = CAST(statement AS TEXT)",
                "ALTER TABLE entry DROP COLUMN statement",
                "ALTER TABLE entry RENAME COLUMN jws TO statement",
                "CREATE TRIGGER entry_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'x'); END",
            ],
        )
    };
    tx.execute(off, vec![]).await.unwrap();
    for entry in entries {
        let text = entry.statement.as_str().as_bytes();
        let sql = "UPDATE entry SET statement = $1 WHERE position = $2";
        assert_eq!(tx.execute(sql, args![text, entry.position]).await.unwrap(), 1);
    }
    for sql in back.iter().chain(&["DELETE FROM _sqlx_migrations WHERE version = 16"]) {
        tx.execute(sql, vec![]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn statements_that_were_kept_as_text_are_read_beside_packed_ones(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 40)).await.unwrap();
    let before = store.read_after(0, 100).await.unwrap();
    let leaves = store.bundle(&slug("licences"), 0, 40).await.unwrap();
    unpack(fixture, &store).await;
    store.close().await;

    let store = fixture.open().await;
    assert_eq!(store.read_after(0, 100).await.unwrap(), before);
    assert_eq!(store.bundle(&slug("licences"), 0, 40).await.unwrap(), leaves);
    store.submit(fixture.many("licences", 41, 10)).await.unwrap();
    assert_eq!(store.bundle(&slug("licences"), 0, 40).await.unwrap(), leaves);
    whole(&store).await;
    // Text takes more than twice as much.
    let kept = "SELECT octet_length(statement) AS n FROM entry WHERE position = $1";
    let length = async |position: u64| {
        let row = store.db().fetch_optional(kept, args![position]).await.unwrap().unwrap();
        row.uint("n").unwrap()
    };
    assert!(length(1).await > 2 * length(41).await);
    let mut tx = store.db().begin().await.unwrap();
    let changed =
        tx.execute("UPDATE entry SET statement = $1 WHERE position = 1", args![b"x".as_slice()]).await;
    assert!(changed.unwrap_err().to_string().contains("entries are never changed"));
    tx.rollback().await.unwrap();
    store.close().await;
}
