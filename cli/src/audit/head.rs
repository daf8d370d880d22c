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
            log_fault("checkpoint-key", detail)
        })
    }
}

/// Was the checkpoint signed before, and `registers` read after its key ended? Then nothing is wrong, and both are to be read again.
pub fn is_stale(log: &Log, trust: &Trust) -> bool {
    let (Some(head), Some(keys)) = (&log.head, trust.definitions.keys_of(&log.register)) else {
        return false;
    };
    let signed = |key: &VerifierKey| head.signed.verify(key).is_ok();
    !keys.now().any(|key| signed(&key.vkey)) && keys.iter().any(|key| signed(&key.vkey))
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
    // Nobody's proof rests on what is served, but everyone asks for it.
    let served: Option<VerifierKey> = head.served.parse().ok();
    if served.is_none_or(|served| keys.now().all(|key| key.vkey != served)) {
        report.fault(log_fault("checkpoint-key", "the key served for it is none of its keys in force"));
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
