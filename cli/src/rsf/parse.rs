//! Reading RSF: every line is checked, and the first that does not keep its promise is named.

use std::collections::HashMap;

use proofs::hash::{Hash, leaf_hash};
use proofs::merkle::Frontier;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Bytes in one line: a register's item is a small record, and this is a hundred of them.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A file that kept every promise it made.
#[derive(Debug)]
pub struct Rsf {
    /// What describes the register itself, in order.
    pub system: Vec<Entry>,
    /// The register's own entries, in order.
    pub user: Vec<Entry>,
    /// Root over the user entries' leaves.
    pub root: Hash,
}

/// One `append-entry` line with the item it names.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The line it stands on, from 1.
    pub line: usize,
    /// What it is about.
    pub key: String,
    /// RFC 3339, to the second, as the file has it.
    pub timestamp: String,
    /// The item: a flat JSON object.
    pub item: Value,
}

/// A line that is wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct RsfError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The leaf of the user entry with this number: the compact JSON that the format's tree hashes.
pub fn leaf(number: usize, timestamp: &str, key: &Value, item_hash: &str) -> Vec<u8> {
    format!(
        r#"{{"index-entry-number":"{number}","entry-number":"{number}","entry-timestamp":"{timestamp}","key":{key},"item-hash":["sha-256:{item_hash}"]}}"#
    )
    .into_bytes()
}

/// Reads a whole file, checking item hashes, canonical form and every `assert-root-hash`.
pub fn parse(text: &str) -> Result<Rsf, RsfError> {
    let mut reader = Reader::default();
    for (line, number) in text.split('\n').zip(1..) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() && text.split('\n').nth(number).is_none() {
            break;
        }
        reader.line(line).map_err(|what| RsfError { line: number, what })?;
        reader.lines = number;
    }
    reader.finish()
}

/// The digits of a hash. Nothing else is ever repeated in a message: a file is another's, and must not steer a terminal.
fn digits<'a>(text: &'a str, what: &str) -> Result<&'a str, String> {
    let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let digits = text.strip_prefix("sha-256:").filter(|hash| hash.len() == 64 && hash.bytes().all(is_hex));
    digits.ok_or_else(|| format!("the {what} is not sha-256: and 64 hexadecimal digits in lower case"))
}

