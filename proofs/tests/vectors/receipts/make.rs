//! Makes receipts, and the keys and rules that they are examined with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proofs::body::{Salt, digest};
use proofs::checkpoint::{self, Checkpoint};
use proofs::hash::{Hash, leaf_hash};
use proofs::jcs;
use proofs::key::PrivateKey;
use proofs::leaf::Leaf;
use proofs::merkle::{self, InclusionPlan, Node};
use proofs::note::{self, Cosigner, NoteSigner, SignedNote};
use proofs::proof::TlogProof;
use proofs::receipt::Receipt;
use proofs::statement::Statement;
use proofs::tile::locate;
use proofs::time::Timestamp;
use serde_json::{Value, json};

pub const LOG_NAME: &str = "registers.example.gov";
/// When each entry is recorded.
pub const RECORDED: &str = "2026-03-01T09:00:00.000Z";
/// Names of the witnesses, and seconds after the recording at which each cosigns.
pub const WITNESSES: [(&str, i64); 3] = [("north", 60), ("south", 120), ("west", 180)];

pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

pub fn signer(register: &str, seed: u8) -> NoteSigner {
    let origin = checkpoint::origin(LOG_NAME, &register.parse().expect("a slug"));
    NoteSigner::new(&origin, key(seed)).expect("a name")
}

pub fn cosigner(name: &str) -> Cosigner {
    let place = WITNESSES.iter().position(|(witness, _)| *witness == name).expect("a witness");
    let seed = 200 + u8::try_from(place).expect("few");
    Cosigner::new(&format!("witness.example/{name}"), key(seed)).expect("a name")
}

/// What a receipt is made of; each case changes some of it before the tree is built.
pub struct Parts {
    pub register: &'static str,
    pub issuer: &'static str,
    /// Seed of the key that signs the statement.
    pub seed: u8,
    /// Of how many entries, and which of them.
    pub size: u64,
    pub index: u64,
    pub recorded_at: &'static str,
    pub body: Value,
    /// Seeds of the keys that sign the checkpoint.
    pub log_seeds: Vec<u8>,
    /// Witnesses that cosign.
    pub witnesses: Vec<&'static str>,
    /// The leaf's bytes, after the statement was signed.
    pub leaf: fn(String) -> String,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            register: "fines",
            issuer: "gibdd",
            seed: 1,
            size: 6,
            index: 4,
            recorded_at: RECORDED,
            body: json!({"number": "18810177240612345678", "sum": 10.5, "until": null}),
            log_seeds: vec![2],
            witnesses: Vec::new(),
            leaf: |leaf| leaf,
        }
    }
}

impl Parts {
    fn leaf_of(&self, index: u64) -> Vec<u8> {
        let salt = Salt([u8::try_from(index).expect("small"); 16]);
        let statement = Statement {
            register: self.register.parse().expect("a slug"),
            record: "0197a0c4-5d1e-7abc-8def-0123456789ab".parse().expect("a UUID"),
            version: index + 1,
            entry_type: "issued".parse().expect("a type"),
            effective_at: time("2026-03-01T00:00:00.000Z"),
            issuer: self.issuer.parse().expect("a slug"),
            body: digest(&salt, &jcs::canonical(&self.body).expect("canonical")),
        };
        let leaf = Leaf { recorded_at: time(self.recorded_at), statement: statement.sign(&key(self.seed)) };
        let bytes = String::from_utf8(leaf.to_bytes()).expect("UTF-8");
        if index == self.index { (self.leaf)(bytes).into_bytes() } else { bytes.into_bytes() }
    }

    fn note(&self, root: Hash, origin: &str) -> String {
        let checkpoint =
            Checkpoint { origin: origin.to_owned(), size: self.size, root, extensions: Vec::new() };
        let signers: Vec<NoteSigner> =
            self.log_seeds.iter().map(|seed| signer(self.register, *seed)).collect();
        let mut note: SignedNote = note::sign(&checkpoint.to_text(), &signers).expect("signed");
        for name in &self.witnesses {
            let (_, after) = WITNESSES.iter().find(|(witness, _)| witness == name).expect("a witness");
            let at = time(RECORDED).millis() / 1000 + after;
            note.push(cosigner(name).cosign(note.text(), at.unsigned_abs()).expect("cosigned"));
        }
        note.to_string()
    }

