//! A PostgreSQL server that archives its WAL, and its copies as of a moment: what `docs/operators/backup.md` says, in a
//! temporary directory and on free ports.

use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::postgres::{Cluster, free_port, programs, run_as_postgres};

/// The server, with its archive and its base backup in its directory.
pub struct Archived {
    cluster: Cluster,
    /// Where the restored copy listens.
    port: u16,
}

impl Archived {
    /// Starts a server with these lines of the guide in its configuration.
    pub fn start(configuration: &str) -> Self {
        let cluster = Cluster::start_with(|directory| {
            configuration.replace("/var/backups/reestr", &format!("{}/backups", directory.display()))
        });
        let archived = Self { cluster, port: free_port() };
        let made = format!("mkdir -p {0}/wal {1}", archived.backups().display(), archived.place().display());
        postgres_shell(&made);
        archived
    }

    /// URL of its administrative database.
    pub fn url(&self) -> String {
        self.cluster.url()
    }

    /// Where its segments go.
    pub fn archive(&self) -> PathBuf {
        self.backups().join("wal")
    }

    /// What the guide's addresses and directories are here.
    pub fn changes(&self) -> Vec<(&'static str, String)> {
        let base = self.cluster.url();
        let port = base.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')).expect("a port").0;
        vec![
            ("--port 5432", format!("--port {port}")),
            ("/var/backups/reestr", self.backups().display().to_string()),
        ]
    }

    /// The same, of the copy that is restored; `url` is that of the database in the server.
    pub fn restored(&self, url: &str) -> Vec<(&'static str, String)> {
        let name = url.rsplit_once('/').expect("a database").1;
        let (port, place) = (self.port, self.place().display().to_string());
        vec![
            ("-p 5433 ", format!("-p {port} -k {place} -c listen_addresses=127.0.0.1 ")),
            ("/var/lib/postgresql/15", place),
            ("127.0.0.1:5433/reestr", format!("127.0.0.1:{port}/{name}")),
        ]
    }

    /// Stops the restored copy and takes it away.
    pub fn discard(&mut self) {
        let data = self.place().join("restored");
        if data.join("postmaster.pid").exists() {
            postgres_shell(&format!("pg_ctl --pgdata {} --mode immediate --wait stop", data.display()));
        }
        postgres_shell(&format!("rm -rf {}", data.display()));
    }

    fn backups(&self) -> PathBuf {
        self.cluster.directory().join("backups")
    }

    fn place(&self) -> PathBuf {
        self.cluster.directory().join("restored")
    }
}

impl Drop for Archived {
    fn drop(&mut self) {
        let data = self.place().join("restored");
        if data.join("postmaster.pid").exists() {
            self.discard();
        }
    }
}

/// Runs commands with PostgreSQL's own programs, as the user that those accept.
pub fn postgres_shell(script: &str) {
    let mut command: Command = run_as_postgres("bash");
    let path = format!("{}:/usr/bin:/bin", programs().display());
    command.args(["-euo", "pipefail", "-c", script]).env("PATH", path).current_dir("/");
    // To files, since a server that is started here keeps them.
    let mut said = tempfile::tempfile().expect("a file");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().expect("a file"));
    let status = command.status().expect("bash is there");
    let mut text = String::new();
    said.rewind().and_then(|()| said.read_to_string(&mut text)).expect("it is read");
    assert!(status.success(), "{script}\nprinted\n{text}");
}
