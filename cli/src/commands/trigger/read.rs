//! Rules from files and from the store.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use api::registry::{Registry, parse_body, view};
use domain::Fault;
use domain::platform::TRIGGERS;
use domain::trigger::{CompiledRule, Rules};
use proofs::slug::Slug;
use serde_json::Value;

use crate::failure::Failure;

/// Entries read at once: a rule is some 4 kB.
const READ_ENTRIES: u32 = 500;

/// The JSON of a file.
pub fn json(file: &Path) -> Result<Value, Failure> {
    let bytes =
        fs::read(file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    proofs::jcs::parse(&bytes).map_err(|error| {
        Failure::usage(format!("{} is not JSON as rules are written: {error}", file.display()))
    })
}

/// The rule of a file.
pub fn rule(file: &Path) -> Result<(Value, Arc<CompiledRule>), Failure> {
    let json = json(file)?;
    let compiled = CompiledRule::compile(&json).map_err(|faults| wrong(file, &faults))?;
    Ok((json, compiled))
}

/// What is wrong with a file, each fault on a line.
pub fn wrong(file: &Path, faults: &[Fault]) -> Failure {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::failed(format!("{} is not a right rule:\n  {}", file.display(), faults.join("\n  ")))
}

/// The rules of the store.
pub async fn rules(registry: &Registry) -> Result<Rules, Failure> {
    let triggers = slug(TRIGGERS)?;
    let (mut rules, mut index) = (Rules::default(), 0);
    loop {
        let entries = registry.store().read_register(&triggers, index, READ_ENTRIES).await;
        let entries = entries.map_err(|error| Failure::because("the rules cannot be read", &error))?;
        if entries.is_empty() {
            return Ok(rules);
        }
        for entry in &entries {
            let body = parse_body(entry).map_err(|error| Failure::because("a rule", &error))?;
            rules.apply(&view(entry, body.as_ref())).map_err(|error| Failure::because("a rule", &error))?;
        }
        index += entries.len() as u64;
    }
}

/// A name that is a slug.
pub fn slug(text: &str) -> Result<Slug, Failure> {
    text.parse().map_err(|error| Failure::because(text, &error))
}
