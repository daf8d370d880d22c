//! Other people's test vectors: what this crate reads and writes is what the rest of the world does.

mod c2sp;
mod ed25519;
mod jose;
mod json;
mod merkle;
mod receipts;
mod tessera;

use std::fs;
use std::path::{Path, PathBuf};

/// A file or folder of `fixtures/vectors`.
fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/vectors").join(path)
}

fn read(path: &str) -> Vec<u8> {
    fs::read(fixture(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn read_text(path: &str) -> String {
    String::from_utf8(read(path)).expect("UTF-8")
}

/// All files below a folder, so that none is forgotten.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn unhex_array<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().expect("the right length")
}
