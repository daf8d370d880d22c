//! A copy of an embedded store, taken while it is used: whole, as of one moment, and checked before it has its name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proofs::merkle::Frontier;
use proofs::slug::Slug;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::args;
use crate::error::StoreError;
use crate::heads;
use crate::sql::{Db, DbInner, Place};
use crate::verify;

/// Leaves read at once: 32 bytes each, 2 MiB.
const LEAVES: u64 = 65_536;

/// What a copy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Entries.
    pub entries: u64,
    /// Registers.
    pub registers: usize,
}

/// Copies the SQLite file of a store to a new file, and checks the copy: the file by SQLite's own means, each log's tree by its
/// leaves, each checkpoint by its keys. Whoever appends meanwhile does not wait. An interrupted copy leaves `TO.part`.
pub async fn backup(from: &Path, to: &Path) -> Result<Copied, StoreError> {
    if to.exists() {
        return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already")));
    }
    let part = part(to);
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    private(&part).map_err(failed)?;
    // Not read-only: a WAL that a killed process left has to be read through its index, which is a file too.
    let mut source = SqliteConnectOptions::new().filename(from).create_if_missing(false).connect().await?;
    let name = part.to_str().ok_or_else(|| failed(io::Error::other("its name is not UTF-8")))?;
    let copying = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut source).await;
    source.close().await?;
    copying?;
    let copied = check(&part).await?;
    // SQLite does not sync what it copies into.
    File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(&part, to).map_err(failed)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new("."))).and_then(|file| file.sync_all()).map_err(failed)?;
    Ok(copied)
}

/// Reads all of the copy that the rest follows from.
async fn check(path: &Path) -> Result<Copied, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let place = Arc::new(Place::of(path));
    let db = Db(DbInner::Sqlite { readers: pool.clone(), writer: pool, place });
    let checked = trees(&db).await;
    db.close().await;
    checked
}

async fn trees(db: &Db) -> Result<Copied, StoreError> {
    let said = db.fetch_all("PRAGMA integrity_check", vec![]).await?;
    let said = said.first().map(|row| row.text("integrity_check")).transpose()?.unwrap_or_default();
    if said != "ok" {
        return Err(StoreError::corrupt("sqlite_schema", "integrity_check", "the copy", said));
    }
    let row = db.fetch_optional("SELECT log_name FROM installation WHERE id = 1", vec![]).await?;
    let none = || StoreError::corrupt("installation", "id", 1, "no row");
    verify::heads(db, &row.ok_or_else(none)?.text("log_name")?).await?;
    let logs = heads::all(db).await?;
    let mut copied = Copied { entries: 0, registers: logs.len() };
    for head in &logs {
        let tree = tree(db, &head.log.register).await?;
        if tree.size() != head.log.size || tree.root() != head.log.root {
            let why = format!("its {} leaves do not give it", tree.size());
            return Err(StoreError::corrupt("log", "root", &head.log.register, why));
        }
        copied.entries += tree.size();
    }
    Ok(copied)
}

/// The tree of what is in a log.
async fn tree(db: &Db, register: &Slug) -> Result<Frontier, StoreError> {
    let sql = "SELECT entry.leaf_index, entry.leaf_hash FROM log
        JOIN entry ON entry.shard = log.shard AND entry.register = log.register
        WHERE log.register = $1 AND entry.leaf_index >= $2 AND entry.leaf_index < $3 ORDER BY entry.leaf_index";
    let mut tree = Frontier::new();
    loop {
        let from = tree.size();
        let rows = db.fetch_all(sql, args![register, from, from + LEAVES]).await?;
        if rows.is_empty() {
            return Ok(tree);
        }
        for row in &rows {
            if row.uint("leaf_index")? != tree.size() {
                return Err(StoreError::corrupt("entry", "leaf_index", register, "a leaf is missing"));
            }
            tree.push(row.hash("leaf_hash")?);
        }
    }
}

/// A new, empty file that its owner alone may read.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

fn part(to: &Path) -> PathBuf {
    let mut name: OsString = to.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn failed(error: io::Error) -> StoreError {
    sqlx::Error::Io(error).into()
}
