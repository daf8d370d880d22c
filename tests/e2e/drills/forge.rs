//! An installation made from nothing but the wire format, by one who holds every key of it. Honest, it is one more check of the
//! audit against `docs/format.md`; changed, it is what an operator can do who seals each lie with tiles and checkpoints in order.

use std::collections::BTreeMap;

use proofs::body::{BodyDigest, Salt, digest};
use proofs::checkpoint::Checkpoint;
use proofs::hash::{Hash, leaf_hash};
use proofs::key::PrivateKey;
use proofs::leaf::Leaf;
use proofs::note::{self, Cosigner, NoteSigner};
use proofs::slug::Slug;
use proofs::statement::Statement;
use proofs::tile::{self, TileLevel};
use proofs::time::Timestamp;
use proofs::{jcs, merkle};
use serde_json::{Value, json};
use uuid::Uuid;

use super::site::{Site, of, page};

/// The register that most drills are on, another one, and the two that both rest on.
pub const LICENCES: &str = "licences";
pub const PERMITS: &str = "permits";
pub const DEPARTMENTS: &str = "departments";
pub const REGISTERS: &str = "registers";

/// Keys by the number that they are made of.
pub const PLATFORM: u8 = 1;
pub const FIRST: u8 = 2;
pub const SECOND: u8 = 3;

/// A key.
pub fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32])
}

/// A witness by the number of its key.
pub fn cosigner(number: u8) -> Cosigner {
    Cosigner::new(&format!("witness.example/{number}"), key(number)).expect("a name")
}

/// So many minutes after the installation began.
pub fn minute(minute: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + minute * 60_000)
}

