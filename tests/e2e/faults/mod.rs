//! Faults, one after the other, while entries arrive: whatever happens to the server, its database, their disks or the network between
//! them, what was acknowledged is there, once, where it was said to be, and the audit finds the same log, only longer.

mod disk;
mod load;
mod network;
mod postgres;
mod steps;
mod versions;

use std::collections::BTreeMap;

use reestr_tests::server::{Server, tokens};
use reestr_tests::store::Store;
use tempfile::TempDir;

use self::load::Load;
use crate::crash::{Acknowledged, all_there_once};
use crate::shared::{REGISTER, audit};

/// Entries acknowledged between two faults.
const BETWEEN: usize = 30;

/// What came of the faults of one test: printed at its end.
struct Drill {
    what: String,
    state: TempDir,
    tokens: BTreeMap<String, String>,
    runs: u32,
    faults: u32,
    acknowledged: Acknowledged,
}

impl Drill {
    /// On a store with a demo in it. What the auditor knows so far is kept outside the store.
    fn new(what: String, store: &Store) -> Self {
        let (tokens, state) = (tokens(store.data()), tempfile::tempdir().unwrap());
        Self { what, state, tokens, runs: 0, faults: 0, acknowledged: Acknowledged::new() }
    }

    fn department(&self) -> &str {
        &self.tokens["department"]
    }

    /// All that was ever acknowledged is there once, and the register extends what the auditor saw before.
    async fn verify(&mut self, server: &Server) {
        self.runs += 1;
        all_there_once(server, self.department(), &self.acknowledged).await;
        let state = self.state.path().join("state").display().to_string();
        let more = ["--register", REGISTER, "--state", &state];
        let (code, report) = audit(&server.url, &more).await;
        assert_eq!(code, 0, "{}: {report}", self.what);
    }

    /// Appends until these faults, so many, are over, and remembers what was acknowledged.
    async fn bear(
        &mut self,
        (server, store, load): (&Server, &Store, &Load),
        count: u32,
        faults: impl Future<Output = ()>,
    ) {
        let faults = async {
            faults.await;
            load.stop();
        };
        let (acknowledged, ()) = tokio::join!(load.run(server, store, self.department()), faults);
        self.acknowledged.extend(acknowledged);
        self.faults += count;
    }

    /// The last word: every register.
    async fn end(mut self, server: &Server) {
        self.verify(server).await;
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!(code, 0, "{}: {report}", self.what);
        let (runs, faults, acknowledged) = (self.runs, self.faults, self.acknowledged.len());
        println!("{}: {runs} audits, {faults} faults, {acknowledged} acknowledged, lost: 0", self.what);
    }
}
