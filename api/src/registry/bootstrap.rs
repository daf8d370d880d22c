//! How a store grows: the root of trust, then registers and departments, each an entry like any other.

use std::sync::Arc;

use domain::Fault;
use domain::any_record::AnyRecord;
use domain::definition::Definition;
use domain::definitions::InForce;
use domain::platform::{DEPARTMENTS, PLATFORM, REGISTERS};
use domain::record::Proposed;
use eventstore::{CHECKPOINT, Idempotency, NewEntry, NewLog, STATEMENT, Submission};
use proofs::note::{KeyType, VerifierKey};
use proofs::signer::Signer;
use proofs::slug::{EntryType, Slug};
use serde_json::{Value, json};
use uuid::Uuid;

use super::decide::Parsed;
use super::knowledge::Knowledge;
use super::refusal::{Reason, Refusal};
use super::request::{Actor, AppendRequest, Bootstrap, Change, EntryRequest};
use super::{Registry, sign};

/// Servers that start at once make the same things. A race is lost once over the key and once over the slug; then the other
/// has made it.
const RACES_MAX: usize = 4;
/// The entry that makes a register, and the one that changes it.
const DEFINED: &str = "defined";
const REDEFINED: &str = "redefined";
/// The entry that makes a department.
const ESTABLISHED: &str = "established";

impl Registry {
    /// Writes the root of trust of a new store, once; a store that has it is left as it is.
    ///
    /// One submission opens both logs: entry 0 of `departments` establishes `platform`, signed with the key that it itself
    /// enrols; entries 0 and 1 of `registers` define `registers` and `departments`.
    pub async fn bootstrap(&self, documents: &Bootstrap) -> Result<(), Refusal> {
        let platform = slug(PLATFORM)?;
        if self.refresh().await?.departments.get(&platform).is_some() {
            return Ok(());
        }
        let key = self.kept_key(PLATFORM, STATEMENT).await?;
        let mut platform_body = documents.platform.clone();
        platform_body["key"] = json!(key.public().jwk());
        let mut opens = Vec::new();
        let mut in_force = Vec::new();
        for document in [&documents.registers, &documents.departments] {
            let definition = Definition::from_json(document).map_err(Reason::Rules)?;
            let (log, first) = self.first_definition(definition).await?;
            opens.push(log);
            in_force.push(Arc::new(first));
        }
        let mut entries = vec![self.first_entry(&in_force[1], ESTABLISHED, platform_body, &*key)?];
        for definition in &in_force {
            let body = json!({
                "slug": definition.definition.slug,
                "definition": definition.definition.to_json(),
                "key": definition.key.to_string(),
            });
            entries.push(self.first_entry(&in_force[0], DEFINED, body, &*key)?);
        }
        // Two servers that find the same empty store write it once.
        let idempotency = Some(Idempotency {
            scope: "installation".to_owned(),
            key: "root of trust".to_owned(),
            digest: [0; 32],
        });
        let submission = Submission { entries, opens, idempotency, ..Submission::default() };
        self.store().submit(submission).await.map_err(super::append::known)?;
        self.refresh().await?;
        Ok(())
    }

    /// Defines a register, or redefines it when the definition in force is another; the same one again changes nothing.
    pub async fn define_register(&self, document: Value) -> Result<Change, Refusal> {
        for _ in 1..RACES_MAX {
            match self.define(document.clone()).await {
                Err(refusal) if lost_race(&refusal) => {}
                result => return result,
            }
        }
        self.define(document).await
    }

    async fn define(&self, document: Value) -> Result<Change, Refusal> {
        let definition = Definition::from_json(&document).map_err(Reason::Rules)?;
        let knowledge = self.refresh().await?;
        let current = knowledge.definitions.current(&definition.slug);
        let (record, entry_type, body) = match current {
            Some(current) if current.definition.to_json() == definition.to_json() => return Ok(Change::None),
            Some(current) => {
                (Some(current.record), REDEFINED, domain::register::body(&document, &current.key))
            }
            None => (None, DEFINED, json!({ "slug": definition.slug, "definition": document })),
        };
        self.append_as_platform(REGISTERS, (record, None), entry_type, body).await
    }

