//! A register's checkpoint: whether a key in force signed it, and whether that key follows from the one that was kept.
//!
//! Which keys are in force is told by `registers` alone, so that a checkpoint is judged when that register has been read.

use domain::register_keys::RegisterKeys;
use proofs::checkpoint::Checkpoint;
use proofs::note::{NoteError, SignedNote, VerifierKey};
use proofs::slug::Slug;

use super::log::Log;
use super::report::{Fault, RegisterReport};
use super::state::Pin;
use super::{Trust, log_fault};

/// Broken when no key in force signed.
const CHECKPOINT_KEY: &str = "checkpoint-key";

/// A checkpoint as served. Of its signatures nothing is known yet.
pub struct Head {
    /// The note.
    pub note: String,
    /// The tree head in it.
    pub checkpoint: Checkpoint,
    signed: SignedNote,
    /// The register's newest key, as served beside it.
    served: String,
}

impl Head {
    /// Reads a note that says to be the checkpoint of a register.
    pub fn parse(note: String, served: String, register: &Slug) -> Result<Self, String> {
        if note.is_empty() {
            return Err("the register is listed, and no checkpoint of it is served".to_owned());
        }
        let signed = SignedNote::parse(&note).map_err(|error| format!("the checkpoint: {error}"))?;
        let checkpoint =
            Checkpoint::parse(signed.text()).map_err(|error| format!("the checkpoint: {error}"))?;
        if checkpoint.origin.ends_with(&format!("/registers/{register}")) {
            Ok(Self { note, checkpoint, signed, served })
        } else {
            Err(format!("the checkpoint is of another log: {}", checkpoint.origin))
        }
    }

    /// The newest of the keys in force that signed it.
    fn signer(&self, keys: &RegisterKeys) -> Result<VerifierKey, Fault> {
        let mut signer = None;
        for key in keys.now().map(|key| &key.vkey) {
            match self.signed.verify(key) {
                Ok(()) if self.checkpoint.origin == key.name() => signer = signer.or(Some(key)),
                Ok(()) => {
                    return Err(log_fault("checkpoint-signature", "its origin is not the name of its key"));
                }
                Err(NoteError::NotSigned) => {}
                // A line that says to be of a key in force and is not spoils the note, whoever else signed.
                Err(error) => {
                    return Err(log_fault("checkpoint-signature", format!("the key {key}: {error}")));
                }
            }
        }
        signer.cloned().ok_or_else(|| {
            let ended = keys.iter().find(|key| key.until.is_some() && self.signed.verify(&key.vkey).is_ok());
            let detail = match ended.map(|key| (&key.vkey, key.until, key.compromised_since)) {
                Some((vkey, _, Some(since))) => {
                    format!("it is signed only with {vkey}, which is declared compromised since {since}")
                }
                Some((vkey, Some(until), _)) => format!("it is signed only with {vkey}, retired at {until}"),
                _ => "none of the keys that `registers` names for it signed it".to_owned(),
            };
            log_fault(CHECKPOINT_KEY, detail)
        })
    }
}

/// Is the checkpoint of another moment than `registers`? Its keys may have changed in between, and nothing be wrong: both are to be
/// read again.
pub fn is_stale(log: &Log, trust: &Trust) -> bool {
    let (Some(head), Some(keys)) = (&log.head, trust.definitions.keys_of(&log.register)) else {
        return false;
    };
    head.signer(keys).is_err_and(|fault| fault.rule == CHECKPOINT_KEY)
}

