//! The fuzzer's corpora, replayed: what must hold of each parser holds for every seed and for every input that once broke it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reestr_checks::TARGETS;
use reestr_tests::server::root;

/// All seeds together: they are in every clone.
const CORPUS_BYTES_MAX: u64 = 3 << 20;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// On threads of the size that the server's have, so that what recurses too deep overflows here too.
#[test]
fn every_seed_of_every_parser_keeps_what_must_hold() {
    let (mut bytes, mut broken) = (0, Vec::new());
    for (target, check) in TARGETS {
        let seeds = files(&root().join("fuzz/corpus").join(target));
        assert!(seeds.len() >= 3, "{target} has only {} seeds", seeds.len());
        let mut taken = 0;
        for seed in seeds {
            let input = std::fs::read(&seed).unwrap();
            bytes += input.len() as u64;
            let checked =
                std::thread::Builder::new().stack_size(2 << 20).spawn(move || check(&input)).unwrap();
            match checked.join() {
                Ok(took) => taken += usize::from(took),
                Err(_) => broken.push(seed),
            }
        }
        assert!(taken > 0, "no seed of {target} gets past the parser, so that nothing behind it is checked");
    }
    assert!(broken.is_empty(), "what must hold does not hold for {broken:#?}");
    assert!(bytes <= CORPUS_BYTES_MAX, "the seeds have {bytes} bytes");
}

#[test]
fn every_check_is_fuzzed_and_every_folder_is_replayed() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "a name stands twice");
    let names = |folder: &str| files(&root().join(folder)).iter().map(|path| name(path)).collect();
    assert_eq!(targets, names("fuzz/corpus"));
    assert_eq!(targets, names("fuzz/fuzz_targets"));
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    for target in targets {
        let path = format!("fuzz/fuzz_targets/{target}.rs");
        let called = std::fs::read_to_string(root().join(&path)).unwrap();
        assert!(called.contains(&format!("check(\"{target}\", bytes)")), "{path} calls another check");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "fuzz/Cargo.toml lacks {target}");
    }
}