    /// The receipt.
    pub fn receipt(&self) -> Receipt {
        let leaves: Vec<Vec<u8>> = (0..self.size).map(|index| self.leaf_of(index)).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let fetch = |node: Node| locate(node).hash(&hashes);
        let path =
            InclusionPlan::new(self.index, self.size).expect("in the tree").assemble(fetch).expect("whole");
        let checkpoint = self.note(merkle::root(&hashes), signer(self.register, 2).name());
        let index = self.index;
        Receipt {
            leaf: leaves[usize::try_from(index).expect("small")].clone(),
            index,
            proof: TlogProof { index, extra: None, path, checkpoint },
            body: Some(self.body.clone()),
            salt: Some(Salt([u8::try_from(index).expect("small"); 16])),
        }
    }

    /// The receipt as JSON.
    pub fn json(&self) -> Value {
        serde_json::to_value(self.receipt()).expect("JSON")
    }
}

/// A term of a key: from, until, compromised since.
pub type Term = (&'static str, Option<&'static str>, Option<&'static str>);

/// In force from the beginning, and still.
pub const ALWAYS: Term = ("2026-01-01T00:00:00.000Z", None, None);

/// Keys: of the register `fines`, and of the department `gibdd`, each with its seed and term.
pub fn keyring(registers: &[(u8, Term)], departments: &[(u8, Term)], policy: Option<&str>) -> Value {
    let term = |name: &str, key: Value, (from, until, since): Term| json!({name: key, "from": from, "until": until, "compromised_since": since});
    let vkey = |register: &str, seed: u8| json!(signer(register, seed).verifier().to_string());
    let fines: Vec<Value> =
        registers.iter().map(|(seed, t)| term("vkey", vkey("fines", *seed), *t)).collect();
    let jwk = |seed: u8| serde_json::to_value(key(seed).public().jwk()).expect("JSON");
    let gibdd: Vec<Value> = departments.iter().map(|(seed, t)| term("jwk", jwk(*seed), *t)).collect();
    json!({
        "log_name": LOG_NAME,
        "registers": [
            {"register": "debts", "keys": [term("vkey", vkey("debts", 2), ALWAYS)]},
            {"register": "fines", "keys": fines},
        ],
        "departments": [
            {"department": "fssp", "keys": [term("jwk", jwk(9), ALWAYS)]},
            {"department": "gibdd", "keys": gibdd},
        ],
        "witness_policy": policy,
    })
}

/// The witnesses, with this rule.
pub fn policy(rule: &str) -> String {
    let lines: Vec<String> =
        WITNESSES.iter().map(|(name, _)| format!("witness {name} {}\n", cosigner(name).verifier())).collect();
    format!("# Whose cosignatures suffice.\n{}{rule}\n", lines.concat())
}

/// Changes the statement's JWS in a leaf: its three parts.
pub fn jws(leaf: &str, change: impl Fn(&mut Vec<String>)) -> String {
    let (head, statement) = leaf.split_once("\"statement\":\"").expect("a leaf");
    let statement = statement.strip_suffix("\"}").expect("a leaf");
    let mut parts: Vec<String> = statement.split('.').map(str::to_owned).collect();
    change(&mut parts);
    format!("{head}\"statement\":\"{}\"}}", parts.join("."))
}

/// Signs a protected header and a payload of any content with the key of this seed.
pub fn signed(parts: &mut Vec<String>, header: &str, payload: &str, seed: u8) {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key(seed).sign(signed.as_bytes()));
    *parts = signed.split('.').map(str::to_owned).chain([signature]).collect();
}

/// A part, decoded.
pub fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// Bytes, encoded.
pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
