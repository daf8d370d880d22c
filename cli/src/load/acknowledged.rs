//! What was acknowledged is there, once and in its place, in logs that hold.

use std::collections::HashMap;
use std::sync::PoisonError;

use proofs::statement::SignedStatement;
use serde::Serialize;
use serde_json::Value;

use super::world::World;
use crate::audit::{self, Target};
use crate::failure::{Failure, chain};
use crate::progress::Progress;

/// Entries of a page.
const PAGE: u64 = 256;

/// What became of what was acknowledged.
#[derive(Serialize, Debug)]
pub struct Acknowledged {
    /// How many entries.
    pub entries: u64,
    /// How many of them are not where they were said to be.
    pub lost: u64,
    /// Whether an audit of the whole server verified it.
    pub verified: bool,
}

/// Reads the hot register from its first entry, then audits everything.
pub async fn check(world: &World, url: &str) -> Result<Acknowledged, Failure> {
    let acknowledged =
        std::mem::take(&mut *world.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    let entries = acknowledged.len() as u64;
    let mut missing: HashMap<_, _> = acknowledged.into_iter().collect();
    // Two acknowledgements of one record would be one entry too few.
    let twice = entries - missing.len() as u64;
    let mut path = format!("/v1/registers/{}/entries?limit={PAGE}", world.registers[0]);
    loop {
        let page = page(world, &path).await?;
        for item in page["items"].as_array().into_iter().flatten() {
            let statement = SignedStatement::parse(item["statement"].as_str().unwrap_or_default())
                .map_err(|error| Failure::because("an entry", &error))?;
            let record = statement.statement().record;
            if missing.get(&record).is_some_and(|index| item["index"].as_u64() == Some(*index)) {
                missing.remove(&record);
            }
        }
        let next = match &page["next"] {
            Value::Null => break,
            Value::String(next) => next.clone(),
            next => next.to_string(),
        };
        path = format!("/v1/registers/{}/entries?limit={PAGE}&after={next}", world.registers[0]);
    }
    let target = Target::Server { url: url.to_owned(), credential: None, client: world.client.clone() };
    let request = audit::Request { target, register: None, state: None, policy: None };
    let report = audit::run(&request, Progress::Silent).await;
    let report = report.map_err(|error| Failure::failed(format!("the audit: {}", chain(&error))))?;
    Ok(Acknowledged { entries, lost: missing.len() as u64 + twice, verified: report.verified })
}

async fn page(world: &World, path: &str) -> Result<Value, Failure> {
    let failed = |error: reqwest::Error| Failure::because(path, &error);
    let answer = world.client.get(format!("{}{path}", world.url)).send().await.map_err(failed)?;
    answer.error_for_status().map_err(failed)?.json().await.map_err(failed)
}
