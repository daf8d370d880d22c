//! Every file of `fixtures/triggers`, compiled and checked against the definitions and departments of the fixtures:
//! `cargo test -p reestr-domain --lib trigger::tests::fixtures`. A failure names each file, the place in it and what is wrong.

use std::fs;
use std::path::Path;

use super::*;

#[test]
fn rules_are_right_and_fit_the_registers() {
    let (definitions, departments) = (definitions(), departments());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/triggers");
    let mut problems = Vec::new();
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let file = format!("fixtures/triggers/{name}.json");
        let json = match proofs::jcs::parse(&fs::read(&path).unwrap()) {
            Ok(json) => json,
            Err(error) => {
                problems.push(format!("{file}: is not JSON as the engine reads it: {error}"));
                continue;
            }
        };
        match CompiledRule::compile(&json) {
            Ok(rule) => {
                if rule.rule().slug != *name {
                    problems.push(format!("{file} /slug: must be the file's name"));
                }
                let faults = check(&rule, &definitions, &departments);
                problems.extend(faults.iter().map(|fault| format!("{file} {fault}")));
            }
            Err(faults) => problems.extend(faults.iter().map(|fault| format!("{file} {fault}"))),
        }
    }
    assert!(problems.is_empty(), "{} problems in fixtures:\n{}", problems.len(), problems.join("\n"));
}
