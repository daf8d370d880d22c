//! Register Serialisation Format. The binary's own two files, and nothing else of it: with a server in it the fuzzer's build would
//! take an hour.

use proofs::merkle::Frontier;

use self::parse::{Rsf, parse};
use self::write::Writer;

use crate::told;

#[path = "../../../cli/src/rsf/parse.rs"]
pub mod parse;
#[path = "../../../cli/src/rsf/write.rs"]
pub mod write;

/// A file that kept its promises, written again, is a file that keeps them, with the same entries and root.
///
/// # Panics
/// When that is not so.
pub fn rsf(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let file = match parse(text) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.line <= text.split('\n').count());
            told(&error);
            return false;
        }
    };
    let mut written = Vec::new();
    let mut writer = Writer::new(&mut written, false).expect("memory takes everything");
    for entry in &file.system {
        writer.system(&entry.key, &entry.timestamp, &entry.item).expect("memory takes everything");
    }
    for entry in &file.user {
        writer.user(&entry.key, &entry.timestamp, &entry.item).expect("memory takes everything");
    }
    writer.finish().expect("memory takes everything");
    let written = String::from_utf8(written).expect("it is text");
    let again = parse(&written).expect("what we write keeps its promises");
    assert_eq!(said(&again), said(&file), "the same entries");
    assert_eq!(again.root, file.root, "and so the same root");
    assert!(!file.user.is_empty() || file.root == Frontier::new().root());
    true
}

fn said(file: &Rsf) -> Vec<(&str, &str, &serde_json::Value)> {
    let entries = file.system.iter().chain(&file.user);
    entries.map(|entry| (entry.key.as_str(), entry.timestamp.as_str(), &entry.item)).collect()
}
