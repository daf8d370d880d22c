//! What is appended: signed entries that follow from a seed, made and signed before any clock runs.

use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::slug::{EntryType, Slug};
use proofs::statement::Statement;
use proofs::time::Timestamp;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::failure::Failure;

/// Versions of a record that is appended to again: a record of a public service has a few entries.
const VERSIONS: u64 = 8;
/// Bytes of a body besides its note.
const FRAME_BYTES: usize = 300;
/// The first of January 2026: no entry may have effect too long before or after now, and none depends on when it is made.
const EPOCH_MILLIS: u64 = 1_767_225_600_000;
/// Days on which records are made: each measurement has one of them.
const DAYS: u64 = 300;
/// Words of bodies: of Cyrillic letters, as bodies are, with two bytes a letter.
const WORDS: [&str; 12] = [
    "разрешение",
    "участок",
    "строительство",
    "заявитель",
    "собственник",
    "постановление",
    "регистрация",
    "реестр",
    "муниципальный",
    "ведомство",
    "приказ",
    "земельный",
];

/// An entry as its department signed it.
#[derive(Clone)]
pub struct Signed {
    /// Its register.
    pub register: Slug,
    /// The statement, a JWS.
    pub statement: String,
    /// The body, canonical JSON.
    pub body: Vec<u8>,
    /// The salt of the body's digest.
    pub salt: Salt,
}

impl Signed {
    /// As `POST …/entries` takes it.
    pub fn to_json(&self) -> String {
        // The statement has no character that JSON escapes, and the body is JSON.
        format!(
            "{{\"statement\":\"{}\",\"salt\":\"{}\",\"body\":{}}}",
            self.statement,
            URL_SAFE_NO_PAD.encode(self.salt.0),
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// Makes entries. The same seed, label and number make the same entry, whatever was made before.
pub struct Generator {
    seed: u64,
    key: PrivateKey,
    department: Slug,
    body_bytes: usize,
    effective_at: Timestamp,
}

/// Which entry.
struct Which<'a> {
    /// The measurement that it is made for.
    label: &'a str,
    /// The record.
    record: u64,
    version: u64,
    register: &'a Slug,
    /// Whom it concerns.
    person: Option<Uuid>,
}

impl Generator {
    /// A generator for a department, with a key that follows from the seed.
    pub fn new(seed: u64, department: Slug, body_bytes: usize) -> Self {
        let key = PrivateKey::from_seed(&Sha256::digest(format!("reestr bench {seed}")).into());
        let effective_at = Timestamp::from_millis(EPOCH_MILLIS.cast_signed());
        Self { seed, key, department, body_bytes, effective_at }
    }

    /// The department's key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// A record's identifier, a UUIDv7 as records have: of one label those with greater numbers are later, six in a millisecond.
    pub fn record(&self, label: &str, number: u64) -> Uuid {
        let day = self.random(label, 0, 0).random_range(0..DAYS) * 86_400_000;
        let mut rest = [0; 10];
        self.random(label, number, 0).fill_bytes(&mut rest);
        let millis = EPOCH_MILLIS + day + number / 6;
        uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }

    /// The official number of a record of the register for look-ups.
    pub fn number(number: u64) -> String {
        format!("99-{number:08}")
    }

    fn random(&self, label: &str, record: u64, version: u64) -> ChaCha8Rng {
        let seed = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(label)
            .chain_update(record.to_be_bytes())
            .chain_update(version.to_be_bytes());
        ChaCha8Rng::from_seed(seed.finalize().into())
    }

    fn body(&self, which: &Which, random: &mut ChaCha8Rng) -> Value {
        let mut words = |bytes: usize| {
            let mut text = String::new();
            while text.len() < bytes {
                text.push_str(WORDS[random.random_range(0..WORDS.len())]);
                text.push(' ');
            }
            text.trim_end().to_owned()
        };
        let mut body = json!({
            "holder": { "name": words(40), "address": words(80) },
            "issued_on": "2026-01-01",
            "decision": { "ground": words(40), "fee": which.record % 10_000 },
        });
        let filled = body.to_string().len() + FRAME_BYTES / 10;
        body["note"] = json!(words(self.body_bytes.saturating_sub(filled).max(1)));
        if let Some(person) = which.person {
            body["subjects"] = json!([{ "role": "holder", "person": person }]);
            body["number"] = json!(Self::number(which.record));
        }
        body
    }

    fn make(&self, which: &Which) -> Result<Signed, Failure> {
        let wrong =
            |error: &dyn std::error::Error| Failure::failed(format!("an entry cannot be made: {error}"));
        let mut random = self.random(which.label, which.record, which.version);
        let body = self.body(which, &mut random);
        let body = proofs::jcs::canonical(&body).map_err(|error| wrong(&error))?;
        let mut salt = [0; 16];
        random.fill_bytes(&mut salt);
        let salt = Salt(salt);
        let entry_type = if which.version == 1 { "issued" } else { "amended" };
        let entry_type: EntryType = entry_type.parse().map_err(|error| wrong(&error))?;
        let statement = Statement {
            register: which.register.clone(),
            record: self.record(which.label, which.record),
            version: which.version,
            entry_type,
            effective_at: self.effective_at,
            issuer: self.department.clone(),
            body: digest(&salt, &body),
        };
        let statement = statement.sign(&self.key).as_str().to_owned();
        Ok(Signed { register: which.register.clone(), statement, body, salt })
    }

    /// First entries of new records, spread over the registers in turn.
    pub fn fresh(
        &self,
        label: &str,
        first: u64,
        count: u64,
        registers: &[Slug],
    ) -> Result<Vec<Signed>, Failure> {
        self.many(count, |at| Which {
            label,
            record: first + at,
            version: 1,
            register: turn(registers, first + at),
            person: None,
        })
    }

    /// First entries of records with a number, that concern people in turn.
    pub fn numbered(
        &self,
        label: &str,
        first: u64,
        count: u64,
        (register, people): (&Slug, &[Uuid]),
    ) -> Result<Vec<Signed>, Failure> {
        self.many(count, |at| Which {
            label,
            record: first + at,
            version: 1,
            register,
            person: usize::try_from((first + at) % people.len().max(1) as u64)
                .ok()
                .and_then(|at| people.get(at))
                .copied(),
        })
    }

    /// How many records must exist for so many later entries.
    pub fn records_for(count: u64) -> u64 {
        count.div_ceil(VERSIONS - 1).max(1)
    }

    /// Later entries of the records that `fresh` made first with this label: by record, each record's in order.
    pub fn later(
        &self,
        label: &str,
        records: u64,
        count: u64,
        registers: &[Slug],
    ) -> Result<Vec<Vec<Signed>>, Failure> {
        let each = count.div_ceil(records.max(1));
        let all = self.many(records * each, |at| Which {
            label,
            record: at / each,
            version: 2 + at % each,
            register: turn(registers, at / each),
            person: None,
        })?;
        let size = usize::try_from(each).unwrap_or(1).max(1);
        let mut all = all.into_iter();
        let mut records = Vec::new();
        while all.len() > 0 {
            records.push(all.by_ref().take(size).collect());
        }
        Ok(records)
    }

    /// Makes entries on every core.
    fn many<'a>(&self, count: u64, which: impl Fn(u64) -> Which<'a> + Sync) -> Result<Vec<Signed>, Failure> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        let share = count.div_ceil(cores).max(1);
        let which = &which;
        let parts: Vec<Result<Vec<Signed>, Failure>> = thread::scope(|scope| {
            let parts = (0..cores).map(|core| {
                let range = (core * share).min(count)..((core + 1) * share).min(count);
                scope.spawn(move || range.map(|at| self.make(&which(at))).collect())
            });
            let parts: Vec<_> = parts.collect();
            let ended = |_| Err(Failure::failed("a thread that made entries has ended"));
            parts
                .into_iter()
                .map(|part: thread::ScopedJoinHandle<'_, Result<Vec<Signed>, Failure>>| {
                    part.join().unwrap_or_else(ended)
                })
                .collect()
        });
        let mut all = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        for part in parts {
            all.extend(part?);
        }
        Ok(all)
    }
}