    /// Adds to a register the types of entries that a newer version of the engine knows and its definition lacks; nothing when it
    /// lacks none, or is not there.
    pub async fn supplement_register(&self, document: &Value) -> Result<Change, Refusal> {
        for _ in 1..RACES_MAX {
            match self.supplement(document).await {
                // Another server did it at the same moment.
                Err(Refusal { reason: Reason::Version { .. }, .. }) => {}
                result => return result,
            }
        }
        self.supplement(document).await
    }

    async fn supplement(&self, document: &Value) -> Result<Change, Refusal> {
        let newer = Definition::from_json(document).map_err(Reason::Rules)?;
        let knowledge = self.refresh().await?;
        let current = knowledge.definitions.current(&newer.slug).filter(|current| !current.closed);
        let Some(current) = current else { return Ok(Change::None) };
        let Some(definition) = current.definition.supplemented(&newer) else { return Ok(Change::None) };
        let body = domain::register::body(&definition, &current.key);
        let at = (Some(current.record), Some(current.version + 1));
        self.append_as_platform(REGISTERS, at, REDEFINED, body).await
    }

    /// Establishes a department, with a key that the platform makes and holds; one that exists is left as it is.
    pub async fn establish_department(&self, document: Value) -> Result<Change, Refusal> {
        for _ in 1..RACES_MAX {
            match self.establish(document.clone()).await {
                Err(refusal) if lost_race(&refusal) => {}
                result => return result,
            }
        }
        self.establish(document).await
    }

    async fn establish(&self, document: Value) -> Result<Change, Refusal> {
        let knowledge = self.refresh().await?;
        let known = document["slug"].as_str().and_then(|slug| slug.parse().ok());
        if known.is_some_and(|slug: Slug| knowledge.departments.get(&slug).is_some()) {
            return Ok(Change::None);
        }
        self.append_as_platform(DEPARTMENTS, (None, None), ESTABLISHED, document).await
    }

    async fn append_as_platform(
        &self,
        register: &str,
        (record, version): (Option<Uuid>, Option<u64>),
        entry_type: &str,
        body: Value,
    ) -> Result<Change, Refusal> {
        let entry = EntryRequest::Platform {
            record,
            version,
            entry_type: name(entry_type)?,
            effective_at: None,
            body,
        };
        let request = AppendRequest::new(slug(register)?, Actor::local(slug(PLATFORM)?), vec![entry]);
        // Boxed: appending to the platform's registers is itself part of appending.
        let outcomes = Box::pin(self.append(request)).await?;
        self.refresh().await?;
        Ok(outcomes.into_iter().next().map_or(Change::None, |outcome| Change::Appended(Box::new(outcome))))
    }

    /// Gives the entries that make a register or a department, or add a key to one, the key that the platform makes for them,
    /// where the caller brings none.
    pub(super) async fn complete(
        &self,
        register: &Slug,
        mut entries: Vec<EntryRequest>,
    ) -> Result<Vec<EntryRequest>, Refusal> {
        if *register != *REGISTERS && *register != *DEPARTMENTS {
            return Ok(entries);
        }
        for entry in &mut entries {
            let EntryRequest::Platform { record, entry_type, body, .. } = entry else { continue };
            let brings_none = body.is_object() && body.get("key").is_none();
            if brings_none && let Some(key) = self.next_key(register, *record, entry_type.as_str()).await? {
                body["key"] = key;
                continue;
            }
            let makes = [DEFINED, ESTABLISHED].contains(&entry_type.as_str());
            let Some(owner) = body["slug"].as_str().and_then(|slug| slug.parse::<Slug>().ok()) else {
                continue;
            };
            if !makes || body.get("key").is_some() {
                continue;
            }
            body["key"] = if *register == *REGISTERS {
                let key = self.kept_key(owner.as_str(), CHECKPOINT).await?;
                json!(self.verifier(&owner, &*key)?.to_string())
            } else {
                json!(self.kept_key(owner.as_str(), STATEMENT).await?.public().jwk())
            };
        }
        Ok(entries)
    }

