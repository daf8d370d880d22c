//! Databases on the PostgreSQL server that `tests/run` starts, and servers of a test's own.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};

use crate::disk::Disk;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database of its own, dropped at the end.
pub struct Database {
    server: String,
    name: String,
    url: String,
}

/// The URL of the test server's administrative database.
#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where its server listens")]
pub fn server_url() -> String {
    std::env::var("REESTR_TEST_POSTGRES")
        .expect("REESTR_TEST_POSTGRES is not set: run `bash tests/run`, which starts a private PostgreSQL")
}

impl Database {
    /// Creates an empty database on the test server.
    pub async fn create() -> Self {
        Self::create_on(&server_url()).await
    }

    /// Creates an empty database on a server.
    pub async fn create_on(server: &str) -> Self {
        let name = format!("reestr_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(server).await.expect("the test PostgreSQL answers");
        let create = format!("CREATE DATABASE {name}");
        connection.execute(sqlx::AssertSqlSafe(create)).await.expect("the database is made");
        let base = server.rsplit_once('/').map_or(server, |(base, _)| base);
        Self { server: server.to_owned(), url: format!("{base}/{name}"), name }
    }

    /// A copy as it is now; nobody may be connected to this one.
    pub async fn copy(&self) -> Self {
        let name = format!("reestr_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&self.server).await.expect("the test PostgreSQL answers");
        let create = format!("CREATE DATABASE {name} TEMPLATE {}", self.name);
        connection.execute(sqlx::AssertSqlSafe(create)).await.expect("the database is copied");
        let base = self.server.rsplit_once('/').map_or(self.server.as_str(), |(base, _)| base);
        Self { server: self.server.clone(), url: format!("{base}/{name}"), name }
    }

    /// A copy of another database on the test server, to which nobody is connected: a backup.
    pub async fn copy_of(url: &str) -> Self {
        let copy = Self::create().await;
        let mut connection = PgConnection::connect(&copy.server).await.expect("the test PostgreSQL answers");
        let of = url.rsplit_once('/').map_or(url, |(_, name)| name);
        for statement in
            [format!("DROP DATABASE {}", copy.name), format!("CREATE DATABASE {} TEMPLATE {of}", copy.name)]
        {
            connection.execute(sqlx::AssertSqlSafe(statement)).await.expect("the database is copied");
        }
        copy
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // Dropping may happen inside a runtime, which must not be blocked on itself.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.map_err(std::io::Error::other)?;
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                connection.execute(sqlx::AssertSqlSafe(drop)).await.map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test database was not dropped: {error}");
        }
    }
}

/// A PostgreSQL server of a test's own, to be shut down while it works.
pub struct Cluster {
    disk: Disk,
    port: u16,
    /// Settings of the server, as `-c name=value`.
    settings: String,
}

impl Cluster {
    /// Makes and starts a server on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::start_with(|_| String::new())
    }

    /// The same, with more lines in its configuration, which may name its directory.
    pub fn start_with(configuration: impl Fn(&std::path::Path) -> String) -> Self {
        Self::make(Disk::limited(), "", configuration)
    }

    /// The same on this disk, with these settings.
    pub fn start_on(disk: Disk, settings: &str) -> Self {
        Self::make(disk, settings, |_| String::new())
    }

