//! Publishing, changing, retiring, listing and checking rules.

use std::path::Path;

use api::registry::{Actor, AppendRequest, EntryRequest};
use domain::platform::{PLATFORM, TRIGGERS};
use domain::trigger::check as check_rule;
use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ListArgs, read};
use crate::args::StoreArgs;
use crate::failure::{self, Failure};
use crate::output::line;
use crate::wire::{self, Opened};

/// Publishes the rule of a file, or changes it.
pub async fn publish(file: &Path, store: &StoreArgs) -> Result<(), Failure> {
    let (json, rule) = read::rule(file)?;
    let slug = rule.rule().slug.clone();
    let opened = wire::open(store).await?;
    let done = publish_in(&opened, &slug, json).await;
    opened.store.close().await;
    line(&done?);
    Ok(())
}

async fn publish_in(opened: &Opened, slug: &Slug, rule: Value) -> Result<String, Failure> {
    let rules = read::rules(&opened.registry).await?;
    let known = rules.find(slug.as_str());
    if known.is_some_and(|known| known.retired.is_some()) {
        let message =
            format!("the rule {slug} is retired and cannot be changed: publish it under another slug");
        return Err(Failure::failed(message));
    }
    if let Some(known) = known {
        let (record, version) = (Some(known.record), known.version);
        let version =
            append(opened, record, "changed", json!({"slug": slug, "rule": rule})).await?.max(version);
        return Ok(format!(
            "rule {slug} is changed: version {version}, in force for what is recorded from now on"
        ));
    }
    append(opened, None, "published", json!({"slug": slug, "rule": rule})).await?;
    Ok(format!("rule {slug} is published: version 1, in force for what is recorded from now on"))
}

/// Retires a rule.
pub async fn retire(slug: &Slug, reason: &str, store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let done = retire_in(&opened, slug, reason).await;
    opened.store.close().await;
    done?;
    line(&format!("rule {slug} is retired"));
    Ok(())
}

async fn retire_in(opened: &Opened, slug: &Slug, reason: &str) -> Result<(), Failure> {
    let rules = read::rules(&opened.registry).await?;
    let known = rules.find(slug.as_str()).filter(|known| known.retired.is_none());
    let known = known.ok_or_else(|| Failure::usage(format!("there is no rule {slug} in force")))?;
    append(opened, Some(known.record), "retired", json!({"reason": reason})).await.map(|_| ())
}

/// Appends an entry about a rule; answers with the version that it makes.
async fn append(
    opened: &Opened,
    record: Option<Uuid>,
    entry_type: &str,
    body: Value,
) -> Result<u64, Failure> {
    let entry = EntryRequest::Platform {
        record,
        version: None,
        entry_type: entry_type.parse().map_err(|error| Failure::because(entry_type, &error))?,
        effective_at: None,
        body,
    };
    let by = Actor::local(read::slug(PLATFORM)?);
    let request = AppendRequest::new(read::slug(TRIGGERS)?, by, vec![entry]);
    let outcomes = opened.registry.append(request).await;
    let outcomes = outcomes
        .map_err(|refusal| Failure::failed(format!("the rule is refused: {}", failure::refused(&refusal))))?;
    Ok(outcomes.first().map_or(0, |outcome| outcome.appended.version))
}

/// Lists the rules.
pub async fn list(args: &ListArgs) -> Result<(), Failure> {
    let opened = wire::open(&args.store).await?;
    let rules = read::rules(&opened.registry).await;
    opened.store.close().await;
    let rules = rules?;
    let shown = rules.iter().filter(|rule| args.all || rule.retired.is_none());
    if args.json {
        let shown: Vec<Value> = shown
            .map(|rule| {
                let text = rule.rule.rule();
                json!({
                    "slug": text.slug, "title": text.title, "situation": text.situation, "kind": text.kind,
                    "effect": text.effect.as_str(), "department": text.department, "record": rule.record,
                    "version": rule.version, "published_at": rule.published_at,
                    "retired_at": rule.retired.map(|retired| retired.recorded_at),
                })
            })
            .collect();
        return super::shown::json(&shown);
    }
    for rule in shown {
        let text = rule.rule.rule();
        let state =
            rule.retired.map_or_else(String::new, |retired| format!("  retired {}", retired.recorded_at));
        line(&format!(
            "{:<40} v{:<3} {:<8} {:<28} {}{state}",
            text.slug,
            rule.version,
            text.effect.as_str(),
            text.situation,
            text.title.en
        ));
    }
    Ok(())
}

/// Checks a rule against the store's registers and departments.
pub async fn check(file: &Path, store: &StoreArgs) -> Result<(), Failure> {
    let (_, rule) = read::rule(file)?;
    let opened = wire::open(store).await?;
    let knowledge = opened.registry.knowledge();
    opened.store.close().await;
    let faults = check_rule(&rule, &knowledge.definitions, &knowledge.departments);
    if !faults.is_empty() {
        return Err(read::wrong(file, &faults));
    }
    line(&format!("{}: right", rule.rule().slug));
    Ok(())
}
