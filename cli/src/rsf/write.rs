//! Writing RSF.

use std::collections::HashSet;
use std::io::{self, Write};

use proofs::hash::{EMPTY_ROOT, leaf_hash};
use proofs::merkle::Frontier;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::parse::{hex, leaf};

/// Writes one register, line by line: items as they are first needed, then the entries that name them.
pub struct Writer<W> {
    out: W,
    /// Items that were written, where one may come twice.
    written: HashSet<[u8; 32]>,
    unique: bool,
    tree: Frontier,
}

impl<W: Write> Writer<W> {
    /// Begins a file: a promise about the empty register comes first.
    /// `unique` says that no two entries have the same item, so that those that were written need not be known.
    pub fn new(mut out: W, unique: bool) -> io::Result<Self> {
        writeln!(out, "assert-root-hash\tsha-256:{}", hex(EMPTY_ROOT.as_bytes()))?;
        Ok(Self { out, written: HashSet::new(), unique, tree: Frontier::new() })
    }

    /// An entry that describes the register itself.
    pub fn system(&mut self, key: &str, timestamp: &str, item: &Value) -> io::Result<()> {
        let hash = self.item(item, false)?;
        writeln!(self.out, "append-entry\tsystem\t{key}\t{timestamp}\tsha-256:{hash}")
    }

    /// An entry of the register.
    pub fn user(&mut self, key: &str, timestamp: &str, item: &Value) -> io::Result<()> {
        let hash = self.item(item, self.unique)?;
        let number = usize::try_from(self.tree.size()).unwrap_or(usize::MAX).saturating_add(1);
        self.tree.push(leaf_hash(&leaf(number, timestamp, &Value::from(key), &hash)));
        writeln!(self.out, "append-entry\tuser\t{key}\t{timestamp}\tsha-256:{hash}")
    }

    /// Ends the file with the promise about all of it, and gives the root in hexadecimal.
    pub fn finish(mut self) -> io::Result<String> {
        let root = hex(self.tree.root().as_bytes());
        writeln!(self.out, "assert-root-hash\tsha-256:{root}")?;
        self.out.flush()?;
        Ok(root)
    }

    fn item(&mut self, item: &Value, unique: bool) -> io::Result<String> {
        let bytes = proofs::jcs::canonical(item).map_err(io::Error::other)?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        if unique || self.written.insert(hash) {
            self.out.write_all(b"add-item\t")?;
            self.out.write_all(&bytes)?;
            self.out.write_all(b"\n")?;
        }
        Ok(hex(&hash))
    }
}
