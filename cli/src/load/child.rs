//! A server process of this binary, on loopback.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::bench::store::Bench;
use crate::failure::Failure;

/// It has so long to say where it listens.
const PATIENCE: Duration = Duration::from_mins(2);
/// The variable that names the database of a server.
const DATABASE: &str = "REESTR_DATABASE";
const SAYS: &str = "listening on ";

/// The server.
pub struct Child {
    process: tokio::process::Child,
    /// Where it listens.
    pub url: String,
    /// Its files, which go with it.
    directory: tempfile::TempDir,
}

impl Child {
    /// Serves a store, which is closed here first.
    pub async fn start(bench: Bench) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::because("a server cannot be started", &error);
        let (directory, database) = bench.hand_over().await;
        let data = directory.path();
        let errors = File::create(data.join("server.log")).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("serve").arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]);
        // Whatever the environment names is not for this. A password is not for the list of processes.
        match &database {
            Some(database) => command.env(DATABASE, database),
            None => command.env_remove(DATABASE),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut process = command.spawn().map_err(failed)?;
        let said = process.stdout.take().map(|out| BufReader::new(out).lines());
        let mut said = said.ok_or_else(|| Failure::failed("the server has no standard output"))?;
        let listening = async {
            while let Ok(Some(line)) = said.next_line().await {
                if let Some(url) = line.strip_prefix(SAYS) {
                    return Some(url.trim_end_matches('/').to_owned());
                }
            }
            None
        };
        let url = tokio::time::timeout(PATIENCE, listening).await.ok().flatten();
        let url = url.ok_or_else(|| {
            let log = std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
            Failure::failed(format!("the server does not listen: {log}"))
        })?;
        Ok(Self { process, url, directory })
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends it. Its store is thrown away: it need not end well.
    pub async fn stop(mut self) -> Result<(), Failure> {
        let ended = self.process.kill().await;
        ended.map_err(|error| Failure::because("the server cannot be ended", &error))?;
        drop(self.directory);
        Ok(())
    }
}