/// A record by number.
pub fn record(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

/// An entry as its forger has it: what the log holds follows from it.
#[derive(Clone)]
pub struct Made {
    /// What is signed; its digest is set when the book is sealed.
    pub statement: Statement,
    /// With what.
    pub key: u8,
    /// When the log took it in.
    pub recorded_at: Timestamp,
    /// What it says.
    pub body: Value,
    /// Is the body served?
    pub shown: bool,
    /// The leaf, where it is not what the rest gives.
    pub leaf: Option<Vec<u8>>,
}

impl Made {
    fn salt() -> Salt {
        Salt([0x5A; 16])
    }

    /// The leaf that the log holds.
    pub fn leaf(&self) -> Vec<u8> {
        if let Some(leaf) = &self.leaf {
            return leaf.clone();
        }
        let body = digest(&Self::salt(), &jcs::canonical(&self.body).expect("JSON"));
        let statement = Statement { body, ..self.statement.clone() };
        Leaf { recorded_at: self.recorded_at, statement: statement.sign(&key(self.key)) }.to_bytes()
    }

    fn listed(&self, index: usize) -> Value {
        let leaf: Value = serde_json::from_slice(&self.leaf()).unwrap_or_default();
        let (body, salt) =
            if self.shown { (self.body.clone(), json!(Self::salt())) } else { (Value::Null, Value::Null) };
        json!({"index": index, "recorded_at": leaf["recorded_at"], "statement": leaf["statement"], "body": body, "salt": salt})
    }
}

/// A register.
#[derive(Clone)]
pub struct Book {
    /// What the origin begins with.
    pub log_name: &'static str,
    /// The keys that sign its checkpoint, the newest first.
    pub keys: Vec<u8>,
    /// Its entries.
    pub entries: Vec<Made>,
    /// The witnesses that cosign its checkpoint, by the number of their key.
    pub witnesses: Vec<u8>,
    /// Signature lines that stand under it besides.
    pub lines: String,
    /// What becomes of its checkpoint when it is signed.
    pub note: fn(String) -> String,
}

/// An installation.
#[derive(Clone)]
pub struct Forge(BTreeMap<&'static str, Book>);

const LOG_NAME: &str = "registers.example.gov";

impl Forge {
    /// An honest installation: a department whose key was changed, a register of 300 entries that was redefined, and another.
    pub fn honest() -> Self {
        let mut forge = Self(BTreeMap::new());
        for (slug, key) in [(REGISTERS, 11), (DEPARTMENTS, 12), (LICENCES, 13), (PERMITS, 14)] {
            forge.0.insert(
                slug,
                Book {
                    log_name: LOG_NAME,
                    keys: vec![key],
                    entries: Vec::new(),
                    witnesses: Vec::new(),
                    lines: String::new(),
                    note: |note| note,
                },
            );
        }
        forge.departments();
        forge.definitions();
        for index in 0..300_u64 {
            let at = 5 + i64::try_from(index).expect("small");
            // Of three entries the third suspends what the first issued; the one entry annuls.
            let (entry_type, number, version) = match (index, index % 3) {
                (250, _) => ("annulled", 247, 2),
                (_, 2) => ("suspended", index - 2, 2),
                _ => ("issued", index, 1),
            };
            let body = json!({"number": format!("L-{number}"), "about": "a licence"});
            let made = entry(LICENCES, (1_000 + number, version, entry_type), at, body);
            forge.add(LICENCES, Made { key: if at <= 120 { FIRST } else { SECOND }, ..made });
        }
        for number in 0..3 {
            let made =
                entry(PERMITS, (5_000 + number, 1, "issued"), 400, json!({"number": format!("P-{number}")}));
            forge.add(PERMITS, made);
        }
        forge
    }

    fn departments(&mut self) {
        let established = |slug: &str, number| {
            let title = json!({"ru": "Ведомство", "en": "Department"});
            json!({"slug": slug, "title": title, "level": "federal", "key": key(number).public().jwk()})
        };
        let entries = [
            ((1, 1, "established"), 0, established("platform", PLATFORM)),
            ((2, 1, "established"), 1, established("registry", FIRST)),
            ((2, 2, "key-enrolled"), 100, json!({"key": key(SECOND).public().jwk()})),
            ((2, 3, "key-revoked"), 150, json!({"kid": key(FIRST).kid(), "reason": "a new card"})),
        ];
        for (what, at, body) in entries {
            let made = entry(DEPARTMENTS, what, at, body);
            self.add(DEPARTMENTS, made);
        }
    }

    fn definitions(&mut self) {
        for (number, (slug, at)) in
            (10..).zip([(REGISTERS, 0), (DEPARTMENTS, 0), (LICENCES, 2), (PERMITS, 3)])
        {
            let body = json!({"slug": slug, "definition": definition(slug), "key": self.vkey(slug)});
            let made = entry(REGISTERS, (number, 1, "defined"), at, body);
            self.add(REGISTERS, made);
        }
        let mut more = definition(LICENCES);
        let types = more["types"].as_array_mut().expect("types");
        types.push(entry_type("annulled", &json!(["valid"]), &json!("annulled")));
        let made = entry(REGISTERS, (12, 2, "redefined"), 200, json!({"definition": more}));
        self.add(REGISTERS, made);
    }

    /// A register.
    pub fn book(&mut self, register: &str) -> &mut Book {
        self.0.get_mut(register).expect("a register")
    }

    /// Changes each of them.
    pub fn each_book(&mut self, change: impl FnMut(&mut Book)) {
        self.0.values_mut().for_each(change);
    }

    /// Its checkpoint as it would be served.
    pub fn checkpoint(&self, register: &str) -> String {
        String::from_utf8(self.site().get(&of(register, "checkpoint")).to_vec()).expect("text")
    }

    /// Its entries.
    pub fn entries(&mut self, register: &str) -> &mut Vec<Made> {
        &mut self.book(register).entries
    }

    /// One of them.
    pub fn at(&mut self, register: &str, index: usize) -> &mut Made {
        &mut self.entries(register)[index]
    }

    /// Appends an entry.
    pub fn add(&mut self, register: &str, made: Made) {
        self.entries(register).push(made);
    }

    /// What `registers` says of a key of the licences from a minute on.
    pub fn key_entry(&mut self, entry_type: &str, number: u8, at: i64) -> &mut Made {
        let version =
            self.entries(REGISTERS).iter().filter(|made| made.statement.record == record(12)).count() as u64
                + 1;
        let key = NoteSigner::new(&format!("{LOG_NAME}/registers/{LICENCES}"), key(number))
            .expect("a name")
            .verifier();
        let mut body = json!({"key": key.to_string(), "reason": "a drill"});
        if entry_type == "key-compromised" {
            body["since"] = json!(minute(at - 10).to_string());
        }
        self.add(REGISTERS, entry(REGISTERS, (12, version, entry_type), at, body));
        self.entries(REGISTERS).last_mut().expect("it was added")
    }

    /// What `departments` says of a key of the registry from a minute on.
    pub fn stolen(&mut self, number: u8, since: i64, at: i64) -> &mut Made {
        let version =
            self.entries(DEPARTMENTS).iter().filter(|made| made.statement.record == record(2)).count() as u64
                + 1;
        let since = minute(since).to_string();
        let body = json!({"kid": key(number).kid(), "since": since, "reason": "a drill"});
        self.add(DEPARTMENTS, entry(DEPARTMENTS, (2, version, "key-compromised"), at, body));
        self.entries(DEPARTMENTS).last_mut().expect("it was added")
    }

    /// A register's newest verifier key.
    pub fn vkey(&self, register: &str) -> String {
        self.signers(register)[0].verifier().to_string()
    }

    fn signers(&self, register: &str) -> Vec<NoteSigner> {
        let book = &self.0[register];
        let origin = proofs::checkpoint::origin(book.log_name, &register.parse::<Slug>().expect("a slug"));
        book.keys.iter().map(|number| NoteSigner::new(&origin, key(*number)).expect("a name")).collect()
    }

    /// All that a server would serve of it.
    pub fn site(&self) -> Site {
        let mut site = Site::default();
        let listed: Vec<Value> = self.0.keys().map(|slug| json!({"slug": slug})).collect();
        site.put("/v1/registers", json!({"items": listed, "next": null}).to_string());
        for (slug, book) in &self.0 {
            self.seal(&mut site, slug, book);
        }
        site
    }

    fn seal(&self, site: &mut Site, slug: &str, book: &Book) {
        let leaves: Vec<Vec<u8>> = book.entries.iter().map(Made::leaf).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let length = leaves.len() as u64;
        for path in tile::paths(length) {
            let first = usize::try_from(path.index).expect("small") * 256;
            let range = first..first + usize::from(path.width);
            let bytes = match path.level {
                TileLevel::Entries => tile::bundle_encode(&leaves[range]).expect("leaves fit"),
                TileLevel::Hash(0) => tile::tile_encode(&hashes[range]),
                TileLevel::Hash(1) => {
                    let full = hashes.as_chunks::<256>().0.iter().map(|tile| tile::tile_root(tile));
                    tile::tile_encode(&full.collect::<Vec<_>>()[range])
                }
                TileLevel::Hash(_) => unreachable!("the registers are small"),
            };
            site.put(&of(slug, &path.to_string()), bytes);
        }
        let signers = self.signers(slug);
        let root = merkle::root(&hashes);
        let head =
            Checkpoint { origin: signers[0].name().to_owned(), size: length, root, extensions: Vec::new() };
        let mut note = note::sign(&head.to_text(), &signers).expect("signed");
        for number in &book.witnesses {
            note.push(cosigner(*number).cosign(&head.to_text(), 1_767_300_000).expect("cosigned"));
        }
        site.put(&of(slug, "checkpoint"), (book.note)(note.to_string() + &book.lines));
        site.put(&of(slug, "key"), self.vkey(slug));
        for first in (0..length.max(1)).step_by(256) {
            let from = usize::try_from(first).expect("small");
            let page_of = book.entries.iter().enumerate().skip(from).take(256);
            let items: Vec<Value> = page_of.map(|(index, made)| made.listed(index)).collect();
            let next = (first + 256 < length).then(|| (first + 255).to_string());
            site.put(&page(slug, first), json!({"items": items, "next": next}).to_string());
        }
    }
}

/// An entry of a record, as the department signs it that owns the register.
pub fn entry(register: &str, (number, version, entry_type): (u64, u64, &str), at: i64, body: Value) -> Made {
    let (issuer, key) =
        if [LICENCES, PERMITS].contains(&register) { ("registry", SECOND) } else { ("platform", PLATFORM) };
    let statement = Statement {
        register: register.parse().expect("a slug"),
        record: record(number),
        version,
        entry_type: entry_type.parse().expect("a type"),
        effective_at: minute(at),
        issuer: issuer.parse().expect("a slug"),
        body: BodyDigest([0; 32]),
    };
    Made { statement, key, recorded_at: minute(at), body, shown: true, leaf: None }
}

/// A type of entry.
fn entry_type(name: &str, from: &Value, to: &Value) -> Value {
    let title = json!({"ru": name, "en": name});
    json!({"type": name, "title": title, "from": from, "to": to, "effect": "sets", "schema": {"type": "object"}})
}

/// The definition of a register: of the platform's own as it is shipped.
fn definition(slug: &str) -> Value {
    let file = reestr_tests::server::root().join(format!("fixtures/registers/{slug}.json"));
    if let Ok(text) = std::fs::read_to_string(file) {
        return serde_json::from_str(&text).expect("JSON");
    }
    let title = json!({"ru": slug, "en": slug});
    let status = |name: &str, in_force: bool| json!({"status": name, "title": title, "in_force": in_force});
    json!({
        "slug": slug, "title": title, "owner": "registry", "kind": "licence", "visibility": "public", "group": "other",
        "subjects": [],
        "statuses": [status("valid", true), status("suspended", false), status("annulled", false)],
        "types": [
            entry_type("issued", &Value::Null, &json!("valid")),
            entry_type("suspended", &json!(["valid"]), &json!("suspended")),
            entry_type("reinstated", &json!(["suspended"]), &json!("valid")),
        ],
        "legal_basis": [],
    })
}
