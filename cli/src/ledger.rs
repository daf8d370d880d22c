//! The ledger of orders: a file beside the store, one JSON object a line, that a restore of the store does not take back.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use api::withholding::{Ledger, Noted};

/// Its name in the data directory, where the configuration names no other file.
pub const FILE: &str = "withheld.ndjson";

/// A ledger in a file.
pub struct FileLedger(PathBuf);

impl FileLedger {
    /// In this file, which is made with the first order.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory outlives a crash only when it was made before the file in it was promised to.
    fn directory(&self) -> io::Result<&Path> {
        let directory = self.0.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(directory)
    }
}

impl Ledger for FileLedger {
    fn read(&self) -> io::Result<Vec<Noted>> {
        let mut text = String::new();
        match File::open(&self.0) {
            Ok(mut file) => file.read_to_string(&mut text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        whole(&text)
            .lines()
            .zip(1..)
            .map(|(line, number)| {
                serde_json::from_str(line).map_err(|error| {
                    io::Error::new(ErrorKind::InvalidData, format!("line {number} is not an order: {error}"))
                })
            })
            .collect()
    }

    fn note(&self, orders: &[Noted]) -> io::Result<()> {
        let directory = self.directory()?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.0)?;
        // Commands and a server may note at once. The lock goes with the handle.
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // What a crash left half-written was never promised.
        let end = whole(&text).len() as u64;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        let mut lines = String::new();
        for order in orders {
            let line = serde_json::to_string(order)?;
            // A server that found the order in the store may have noted it a moment ago.
            if !whole(&text).lines().any(|noted| noted == line) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        File::open(directory)?.sync_all()
    }

    fn place(&self) -> String {
        self.0.display().to_string()
    }
}

/// All lines that were ended.
fn whole(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

#[cfg(test)]
mod tests {
    use api::withholding::Place;
    use proofs::hash::Hash;
    use serde_json::json;

    use super::*;

    fn noted(index: u64) -> Noted {
        let place = Place { index: index - 1, leaf: Hash([1; 32]) };
        let order = json!({"authority": "a court", "number": "1", "date": "2026-02-01"});
        Noted {
            register: "permits".parse().unwrap(),
            index,
            leaf: Hash([2; 32]),
            order,
            withheld: vec![place],
        }
    }

    #[test]
    fn what_is_noted_is_read_whatever_a_crash_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join(FILE);
        let ledger = FileLedger::new(path.clone());
        assert_eq!(ledger.read().unwrap(), []);
        ledger.note(&[noted(1), noted(2)]).unwrap();
        // Half a line, as a crash leaves it.
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"register\":\"per");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(ledger.read().unwrap(), [noted(1), noted(2)]);
        ledger.note(&[noted(3), noted(1)]).unwrap();
        assert_eq!(ledger.read().unwrap(), [noted(1), noted(2), noted(3)]);
        // A whole line that is no order is somebody's hand: nothing is concluded from such a file.
        std::fs::write(&path, "{}\n").unwrap();
        let error = ledger.read().unwrap_err().to_string();
        assert!(error.starts_with("line 1 is not an order"), "{error}");
    }
}
