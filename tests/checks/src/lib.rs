//! What must hold of every parser of outside bytes, whatever the bytes: one function a parser.
//!
//! Each takes bytes, panics when something that must hold does not, and answers whether the parser took them. The fuzzer
//! (`fuzz/`) calls them with what it makes up; `tests/e2e/corpora.rs` with every file of `fuzz/corpus`, in every run of the tests.
//!
//! What must hold is more than that nothing panics: what parses re-encodes to the bytes it came from; two ways to the same
//! verdict agree; bounds hold; no error repeats what it was given.
//!
//! **To add a parser**: a function here, its line in [`TARGETS`], a file in `fuzz/fuzz_targets`, seeds in `fuzz/corpus`.

pub mod archive;
mod body;
mod definition;
mod json;
mod merkle;
mod names;
mod note;
mod receipt;
pub mod rsf;
mod rule;
mod statement;
mod tile;
mod witness;

/// A check: did the parser take the bytes?
pub type Check = fn(&[u8]) -> bool;

/// All checks, by the names of their targets and folders of seeds.
pub const TARGETS: &[(&str, Check)] = &[
    ("statement", statement::statement),
    ("leaf", statement::leaf),
    ("checkpoint", note::checkpoint),
    ("verifier-key", note::verifier_key),
    ("tile-path", tile::path),
    ("tile", tile::tile),
    ("inclusion", merkle::inclusion),
    ("consistency", merkle::consistency),
    ("receipt", receipt::receipt),
    ("keyring", receipt::keyring),
    ("witness-request", witness::request),
    ("policy", witness::policy),
    ("json", json::json),
    ("names", names::names),
    ("definition", definition::definition),
    ("body", body::body),
    ("rule", rule::rule),
    ("expression", rule::expression),
    ("rsf", rsf::rsf),
    ("archive", archive::archive),
];

/// Checks bytes by the target of this name.
///
/// # Panics
/// When what must hold does not, or when there is no such target.
pub fn check(target: &str, bytes: &[u8]) -> bool {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, check) = found.unwrap_or_else(|| panic!("there is no target {target}"));
    check(bytes)
}

/// An error's text is short and has no control characters, whatever the input was: it is printed to terminals and logs.
fn told(error: &impl std::fmt::Display) {
    let text = error.to_string();
    assert!(text.len() < 400, "an error's text is {} bytes long", text.len());
    assert!(!text.contains(char::is_control), "an error's text has control characters: {text:?}");
}
