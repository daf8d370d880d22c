//! `reestr keys`: keys are made, put in force, ended and declared compromised by entries, as anyone else appends them.

mod list;

use api::registry::{Actor, AppendRequest, EntryRequest, Knowledge, Outcome};
use domain::platform::{DEPARTMENTS, PLATFORM, REGISTERS};
use domain::register_keys::{KEY_ADDED, KEY_COMPROMISED, KEY_RETIRED};
use proofs::note::VerifierKey;
use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{KeyOwner, Keys, StoreArgs};
use crate::failure::Failure;
use crate::output::line;
use crate::system::OsEntropy;
use crate::{demo, keyfile, wire};

/// Makes, enrols, rotates, ends or lists keys.
pub async fn run(args: Keys) -> Result<(), Failure> {
    match args {
        Keys::Generate { file, passphrase_file } => {
            let public = keyfile::generate(&file, passphrase_file.as_deref(), &OsEntropy)?;
            let jwk =
                serde_json::to_string(&public.jwk()).map_err(|error| Failure::because("the key", &error))?;
            line(&jwk);
            Ok(())
        }
        Keys::Enrol { file, department, store } => {
            let key = keyfile::read_public(&file)?;
            let said = format!("key {} of {department} is in force from now on", key.kid());
            let entry = ("key-enrolled", json!({ "key": key.jwk() }));
            append_one(&store, &Owner::Department(department), entry, None, &said).await
        }
        Keys::Rotate { owner, alone, reason, store } => {
            rotate(&Owner::of(owner)?, alone, reason, &store).await
        }
        Keys::Retire { key, register, reason, store } => retire(key, register, reason, &store).await,
        Keys::Revoke { kid, department, reason, store } => {
            let said = format!("key {kid} of {department} is revoked from now on");
            let entry = ("key-revoked", json!({ "kid": kid }));
            append_one(&store, &Owner::Department(department), entry, Some(reason), &said).await
        }
        Keys::Compromised { key, owner, since, reason, store } => {
            let owner = Owner::of(owner)?;
            let said = format!("key {key} signs no more, and is declared compromised since {since}");
            let body = match &owner {
                Owner::Department(_) => json!({ "kid": key, "since": since }),
                Owner::Register(_) => json!({ "key": key, "since": since }),
            };
            append_one(&store, &owner, (KEY_COMPROMISED, body), reason, &said).await
        }
        Keys::Attach(args) => super::attach::run(args).await,
        Keys::Reseal(args) => super::reseal::run(args).await,
        Keys::List { json, store } => list::list(&store, json).await,
    }
}

/// Whose key.
enum Owner {
    Department(Slug),
    Register(Slug),
}

impl Owner {
    fn of(owner: KeyOwner) -> Result<Self, Failure> {
        match (owner.department, owner.register) {
            (Some(department), None) => Ok(Self::Department(department)),
            (None, Some(register)) => Ok(Self::Register(register)),
            _ => Err(Failure::usage("say whose key: --department SLUG or --register SLUG".to_owned())),
        }
    }

    /// The register that has the entries about it, and its record there.
    fn record(&self, knowledge: &Knowledge) -> Result<(&'static str, Uuid), Failure> {
        match self {
            Self::Department(department) => {
                let state = knowledge.departments.get(department);
                let state =
                    state.ok_or_else(|| Failure::usage(format!("there is no department {department}")))?;
                Ok((DEPARTMENTS, state.record))
            }
            Self::Register(register) => {
                let state = knowledge.definitions.current(register);
                let state =
                    state.ok_or_else(|| Failure::usage(format!("there is no register {register}")))?;
                Ok((REGISTERS, state.record))
            }
        }
    }
}

impl Owner {
    /// The entries that end all keys in force.
    fn ends(&self, knowledge: &Knowledge) -> Vec<(&'static str, Value)> {
        match self {
            Self::Department(department) => {
                let keys = knowledge.departments.keys_now(department).into_iter();
                let body = |kid| json!({ "kid": kid, "reason": "replaced by a new key" });
                keys.map(|key| ("key-revoked", body(&key.kid))).collect()
            }
            Self::Register(register) => {
                let keys = knowledge.definitions.keys_now(register).into_iter();
                keys.map(|key| (KEY_RETIRED, json!({ "key": key.to_string() }))).collect()
            }
        }
    }
}