    /// The logs to open: one for each register that is defined. Its owner must exist, and its key must be held here.
    pub(super) async fn new_logs(
        &self,
        register: &Slug,
        entries: &[Parsed],
        knowledge: &Knowledge,
    ) -> Result<Vec<NewLog>, Refusal> {
        let mut logs = Vec::new();
        if *register != *REGISTERS {
            return Ok(logs);
        }
        for (at, entry) in entries.iter().enumerate() {
            let owner =
                entry.body["definition"]["owner"].as_str().and_then(|owner| owner.parse::<Slug>().ok());
            if owner
                .is_some_and(|owner| knowledge.departments.get(&owner).is_none_or(|state| state.abolished))
            {
                let fault =
                    Fault::new("/definition/owner", "is no department that exists: establish it first");
                return Err(Reason::Rules(vec![fault]).at(at));
            }
            let defined = entry.body["slug"].as_str().and_then(|slug| slug.parse::<Slug>().ok());
            let Some(defined) = defined.filter(|_| entry.entry_type.as_str() == DEFINED) else { continue };
            let key = self.store().key(defined.as_str(), CHECKPOINT).await?;
            let named = key.as_deref().map(|key| self.verifier(&defined, key)).transpose()?;
            match named {
                Some(named) if entry.body["key"].as_str() == Some(named.to_string().as_str()) => {
                    logs.push(NewLog { register: defined, key: *named.key() });
                }
                _ => return Err(Reason::CheckpointKey.at(at)),
            }
        }
        Ok(logs)
    }

    /// The definition of one of the platform's registers, as the first entry of all puts it in force.
    async fn first_definition(&self, definition: Arc<Definition>) -> Result<(NewLog, InForce), Refusal> {
        let register = definition.slug.clone();
        let key = self.kept_key(register.as_str(), CHECKPOINT).await?;
        let in_force = InForce {
            definition,
            record: sign::new_uuid(self.store()),
            version: 1,
            position: 0,
            recorded_at: self.store().clock().now(),
            key: self.verifier(&register, &*key)?,
            closed: false,
        };
        Ok((NewLog { register, key: key.public() }, in_force))
    }

    /// An entry of the root of trust: decided and signed as any other.
    fn first_entry(
        &self,
        in_force: &Arc<InForce>,
        entry_type: &str,
        body: Value,
        key: &dyn Signer,
    ) -> Result<NewEntry, Refusal> {
        let now = self.store().clock().now();
        let proposed = Proposed {
            record: sign::new_uuid(self.store()),
            version: Some(1),
            entry_type: name(entry_type)?,
            effective_at: now,
            issuer: slug(PLATFORM)?,
            body,
            now,
            definition: Arc::clone(in_force),
        };
        let event = AnyRecord::default().decide(&proposed).map_err(|error| Reason::Rule(Box::new(error)))?;
        let canonical =
            proofs::jcs::canonical(&proposed.body).map_err(|error| Reason::Statement(error.to_string()))?;
        let salt = sign::new_salt(self.store());
        let statement = sign::sign(&event, &canonical, &salt, key)?;
        Ok(NewEntry { statement, body: canonical, salt, number: event.number().map(str::to_owned) })
    }

    async fn kept_key(&self, owner: &str, purpose: &str) -> Result<Arc<dyn Signer>, Refusal> {
        Ok(self.store().keep_key(owner, purpose).await?)
    }

    pub(super) fn verifier(&self, register: &Slug, key: &dyn Signer) -> Result<VerifierKey, Refusal> {
        VerifierKey::new(&self.store().origin(register), KeyType::Ed25519, key.public())
            .map_err(|error| Reason::Corrupt(format!("the log's name: {error}")).into())
    }
}

/// Did another server make the same thing at the same moment? Looking again then finds it.
fn lost_race(refusal: &Refusal) -> bool {
    matches!(refusal.reason, Reason::Number | Reason::CheckpointKey)
}

fn slug(name: &str) -> Result<Slug, Reason> {
    name.parse().map_err(|_| Reason::Corrupt(format!("{name} is no slug")))
}

fn name(entry_type: &str) -> Result<EntryType, Reason> {
    entry_type.parse().map_err(|_| Reason::Corrupt(format!("{entry_type} is no entry type")))
}