#[derive(Default)]
struct Reader {
    lines: usize,
    items: HashMap<String, Value>,
    system: Vec<Entry>,
    user: Vec<Entry>,
    tree: Frontier,
    asserted: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
        }
        self.asserted = false;
        let columns: Vec<&str> = line.split('\t').collect();
        match columns.as_slice() {
            ["add-item", item] => self.add_item(item),
            ["append-entry", part @ ("user" | "system"), key, timestamp, item] => {
                self.append_entry(part, key, timestamp, item)
            }
            ["append-entry", _, _, _, _] => Err("append-entry to neither \"user\" nor \"system\"".to_owned()),
            ["append-entry", rest @ ..] => Err(format!(
                "append-entry has {} columns after its name, not 4 (user or system, key, timestamp, item): \
                 an older dialect of the format, which is not read",
                rest.len()
            )),
            ["assert-root-hash", root] => self.assert_root(root),
            [""] => Err("is empty".to_owned()),
            [command @ ("add-item" | "assert-root-hash"), rest @ ..] => {
                Err(format!("{command} has {} columns after its name, not 1", rest.len()))
            }
            _ => Err("is not one of add-item, append-entry, assert-root-hash".to_owned()),
        }
    }

    fn add_item(&mut self, item: &str) -> Result<(), String> {
        let value =
            proofs::jcs::parse(item.as_bytes()).map_err(|error| format!("the item is not JSON: {error}"))?;
        if !value.is_object() {
            return Err("the item is not a JSON object".to_owned());
        }
        let canonical = proofs::jcs::canonical(&value).map_err(|error| format!("the item: {error}"))?;
        if canonical != item.as_bytes() {
            return Err("the item is not in canonical form (members sorted, no spaces)".to_owned());
        }
        let hash = hex(&Sha256::digest(item.as_bytes()));
        if self.items.insert(hash, value).is_some() {
            return Err("the same item was added before".to_owned());
        }
        Ok(())
    }

    fn append_entry(&mut self, part: &str, key: &str, timestamp: &str, item: &str) -> Result<(), String> {
        let item_hash = digits(item, "item's hash")?;
        let value = self
            .items
            .get(item_hash)
            .ok_or_else(|| format!("no item with the hash sha-256:{item_hash} was added before"))?;
        if key.is_empty() {
            return Err("the key is empty".to_owned());
        }
        if chrono::NaiveDateTime::parse_from_str(timestamp, "%Y-%m-%dT%H:%M:%SZ").is_err() {
            return Err("the timestamp is not of the form 2016-04-05T13:23:05Z".to_owned());
        }
        let entry = Entry {
            line: self.lines + 1,
            key: key.to_owned(),
            timestamp: timestamp.to_owned(),
            item: value.clone(),
        };
        if part == "system" {
            self.system.push(entry);
        } else {
            let leaf = leaf(self.user.len() + 1, timestamp, &Value::from(key), item_hash);
            self.tree.push(leaf_hash(&leaf));
            self.user.push(entry);
        }
        Ok(())
    }

    fn assert_root(&mut self, root: &str) -> Result<(), String> {
        let stated = digits(root, "root")?;
        let computed = hex(self.tree.root().as_bytes());
        if stated != computed {
            return Err(format!(
                "assert-root-hash states sha-256:{stated}, but the {} user entries so far have the root \
                 sha-256:{computed}",
                self.user.len()
            ));
        }
        self.asserted = true;
        Ok(())
    }

    fn finish(self) -> Result<Rsf, RsfError> {
        if !self.asserted {
            let what = "the file does not end with assert-root-hash: it may have been cut off".to_owned();
            return Err(RsfError { line: self.lines, what });
        }
        Ok(Rsf { system: self.system, user: self.user, root: self.tree.root() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTRY: &str = include_str!("../../../fixtures/real/country.rsf");
    const COLLEGES: &str = include_str!("../../../fixtures/real/further-education-college-uk.rsf");
    const FALSE_ROOT: &str = include_str!("../../../fixtures/refused/invalid-root-hash.rsf");

    #[test]
    fn the_real_registers_keep_their_promises() {
        assert_eq!(parse(COUNTRY).unwrap().user.len(), 209);
        let colleges = parse(COLLEGES).unwrap();
        assert!(colleges.user.len() > 300, "{}", colleges.user.len());
        assert_eq!(colleges.system.len() + colleges.user.len(), 322);
    }

    #[test]
    fn a_false_root_is_named_with_its_line() {
        let error = parse(FALSE_ROOT).unwrap_err();
        assert_eq!(error.line, 1);
        assert!(error.what.contains("assert-root-hash states"), "{error}");
        let rest = FALSE_ROOT.split_once('\n').unwrap().1;
        let error = parse(rest).unwrap_err();
        assert!(error.what.contains("older dialect"), "{error}");
    }

    #[test]
    fn each_broken_promise_is_refused() {
        let changed_name = COUNTRY.replacen("North Macedonia", "South Macedonia", 1);
        assert!(parse(&changed_name).unwrap_err().what.contains("no item with the hash"));
        let cut = COUNTRY.trim_end().rsplit_once('\n').unwrap().0;
        assert!(parse(cut).unwrap_err().what.contains("cut off"));
        let swapped = {
            let mut lines: Vec<&str> = COUNTRY.trim_end().split('\n').collect();
            let at = lines.len() - 3;
            lines.swap(at, at + 1);
            lines.join("\n")
        };
        assert!(parse(&swapped).unwrap_err().what.contains("assert-root-hash states"));
        let spaced = COUNTRY.replacen("{\"custodian\":", "{ \"custodian\":", 1);
        assert!(parse(&spaced).unwrap_err().what.contains("canonical"));
        assert!(parse("").is_err());
        for hash in ["sha-256:\u{1b}[2J", &format!("sha-256:{}", "A".repeat(64)), "sha-256:", "7"] {
            let stated = parse(&format!("assert-root-hash\t{hash}\n")).unwrap_err();
            assert!(stated.what.contains("64 hexadecimal digits"), "{stated}");
            let named = parse(&format!("append-entry\tuser\t1\t2016-04-05T13:23:05Z\t{hash}\n")).unwrap_err();
            assert!(named.what.contains("64 hexadecimal digits"), "{named}");
        }
        assert!(parse("drop-table\tnow\n").unwrap_err().what.contains("is not one of"));
    }
}
