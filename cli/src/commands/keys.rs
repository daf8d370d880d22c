//! `reestr keys`.

use api::registry::{Actor, AppendRequest, EntryRequest};
use proofs::key::Kid;
use proofs::slug::Slug;
use serde_json::{Value, json};

use crate::args::{Keys, StoreArgs};
use crate::failure::Failure;
use crate::output::line;
use crate::system::OsEntropy;
use crate::wire::{self, Opened};
use crate::{demo, keyfile};

/// The register of departments, and the department that owns it.
const DEPARTMENTS: &str = "departments";
const PLATFORM: &str = "platform";

/// Makes, enrols, revokes or lists keys.
pub async fn run(args: Keys) -> Result<(), Failure> {
    match args {
        Keys::Generate { file } => {
            let public = keyfile::generate(&file, &OsEntropy)?;
            let jwk =
                serde_json::to_string(&public.jwk()).map_err(|error| Failure::because("the key", &error))?;
            line(&jwk);
            Ok(())
        }
        Keys::Enrol { file, department, store } => {
            let key = keyfile::read_public(&file)?;
            let done = append(&store, &department, "key-enrolled", json!({ "key": key.jwk() })).await?;
            line(&format!("key {} of {department} is in force from now on{done}", key.kid()));
            Ok(())
        }
        Keys::Revoke { kid, department, reason, store } => {
            let body = json!({ "kid": kid, "reason": reason });
            let done = append(&store, &department, "key-revoked", body).await?;
            line(&format!("key {kid} of {department} is revoked from now on{done}"));
            Ok(())
        }
        Keys::List { store } => list(&store).await,
    }
}

/// Appends an entry to a department's record; says where it stands.
async fn append(
    store: &StoreArgs,
    department: &Slug,
    entry_type: &str,
    body: Value,
) -> Result<String, Failure> {
    let opened = wire::open(store).await?;
    let knowledge = opened.registry.knowledge();
    let state = knowledge
        .departments
        .get(department)
        .ok_or_else(|| Failure::usage(format!("there is no department {department}")))?;
    let entry = EntryRequest::Platform {
        record: Some(state.record),
        version: Some(state.version + 1),
        entry_type: entry_type.parse().map_err(|error| Failure::because(entry_type, &error))?,
        effective_at: None,
        body,
    };
    let slug = |text: &str| text.parse::<Slug>().map_err(|error| Failure::because(text, &error));
    let request = AppendRequest::new(slug(DEPARTMENTS)?, Actor::local(slug(PLATFORM)?), vec![entry]);
    let outcomes = opened.registry.append(request).await;
    opened.store.close().await;
    let outcomes = outcomes.map_err(|refusal| demo::load::because("refused", &refusal))?;
    let index = outcomes.first().map(|outcome| outcome.appended.index);
    Ok(index.map_or_else(String::new, |index| format!(" (entry {index} of {DEPARTMENTS})")))
}

async fn list(store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let knowledge = opened.registry.knowledge();
    line("departments' keys");
    for department in knowledge.departments.iter() {
        for key in &department.keys {
            let held = held(&opened, &key.kid).await?;
            let term = key.revoked_at.map_or_else(|| "in force".to_owned(), |at| format!("revoked {at}"));
            line(&format!("  {}  {}  {}  {term}{held}", department.slug, key.kid, key.enrolled_at));
        }
    }
    line("registers' verifier keys");
    for log in opened.store.logs().await.map_err(|error| Failure::because("the store", &error))? {
        line(&format!("  {}  {}", log.register, log.key));
    }
    opened.store.close().await;
    Ok(())
}

/// Whether the store holds the private half.
async fn held(opened: &Opened, kid: &Kid) -> Result<&'static str, Failure> {
    let key = opened.store.key_by_kid(kid).await.map_err(|error| Failure::because("the store", &error))?;
    Ok(if key.is_some() { "  held here" } else { "" })
}
