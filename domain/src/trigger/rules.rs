//! The rules that there are and were: folded from the entries of the register `triggers`.

use std::collections::BTreeMap;
use std::sync::Arc;

use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::cause::Cause;
use super::compile::CompiledRule;
use super::evaluate::{self, Proposal};
use crate::entry::EntryView;
use crate::error::DomainError;
use crate::fault::Fault;
use crate::platform::TRIGGERS;

/// A rule, and the entries that put it in force.
#[derive(Debug, Clone)]
pub struct InForceRule {
    /// The rule.
    pub rule: Arc<CompiledRule>,
    /// Its record in `triggers`.
    pub record: Uuid,
    /// The version of that record that has this text.
    pub version: u64,
    /// The position of its first publication: it looks at what comes after.
    pub position: u64,
    /// When it was first published.
    pub published_at: Timestamp,
    /// The position of the entry that put this text in force.
    pub changed_position: u64,
    /// When that entry was recorded.
    pub recorded_at: Timestamp,
    /// Since when it is retired; `None` while in force.
    pub retired: Option<Retired>,
}

/// The end of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// The position of the entry.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl InForceRule {
    /// The body of the offer that a proposal becomes: the rule's version, the cause and the values, so that anyone can
    /// compute it again. `position` is that of the last entry that the evaluation saw, `today` its day.
    pub fn offer(
        &self,
        proposal: &Proposal,
        cause: &Cause,
        addressee: Uuid,
        (position, today): (u64, chrono::NaiveDate),
    ) -> Value {
        let rule = self.rule.rule();
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("key", Value::from(super::once_key(self.record, addressee, cause)));
        put("subjects", json!([{"role": "addressee", "person": addressee}]));
        put("rule", json!({"record": self.record, "slug": rule.slug, "version": self.version}));
        put("cause", cause.to_json());
        put("evaluated", json!({"position": position, "today": today}));
        put("values", Value::Object(proposal.values.clone()));
        put("effect", evaluate::effect(rule, proposal));
        put("title", json!(rule.title));
        if let Some(text) = &rule.text {
            put("text", json!(text));
        }
        put("kind", json!(rule.kind));
        put("situation", json!(rule.situation));
        put("department", json!(rule.department));
        if let Some(expires_on) = proposal.expires_on {
            put("expires_on", json!(expires_on));
        }
        put("legal_basis", json!(rule.legal_basis));
        Value::Object(body)
    }
}

/// All rules, each with its versions.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    by_slug: BTreeMap<Slug, Vec<Arc<InForceRule>>>,
    records: BTreeMap<Uuid, Slug>,
    position: u64,
}

impl Rules {
    /// Takes one entry in, if it is of the register `triggers`; answers with the rule that it changed. An entry at or before
    /// the last one taken in is passed over. A text that cannot be read leaves the last one standing, and is an error.
    pub fn apply(&mut self, entry: &EntryView<'_>) -> Result<Option<Arc<InForceRule>>, DomainError> {
        if *entry.register != *TRIGGERS || (entry.position != 0 && entry.position <= self.position) {
            return Ok(None);
        }
        self.position = self.position.max(entry.position);
        let before = self.latest(entry.record).cloned();
        let next = match (entry.entry_type.as_str(), before) {
            ("published", _) => InForceRule {
                rule: rule(entry)?,
                record: entry.record,
                version: entry.version,
                position: entry.position,
                published_at: entry.recorded_at,
                changed_position: entry.position,
                recorded_at: entry.recorded_at,
                retired: None,
            },
            (_, None) => return Err(order(entry)),
            ("changed", Some(before)) => InForceRule {
                rule: rule(entry)?,
                version: entry.version,
                changed_position: entry.position,
                recorded_at: entry.recorded_at,
                ..before.as_ref().clone()
            },
            ("retired", Some(before)) => InForceRule {
                retired: Some(Retired { position: entry.position, recorded_at: entry.recorded_at }),
                ..before.as_ref().clone()
            },
            // Another type of entry, such as one that withholds, changes no text.
            (_, Some(before)) => return Ok(Some(before)),
        };
        let next = Arc::new(next);
        let slug = next.rule.rule().slug.clone();
        self.records.insert(entry.record, slug.clone());
        self.by_slug.entry(slug).or_default().push(Arc::clone(&next));
        Ok(Some(next))
    }

    fn latest(&self, record: Uuid) -> Option<&Arc<InForceRule>> {
        self.by_slug.get(self.records.get(&record)?)?.last()
    }

    /// The rules in force now, by slug.
    pub fn current(&self) -> Vec<Arc<InForceRule>> {
        self.iter().filter(|rule| rule.retired.is_none()).cloned().collect()
    }

    /// Every rule as it is now, those retired too, by slug.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InForceRule>> {
        self.by_slug.values().filter_map(|versions| versions.last())
    }

    /// The rules in force for what stands at this position: those put in force before it.
    pub fn at_position(&self, position: u64) -> Vec<Arc<InForceRule>> {
        let before = |rule: &&Arc<InForceRule>| {
            let changed = rule.retired.map_or(rule.changed_position, |retired| retired.position);
            changed < position
        };
        let versions = self.by_slug.values().filter_map(|versions| versions.iter().rev().find(before));
        versions.filter(|rule| rule.retired.is_none()).cloned().collect()
    }

    /// A rule as it is now, retired or not.
    pub fn find(&self, slug: &str) -> Option<&Arc<InForceRule>> {
        self.by_slug.get(slug)?.last()
    }

    /// A version of a rule, as an offer names it.
    pub fn version(&self, record: Uuid, version: u64) -> Option<&Arc<InForceRule>> {
        self.by_slug.get(self.records.get(&record)?)?.iter().find(|rule| rule.version == version)
    }

    /// Position of the last entry taken in.
    pub fn position(&self) -> u64 {
        self.position
    }
}

fn rule(entry: &EntryView<'_>) -> Result<Arc<CompiledRule>, DomainError> {
    let body = entry.body.ok_or_else(|| DomainError::Withheld {
        register: entry.register.clone(),
        record: entry.record,
        version: entry.version,
    })?;
    CompiledRule::compile(&body["rule"]).map_err(|faults| DomainError::Body {
        register: entry.register.clone(),
        record: entry.record,
        version: entry.version,
        faults: faults.into_iter().map(|fault: Fault| fault.under("/rule")).collect(),
    })
}

fn order(entry: &EntryView<'_>) -> DomainError {
    DomainError::Order { register: entry.register.clone(), record: entry.record, version: entry.version }
}
