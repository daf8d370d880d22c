//! Where a secret could be found by whoever has the files, or a backup.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use eventstore::sql::Target;
use eventstore::testing::SeededEntropy;
use eventstore::{Entropy, Store};

use crate::fixture::Fixture;

/// Entropy that remembers what it gave.
pub struct Recorder {
    source: SeededEntropy,
    given: Mutex<Vec<Vec<u8>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { source: SeededEntropy::new(77), given: Mutex::default() }
    }
}

impl Entropy for Recorder {
    fn fill(&self, buffer: &mut [u8]) {
        self.source.fill(buffer);
        self.given.lock().unwrap().push(buffer.to_vec());
    }
}

impl Recorder {
    /// What was asked for in this size.
    pub fn blocks(&self, size: usize) -> Vec<Vec<u8>> {
        self.given.lock().unwrap().iter().filter(|block| block.len() == size).cloned().collect()
    }
}

/// Is one of them there, as bytes or in one of the usual encodings?
pub fn find(place: &[u8], secrets: &[Vec<u8>]) -> bool {
    let mut forms: HashMap<[u8; 4], Vec<Vec<u8>>> = HashMap::new();
    for form in secrets.iter().flat_map(|secret| encodings(secret)) {
        forms.entry(form[..4].try_into().unwrap()).or_default().push(form);
    }
    // Most places begin none of them, and are passed over by the first two bytes.
    let mut begins = vec![false; 1 << 16];
    for begin in forms.keys() {
        begins[usize::from(u16::from_be_bytes([begin[0], begin[1]]))] = true;
    }
    place.windows(4).enumerate().any(|(at, begin)| {
        begins[usize::from(u16::from_be_bytes([begin[0], begin[1]]))]
            && forms.get(begin).is_some_and(|forms| forms.iter().any(|form| place[at..].starts_with(form)))
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn encodings(secret: &[u8]) -> [Vec<u8>; 5] {
    let hex = hex(secret);
    [
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        STANDARD.encode(secret).trim_end_matches('=').as_bytes().to_vec(),
        URL_SAFE_NO_PAD.encode(secret).into_bytes(),
    ]
}

/// Every file of the store and a dump of it, by name.
pub async fn everything(fixture: &Fixture, store: &Store) -> Vec<(String, Vec<u8>)> {
    match &fixture.target {
        Target::Sqlite(path) => {
            let directory = std::fs::read_dir(path.parent().unwrap()).unwrap();
            let mut all = Vec::new();
            for file in directory.map(|file| file.unwrap().path()) {
                let name = file.display().to_string();
                // The WAL's index and the lock hold no content.
                if !name.ends_with("-shm") && !name.ends_with("-opening") {
                    all.extend(std::fs::read(&file).unwrap());
                }
            }
            vec![("the files of the store".to_owned(), all)]
        }
        Target::Postgres(url) => {
            vec![("a dump".to_owned(), dump(url)), ("the files of the server".to_owned(), files(store).await)]
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests/run says by a variable where the programs are")]
fn dump(url: &str) -> Vec<u8> {
    let programs =
        std::env::var("REESTR_TEST_POSTGRES_BIN").expect("run bash tests/run, which finds PostgreSQL");
    let dumped = Command::new(format!("{programs}/pg_dump")).arg(url).output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    dumped.stdout
}

/// What the server has on disk for this database, after everything in its memory was written there.
async fn files(store: &Store) -> Vec<u8> {
    let sql = "SELECT pg_read_binary_file(d.path || '/' || f.name, 0, 1 << 29, true) AS bytes
        FROM (SELECT 'base/' || oid AS path FROM pg_database WHERE datname = current_database()) AS d
        CROSS JOIN LATERAL pg_ls_dir(d.path) AS f(name)";
    store.db().fetch_all("CHECKPOINT", vec![]).await.unwrap();
    let mut all = Vec::new();
    for row in store.db().fetch_all(sql, vec![]).await.unwrap() {
        all.extend(row.opt_blob("bytes").unwrap().unwrap_or_default());
    }
    all
}