/// Judges a log's checkpoint; gives what is to be kept of it when it is in order.
pub fn check(log: &Log, trust: &Trust, report: &mut RegisterReport) -> Option<Pin> {
    let head = log.head.as_ref()?;
    if trust.log_name.is_some() && log.log_name() != trust.log_name.as_deref() {
        let detail = format!("its origin {} is not of the log that defines it", head.checkpoint.origin);
        report.fault(log_fault("log-name", detail));
    }
    let Some(keys) = trust.definitions.keys_of(&log.register) else {
        report.fault(log_fault("definition", "no entry of `registers` defines this register"));
        return None;
    };
    // Nobody's proof rests on what is served, but everyone asks for it. It may be newer than the checkpoint, or than `registers`.
    let served: Option<VerifierKey> = head.served.parse().ok();
    let belongs = |served: &VerifierKey| {
        keys.now().any(|key| key.vkey == *served) || head.signed.verify(served).is_ok()
    };
    if !served.as_ref().is_some_and(belongs) {
        let detail = "the key served for it is none of its keys in force, and did not sign its checkpoint";
        report.fault(log_fault(CHECKPOINT_KEY, detail));
    }
    if log.kept.as_ref().is_some_and(|kept| keys.get(&kept.key).is_none()) {
        let detail = "the key kept from the last audit is none that `registers` ever named for it";
        report.fault(log_fault("key-changed", detail));
    }
    match head.signer(keys) {
        Ok(key) => Some(Pin { key, note: head.note.clone(), checkpoint: head.checkpoint.clone() }),
        Err(fault) => {
            report.fault(fault);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::EntryView;
    use proofs::hash::EMPTY_ROOT;
    use proofs::key::PrivateKey;
    use proofs::note::NoteSigner;
    use proofs::time::Timestamp;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const NAME: &str = "registers.example.gov/registers/permits";

    fn signer(seed: u8) -> NoteSigner {
        NoteSigner::new(NAME, PrivateKey::from_seed(&[seed; 32])).unwrap()
    }

    /// A register that is defined with the key 1, gets the key 2, and then has what these entries say of its keys.
    fn keys(later: &[(&str, u8)]) -> RegisterKeys {
        let at = Timestamp::from_millis(1_000);
        let mut keys = RegisterKeys::first(signer(1).verifier(), at);
        for (entry_type, seed) in [&[("key-added", 2)], later].concat() {
            let body = json!({"key": signer(seed).verifier().to_string(), "since": at.to_string()});
            let (register, issuer) = ("registers".parse().unwrap(), "platform".parse().unwrap());
            keys.step(&EntryView {
                register: &register,
                record: Uuid::nil(),
                version: 2,
                entry_type: &entry_type.parse().unwrap(),
                effective_at: at,
                recorded_at: at,
                issuer: &issuer,
                position: 0,
                body: Some(&body),
            })
            .unwrap();
        }
        keys
    }

    fn note(signers: &[u8]) -> String {
        let signers: Vec<_> = signers.iter().map(|seed| signer(*seed)).collect();
        let checkpoint =
            Checkpoint { origin: NAME.to_owned(), size: 0, root: EMPTY_ROOT, extensions: vec![] };
        checkpoint.sign_all(&signers).unwrap()
    }

    /// Whose the checkpoint is, or the rule that it breaks.
    fn judged(note: String, keys: &RegisterKeys) -> Result<VerifierKey, &'static str> {
        let head = Head::parse(note, String::new(), &"permits".parse().unwrap()).unwrap();
        head.signer(keys).map_err(|fault| fault.rule)
    }

    #[test]
    fn one_key_in_force_is_enough_and_the_newest_is_kept() {
        let overlap = keys(&[]);
        assert_eq!(judged(note(&[2, 1]), &overlap), Ok(signer(2).verifier()));
        assert_eq!(judged(note(&[1]), &overlap), Ok(signer(1).verifier()));
        assert_eq!(judged(note(&[3]), &overlap), Err("checkpoint-key"));
        for ended in [keys(&[("key-retired", 1)]), keys(&[("key-compromised", 1)])] {
            assert_eq!(judged(note(&[2, 1]), &ended), Ok(signer(2).verifier()));
            assert_eq!(judged(note(&[1]), &ended), Err("checkpoint-key"));
        }
    }

    #[test]
    fn a_false_line_of_a_key_in_force_spoils_the_note() {
        let (good, other) = (note(&[2, 1]), note(&[1]));
        let lines: Vec<&str> = good.lines().collect();
        let line = lines.iter().rposition(|line| line.starts_with("— ")).unwrap();
        // The last line of another text, by the same key.
        let forged = SignedNote::parse(&other).unwrap();
        assert_eq!(forged.signatures().len(), 1);
        let mut signature = forged.signatures()[0].clone();
        signature.signature[10] ^= 1;
        let mut note = SignedNote::parse(&[&lines[..line], &[""]].concat().join("\n")).unwrap();
        note.push(signature);
        assert_eq!(judged(note.to_string(), &keys(&[])), Err("checkpoint-signature"));
        // Of a key that is over, nobody asks.
        assert_eq!(judged(note.to_string(), &keys(&[("key-retired", 1)])), Ok(signer(2).verifier()));
    }
}
