//! `reestr keys list`.

use std::fmt::Display;

use domain::register_keys::RegisterKeys;
use eventstore::{CHECKPOINT, STATEMENT};
use proofs::key::Kid;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::wire::{self, Opened};

/// A key and its term.
#[derive(Serialize)]
struct Term {
    owner: Slug,
    key: String,
    from: Timestamp,
    until: Option<Timestamp>,
    compromised_since: Option<Timestamp>,
    /// Does the store keep the private half, or a reference to it?
    held: bool,
    /// Is it on a device?
    on_device: bool,
}

#[derive(Serialize)]
struct All {
    departments: Vec<Term>,
    registers: Vec<Term>,
}

/// Prints all keys that there ever were, as the registers tell of them.
pub async fn list(store: &StoreArgs, json: bool) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let all = all(&opened).await;
    opened.store.close().await;
    let all = all?;
    if json {
        let text =
            serde_json::to_string_pretty(&all).map_err(|error| Failure::because("the keys", &error))?;
        line(&text);
        return Ok(());
    }
    for (title, terms) in
        [("departments' keys", &all.departments), ("registers' verifier keys", &all.registers)]
    {
        line(title);
        for Term { owner, key, from, until, compromised_since, held, on_device } in terms {
            let held = match (held, on_device) {
                (_, true) => "  on a device",
                (true, false) => "  held here",
                (false, false) => "",
            };
            let until = said("until", until.as_ref()).unwrap_or_else(|| "in force".to_owned());
            let since = said("compromised since", compromised_since.as_ref());
            let since = since.map_or_else(String::new, |since| format!("  {since}"));
            line(&format!("  {owner}  {key}  from {from}  {until}{since}{held}"));
        }
    }
    Ok(())
}

fn said(what: &str, when: Option<&impl Display>) -> Option<String> {
    when.map(|when| format!("{what} {when}"))
}

async fn all(opened: &Opened) -> Result<All, Failure> {
    let knowledge = opened.registry.knowledge();
    let mut all = All { departments: Vec::new(), registers: Vec::new() };
    for department in knowledge.departments.iter() {
        for key in &department.keys {
            all.departments.push(Term {
                owner: department.slug.clone(),
                key: key.kid.to_string(),
                from: key.enrolled_at,
                until: key.revoked_at,
                compromised_since: key.compromised_since,
                held: held(opened, &department.slug, STATEMENT, &key.kid).await?,
                on_device: on_device(opened, &key.kid).await?,
            });
        }
    }
    for register in knowledge.definitions.iter().map(|in_force| &in_force.definition.slug) {
        for key in knowledge.definitions.keys_of(register).into_iter().flat_map(RegisterKeys::iter) {
            all.registers.push(Term {
                owner: register.clone(),
                key: key.vkey.to_string(),
                from: key.from,
                until: key.until,
                compromised_since: key.compromised_since,
                held: held(opened, register, CHECKPOINT, &key.vkey.key().kid()).await?,
                on_device: on_device(opened, &key.vkey.key().kid()).await?,
            });
        }
    }
    Ok(all)
}

async fn held(opened: &Opened, owner: &Slug, purpose: &str, kid: &Kid) -> Result<bool, Failure> {
    let kept = opened.store.keeps(owner.as_str(), purpose, kid).await;
    kept.map_err(|error| Failure::because("the store", &error))
}

async fn on_device(opened: &Opened, kid: &Kid) -> Result<bool, Failure> {
    let key = opened.store.key_by_kid(kid).await.map_err(|error| Failure::because("the store", &error))?;
    Ok(key.is_some_and(|key| !key.is_local()))
}