fn turn(registers: &[Slug], at: u64) -> &Slug {
    let at = usize::try_from(at % registers.len().max(1) as u64).unwrap_or(0);
    &registers[at]
}

/// SHA-256 over entries: two runs with the same seed must agree on it.
pub fn fingerprint(entries: &[Signed]) -> String {
    let mut hash = Sha256::new();
    for entry in entries {
        hash.update(&entry.statement);
        hash.update(&entry.body);
        hash.update(entry.salt.0);
    }
    proofs::hash::Hash(hash.finalize().into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(seed: u64) -> Generator {
        Generator::new(seed, "bench".parse().unwrap(), 600)
    }

    #[test]
    fn the_same_seed_makes_the_same_entries_of_the_size_that_was_asked_for() {
        let registers: Vec<Slug> = vec!["bench-0001".parse().unwrap(), "bench-0002".parse().unwrap()];
        let made = |seed: u64, first: u64, count: u64| {
            generator(seed).fresh("new", first, count, &registers).unwrap()
        };
        let all = made(1, 0, 100);
        assert_eq!(fingerprint(&all), fingerprint(&made(1, 0, 100)));
        assert_eq!(
            fingerprint(&all[40..60]),
            fingerprint(&made(1, 40, 20)),
            "an entry depends on its number alone"
        );
        assert_ne!(fingerprint(&all), fingerprint(&made(2, 0, 100)));
        let bytes: usize = all.iter().map(|entry| entry.body.len()).sum();
        assert!((570..=660).contains(&(bytes / all.len())), "{}", bytes / all.len());
        assert!(all.chunks(2).all(|two| two[0].register == registers[0] && two[1].register == registers[1]));
    }

    #[test]
    fn later_entries_continue_their_records() {
        let registers: Vec<Slug> = vec!["bench-0001".parse().unwrap()];
        let records = Generator::records_for(100);
        let later = generator(1).later("again", records, 100, &registers).unwrap();
        assert_eq!(later.len() as u64, records);
        assert!(later.iter().map(Vec::len).sum::<usize>() >= 100);
        for (number, entries) in later.iter().enumerate() {
            for (entry, version) in entries.iter().zip(2..) {
                let statement = proofs::statement::SignedStatement::parse(&entry.statement).unwrap();
                statement.verify(&generator(1).key().public()).unwrap();
                assert_eq!(statement.statement().version, version);
                assert_eq!(statement.statement().record, generator(1).record("again", number as u64));
                assert!(version <= VERSIONS);
            }
        }
    }
}
