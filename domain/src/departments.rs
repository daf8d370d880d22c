//! The directory of departments: their keys, when each was in force, and their officials.

use std::collections::BTreeMap;

use proofs::key::{Jwk, Kid, PublicKey};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::definition::Title;
use crate::entry::EntryView;
use crate::error::DomainError;
use crate::fault::Fault;
use crate::platform::DEPARTMENTS;
use crate::register_keys::{self, KEY_COMPROMISED};

/// A key of a department, and when it is in force: from its enrolment to its revocation, both moments included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyTerm {
    /// Its name.
    pub kid: Kid,
    /// The key.
    pub jwk: Jwk,
    /// When its enrolment was recorded.
    pub enrolled_at: Timestamp,
    /// When its revocation was recorded; `None` while in force.
    pub revoked_at: Option<Timestamp>,
    /// From when on somebody else may have signed with it; `None` unless that was declared. The earliest, if declared again.
    pub compromised_since: Option<Timestamp>,
    /// The key as it was read when it was enrolled.
    #[serde(skip)]
    known: Known,
}

/// A key once read. Two are alike: what there is to compare, the JWK says.
#[derive(Debug, Clone, Copy, Default)]
struct Known(Option<PublicKey>);

impl PartialEq for Known {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Known {}

impl KeyTerm {
    /// Is it in force at this moment?
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.enrolled_at <= at && self.revoked_at.is_none_or(|revoked_at| at <= revoked_at)
    }

    /// Since when a statement recorded at this moment is doubtful: a later declaration says that the key was in other hands.
    pub fn doubtful(&self, at: Timestamp) -> Option<Timestamp> {
        self.compromised_since.filter(|since| *since <= at)
    }

    /// The key that signatures are checked with. Enrolment refuses a bad one, so that this answers unless the register of
    /// departments was tampered with.
    pub fn public_key(&self) -> Option<PublicKey> {
        self.known.0.or_else(|| self.jwk.public_key().ok())
    }
}

/// A person who acts for a department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Official {
    /// The person's record in `persons`.
    pub official: Uuid,
    /// The post.
    pub position: String,
    /// When the appointment was recorded.
    pub appointed_at: Timestamp,
    /// When the dismissal was recorded; `None` while in office.
    pub dismissed_at: Option<Timestamp>,
}

/// A department as of its last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentState {
    /// Its name.
    pub slug: Slug,
    /// What it is called.
    pub title: Title,
    /// `federal`, `regional` or `municipal`.
    pub level: String,
    /// Taxpayer's number.
    pub inn: Option<String>,
    /// Number in the register of legal entities.
    pub ogrn: Option<String>,
    /// Its record in `departments`.
    pub record: Uuid,
    /// Version of that record: with it, what a guard needs.
    pub version: u64,
    /// Is it abolished?
    pub abolished: bool,
    /// All its keys, in the order of enrolment.
    pub keys: Vec<KeyTerm>,
    /// All its officials, in the order of appointment, those dismissed too.
    pub officials: Vec<Official>,
}

impl DepartmentState {
    /// Keys in force now.
    pub fn keys_now(&self) -> impl Iterator<Item = &KeyTerm> {
        self.keys.iter().filter(|key| key.revoked_at.is_none())
    }

    /// A key, in force or not.
    pub fn key(&self, kid: &Kid) -> Option<&KeyTerm> {
        self.keys.iter().find(|key| key.kid == *kid)
    }

    /// Officials in office.
    pub fn officials_now(&self) -> impl Iterator<Item = &Official> {
        self.officials.iter().filter(|official| official.dismissed_at.is_none())
    }

    /// The department that an entry of type `established` makes.
    pub fn established(entry: &EntryView<'_>) -> Result<Self, DomainError> {
        let body: Established = read(entry)?;
        let key = term(entry, &body.key)?;
        Ok(Self {
            slug: body.slug,
            title: body.title,
            level: body.level,
            inn: body.inn,
            ogrn: body.ogrn,
            record: entry.record,
            version: entry.version,
            abolished: false,
            keys: vec![key],
            officials: Vec::new(),
        })
    }

    /// Takes one later entry in.
    pub fn step(&mut self, entry: &EntryView<'_>) -> Result<(), DomainError> {
        match entry.entry_type.as_str() {
            "renamed" => self.title = read::<Renamed>(entry)?.title,
            "key-enrolled" => {
                let key = term(entry, &read::<Enrolled>(entry)?.key)?;
                // A key that ended never comes back: it may be in any hands by then.
                if self.key(&key.kid).is_some() {
                    return Err(DomainError::order(entry));
                }
                self.keys.push(key);
            }
            "key-revoked" => {
                let kid = read::<Revoked>(entry)?.kid;
                let open = self.keys.iter_mut().find(|key| key.kid == kid && key.revoked_at.is_none());
                open.ok_or_else(|| DomainError::order(entry))?.revoked_at = Some(entry.recorded_at);
            }
            KEY_COMPROMISED => {
                let kid = read::<Revoked>(entry)?.kid;
                let since = register_keys::since(entry)?;
                let key = self.keys.iter_mut().find(|key| key.kid == kid);
                let key = key.ok_or_else(|| DomainError::order(entry))?;
                key.revoked_at.get_or_insert(entry.recorded_at);
                key.compromised_since = Some(key.compromised_since.map_or(since, |known| known.min(since)));
            }
            "official-appointed" => {
                let body: Appointed = read(entry)?;
                self.officials.push(Official {
                    official: body.official,
                    position: body.position,
                    appointed_at: entry.recorded_at,
                    dismissed_at: None,
                });
            }
            "official-dismissed" => {
                let id = read::<Dismissed>(entry)?.official;
                let mut open = self.officials.iter_mut();
                let open = open.find(|official| official.official == id && official.dismissed_at.is_none());
                open.ok_or_else(|| DomainError::order(entry))?.dismissed_at = Some(entry.recorded_at);
            }
            "abolished" => self.abolished = true,
            // Another type of entry says nothing of keys or officials, but makes a version.
            _ => {}
        }
        self.version = entry.version;
        Ok(())
    }
}