    fn make(disk: Disk, settings: &str, configuration: impl Fn(&std::path::Path) -> String) -> Self {
        let port = free_port();
        let cluster = Self { disk, port, settings: settings.to_owned() };
        if is_root() {
            let owned = std::process::Command::new("chown")
                .args(["-R", "postgres"])
                .arg(cluster.disk.path())
                .status();
            assert!(owned.expect("chown is there").success());
        }
        let data = cluster.data();
        cluster.tool(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--wal-segsize=1",
                "--no-sync",
            ],
        );
        let more = configuration(cluster.directory());
        let append = std::fs::File::options().append(true).open(format!("{data}/postgresql.conf"));
        std::io::Write::write_all(&mut append.expect("initdb made it"), more.as_bytes())
            .expect("it is written");
        cluster.resume();
        cluster
    }

    /// URL of its administrative database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Where all of it is.
    pub fn directory(&self) -> &std::path::Path {
        self.disk.path()
    }

    /// Ends every session at once, as when the machine loses power: recovery follows at the next start.
    pub fn stop_immediately(&self) {
        self.tool("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    /// Ends every session, and itself in good order.
    pub fn stop(&self) {
        self.tool("pg_ctl", &["-D", &self.data(), "-m", "fast", "-w", "stop"]);
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its postmaster, and that one's processes; nothing when it does not run.
    pub fn processes(&self) -> Vec<u32> {
        let Ok(file) = std::fs::read_to_string(self.disk.path().join("data/postmaster.pid")) else {
            return Vec::new();
        };
        let Some(Ok(postmaster)) = file.lines().next().map(str::parse::<u32>) else { return Vec::new() };
        if !Path::new(&format!("/proc/{postmaster}")).exists() {
            return Vec::new();
        }
        let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.unwrap_or_default();
        std::iter::once(postmaster)
            .chain(children.split_whitespace().filter_map(|id| id.parse().ok()))
            .collect()
    }

    /// Starts it again in recovery: it follows what does not come, and takes no writes.
    pub fn resume_as_standby(&self) {
        let signal = self.disk.path().join("data/standby.signal");
        std::fs::write(signal, "").expect("the file is written");
        self.resume();
    }

    /// Ends the recovery.
    pub fn promote(&self) {
        self.tool("pg_ctl", &["-D", &self.data(), "-w", "promote"]);
    }

    /// Starts it again, whatever became of it, as soon as what is left of it has ended.
    pub async fn revive(&self) {
        let mut pace = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..100 {
            pace.tick().await;
            if tokio::task::block_in_place(|| self.try_resume()) {
                return;
            }
        }
        panic!("it does not start; see {}", self.disk.path().join("log").display());
    }

    /// Starts it again.
    pub fn resume(&self) {
        assert!(self.try_resume(), "it does not start; see {}", self.disk.path().join("log").display());
    }

    fn try_resume(&self) -> bool {
        let socket = self.disk.path().display();
        let options = format!("-p {} -k {socket} -c listen_addresses=127.0.0.1 {}", self.port, self.settings);
        let log = self.disk.path().join("log").display().to_string();
        self.run("pg_ctl", &["-D", &self.data(), "-o", &options, "-l", &log, "-w", "start"])
    }

    fn data(&self) -> String {
        self.disk.path().join("data").display().to_string()
    }

    /// Runs one of PostgreSQL's own programs, as a user that it accepts (never root).
    fn tool(&self, name: &str, args: &[&str]) {
        let log = self.disk.path().join("log");
        assert!(self.run(name, args), "{name} failed; see {}", log.display());
    }

    fn run(&self, name: &str, args: &[&str]) -> bool {
        let program = programs().join(name);
        let mut command = run_as_postgres(&program.display().to_string());
        command.args(args).current_dir(self.disk.path());
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let status = command.status().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        status.success()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.processes().is_empty() {
            self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        }
    }
}

/// A program as the user that PostgreSQL accepts, never root. It is the process started: killing it kills no wrapper.
pub(crate) fn run_as_postgres(program: &str) -> std::process::Command {
    if is_root() {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", program]);
        command
    } else {
        std::process::Command::new(program)
    }
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// One of PostgreSQL's programs.
pub fn program(name: &str) -> std::path::PathBuf {
    programs().join(name)
}

/// Where `tests/run` found PostgreSQL's programs.
#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where the programs are")]
pub(crate) fn programs() -> std::path::PathBuf {
    let directory =
        std::env::var("REESTR_TEST_POSTGRES_BIN").expect("run `bash tests/run`, which finds PostgreSQL");
    directory.into()
}