/// The new key is made where the entry is appended, as it is for whoever asks over HTTP.
async fn rotate(
    owner: &Owner,
    alone: bool,
    reason: Option<String>,
    store: &StoreArgs,
) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let entry_type = match owner {
        Owner::Department(_) => "key-enrolled",
        Owner::Register(_) => KEY_ADDED,
    };
    let mut entries = vec![(entry_type, json!({}))];
    if alone {
        entries.extend(owner.ends(&opened.registry.knowledge()));
    }
    let done = append(&opened.registry, owner, entries, reason).await;
    let knowledge = opened.registry.knowledge();
    opened.store.close().await;
    let outcomes = done?;
    match owner {
        Owner::Department(department) => {
            let newest = knowledge.departments.keys_now(department).last().map(|key| key.kid.clone());
            if let Some(kid) = newest {
                line(&format!("key {kid} of {department} is in force from now on{}", stands(&outcomes)));
            }
            if !alone {
                line("the older keys stay in force: reestr keys revoke ends one");
            }
        }
        Owner::Register(register) => {
            let newest = knowledge.definitions.keys_now(register).first().map(ToString::to_string);
            line(&format!(
                "{} signs the checkpoints of {register} from now on{}",
                newest.unwrap_or_default(),
                stands(&outcomes)
            ));
            if !alone {
                line(&format!(
                    "the older keys sign them too: reestr keys retire --register {register} ends them"
                ));
            }
        }
    }
    Ok(())
}

/// Ends one key of a register, or all but the newest.
async fn retire(
    key: Option<VerifierKey>,
    register: Slug,
    reason: Option<String>,
    store: &StoreArgs,
) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let knowledge = opened.registry.knowledge();
    let older = || knowledge.definitions.keys_now(&register).into_iter().skip(1).cloned().collect();
    let keys: Vec<VerifierKey> = key.map_or_else(older, |key| vec![key]);
    let owner = Owner::Register(register.clone());
    let entries: Vec<_> = keys.iter().map(|key| (KEY_RETIRED, json!({ "key": key.to_string() }))).collect();
    let done = if entries.is_empty() {
        Err(Failure::usage(format!("{register} has one key in force: reestr keys rotate adds another first")))
    } else {
        append(&opened.registry, &owner, entries, reason).await
    };
    opened.store.close().await;
    let outcomes = done?;
    for key in keys {
        line(&format!("{key} signs no checkpoint of {register} any more{}", stands(&outcomes)));
    }
    Ok(())
}

async fn append_one(
    store: &StoreArgs,
    owner: &Owner,
    entry: (&str, Value),
    reason: Option<String>,
    said: &str,
) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let done = append(&opened.registry, owner, vec![entry], reason).await;
    opened.store.close().await;
    line(&format!("{said}{}", stands(&done?)));
    Ok(())
}

/// Appends entries to the record of a department or a register, all or none.
async fn append(
    registry: &api::registry::Registry,
    owner: &Owner,
    entries: Vec<(&str, Value)>,
    reason: Option<String>,
) -> Result<Vec<Outcome>, Failure> {
    let (register, record) = owner.record(&registry.knowledge())?;
    let mut requests = Vec::with_capacity(entries.len());
    for (entry_type, mut body) in entries {
        if let Some(reason) = &reason {
            body["reason"] = json!(reason);
        }
        requests.push(EntryRequest::Platform {
            record: Some(record),
            version: None,
            entry_type: entry_type.parse().map_err(|error| Failure::because(entry_type, &error))?,
            effective_at: None,
            body,
        });
    }
    let slug = |text: &str| text.parse::<Slug>().map_err(|error| Failure::because(text, &error));
    let request = AppendRequest::new(slug(register)?, Actor::local(slug(PLATFORM)?), requests);
    registry.append(request).await.map_err(|refusal| demo::load::because("refused", &refusal))
}

/// Where entries stand.
fn stands(outcomes: &[Outcome]) -> String {
    let first = outcomes.first().map(|outcome| &outcome.appended);
    first.map_or_else(String::new, |first| format!(" (entry {} of {})", first.index, first.register))
}