/// All departments that there ever were. Folded from the entries of the register `departments`, in order.
#[derive(Debug, Clone, Default)]
pub struct Departments {
    by_slug: BTreeMap<Slug, DepartmentState>,
    records: BTreeMap<Uuid, Slug>,
    position: u64,
}

impl Departments {
    /// Takes one entry in, if it is of the register `departments`; answers with the department that it changed.
    /// An entry at or before the last one taken in is passed over.
    pub fn apply(&mut self, entry: &EntryView<'_>) -> Result<Option<Slug>, DomainError> {
        if *entry.register != *DEPARTMENTS || (entry.position != 0 && entry.position <= self.position) {
            return Ok(None);
        }
        let slug = if let Some(slug) = self.records.get(&entry.record) {
            let slug = slug.clone();
            self.by_slug.get_mut(&slug).ok_or_else(|| DomainError::order(entry))?.step(entry)?;
            slug
        } else if entry.entry_type.as_str() == "established" {
            let state = DepartmentState::established(entry)?;
            let slug = state.slug.clone();
            self.records.insert(entry.record, slug.clone());
            self.by_slug.insert(slug.clone(), state);
            slug
        } else {
            return Err(DomainError::order(entry));
        };
        self.position = self.position.max(entry.position);
        Ok(Some(slug))
    }

    /// A department, abolished ones too.
    pub fn get(&self, department: &Slug) -> Option<&DepartmentState> {
        self.by_slug.get(department)
    }

    /// Does this person act for the department now?
    pub fn in_office(&self, department: &Slug, person: Uuid) -> bool {
        self.get(department).is_some_and(|department| {
            !department.abolished && department.officials_now().any(|official| official.official == person)
        })
    }

    /// A department by its record in `departments`.
    pub fn by_record(&self, record: Uuid) -> Option<&DepartmentState> {
        self.by_slug.get(self.records.get(&record)?)
    }

    /// All departments, by slug.
    pub fn iter(&self) -> impl Iterator<Item = &DepartmentState> {
        self.by_slug.values()
    }

    /// A department's key, if it was in force at this moment.
    pub fn key_in_force(&self, department: &Slug, kid: &Kid, at: Timestamp) -> Option<PublicKey> {
        self.get(department)?.key(kid).filter(|key| key.in_force(at))?.public_key()
    }

    /// A department's keys in force now.
    pub fn keys_now(&self, department: &Slug) -> Vec<&KeyTerm> {
        self.get(department).map(|state| state.keys_now().collect()).unwrap_or_default()
    }

    /// The departments that a person is an official of now.
    pub fn official_of(&self, person: Uuid) -> Vec<&DepartmentState> {
        let holds =
            |state: &&DepartmentState| state.officials_now().any(|official| official.official == person);
        self.iter().filter(|state| !state.abolished).filter(holds).collect()
    }

    /// Position of the last entry taken in.
    pub fn position(&self) -> u64 {
        self.position
    }
}

#[derive(Deserialize)]
struct Established {
    slug: Slug,
    title: Title,
    level: String,
    inn: Option<String>,
    ogrn: Option<String>,
    key: Jwk,
}

#[derive(Deserialize)]
struct Renamed {
    title: Title,
}

#[derive(Deserialize)]
struct Enrolled {
    key: Jwk,
}

#[derive(Deserialize)]
struct Revoked {
    kid: Kid,
}

#[derive(Deserialize)]
struct Appointed {
    official: Uuid,
    position: String,
}

#[derive(Deserialize)]
struct Dismissed {
    official: Uuid,
}

fn read<'b, T: Deserialize<'b>>(entry: &EntryView<'b>) -> Result<T, DomainError> {
    let body: &'b Value = entry.body.ok_or_else(|| DomainError::withheld(entry))?;
    T::deserialize(body)
        .map_err(|_| fault(entry, Fault::new("", format!("is no body of `{}`", entry.entry_type))))
}

fn term(entry: &EntryView<'_>, jwk: &Jwk) -> Result<KeyTerm, DomainError> {
    let key = jwk.public_key().map_err(|error| fault(entry, Fault::new("/key", error.to_string())))?;
    let (kid, jwk) = (key.kid(), key.jwk());
    Ok(KeyTerm {
        kid,
        jwk,
        enrolled_at: entry.recorded_at,
        revoked_at: None,
        compromised_since: None,
        known: Known(Some(key)),
    })
}

fn fault(entry: &EntryView<'_>, fault: Fault) -> DomainError {
    DomainError::body(entry, vec![fault])
}

#[cfg(test)]
mod tests;
