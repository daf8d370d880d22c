//! A fresh store for a test: a directory, and on PostgreSQL a database of its own as well.

use std::path::Path;

use tempfile::TempDir;

use crate::postgres::Database;

/// Which store a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The embedded store.
    Sqlite,
    /// A database on the test server.
    Postgres,
}

/// Both, for tests that loop.
pub const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

/// A store that goes away with the test.
pub struct Store {
    directory: TempDir,
    database: Option<Database>,
}

impl Store {
    /// A fresh, empty store.
    pub async fn fresh(kind: Kind) -> Self {
        let database = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Database::create().await),
        };
        Self { directory: directory(), database }
    }

    /// A fresh, empty store of several shards.
    pub async fn sharded(kind: Kind, shards: u32) -> Self {
        let store = Self::fresh(kind).await;
        let file = store.data().join("reestr.toml");
        let settings = std::fs::read_to_string(&file).expect("the settings are there");
        std::fs::write(file, format!("shards = {shards}\n{settings}")).expect("the settings are written");
        store
    }

    /// A copy as it is now, settings and samples too; no server may run on this one.
    pub async fn copy(&self) -> Self {
        let to = tempfile::tempdir().expect("a temporary directory");
        copy_files(self.data(), to.path());
        let database = match &self.database {
            Some(database) => Some(database.copy().await),
            None => None,
        };
        Self { directory: to, database }
    }

    /// A store in a database that the test made itself.
    pub fn over(database: Database) -> Self {
        Self { directory: directory(), database: Some(database) }
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// The URL of its database, on PostgreSQL.
    pub fn database(&self) -> Option<&str> {
        self.database.as_ref().map(Database::url)
    }

    /// `--data DIR [--database URL]`.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec!["--data".to_owned(), self.data().display().to_string()];
        if let Some(url) = self.database() {
            args.extend(["--database".to_owned(), url.to_owned()]);
        }
        args
    }
}

/// Copies what is in a directory into another, which is empty.
pub fn copy_files(from: &Path, to: &Path) {
    for item in std::fs::read_dir(from).expect("the directory is there") {
        let item = item.expect("a file").path();
        let new = to.join(item.file_name().expect("it has a name"));
        if item.is_dir() {
            std::fs::create_dir(&new).expect("the directory is made");
            copy_files(&item, &new);
        } else {
            std::fs::copy(&item, &new).expect("the file is copied");
        }
    }
}

/// A data directory whose settings let one client make as many requests as a test needs.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = "requests_per_second = 1000000\nrequests_burst = 1000000\n";
    std::fs::write(directory.path().join("reestr.toml"), settings).expect("the settings are written");
    directory
}
