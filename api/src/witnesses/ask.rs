//! One witness and one checkpoint: from where it says to be, to its cosignature.

use eventstore::{LogHead, Store, StoreError};
use proofs::hash::Hash;
use proofs::note::{NoteSignature, SignedNote, VerifierKey};
use proofs::policy::Witness;
use proofs::slug::Slug;
use proofs::witness::{AddCheckpoint, parse_size};
use reqwest::StatusCode;

use super::rows::{Fault, Said};

/// Bytes of an answer at most: some cosignatures, a size or a sentence.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Requests of one conversation: where it is, from there, and once more when it has moved meanwhile.
const REQUESTS_MAX: usize = 3;

/// How a conversation ended.
#[derive(Debug)]
pub enum Outcome {
    /// It cosigned.
    Cosigned(NoteSignature),
    /// It has moved past this checkpoint with a newer one of ours.
    Newer(u64),
    /// It contradicts the store.
    Contradicts(Said),
    /// It will not have this register: it does not know the log, or not its key.
    Unwilling(u16),
    /// No answer, or one that makes no sense; in a word.
    Away(&'static str),
}

/// What one request was answered.
enum Answer {
    Cosigned(NoteSignature),
    At(u64),
    Unproved,
    Unwilling(u16),
    Away(&'static str),
}

/// Asks a witness to cosign a register's head, beginning at the size that it was known to have cosigned.
pub async fn converse(
    store: &Store,
    client: &reqwest::Client,
    witness: &Witness,
    head: &LogHead,
    note: &SignedNote,
    known: Option<Said>,
) -> Result<Outcome, StoreError> {
    let register = &head.register;
    let mut old = known.map_or(0, |said| said.size).min(head.size);
    for _ in 0..REQUESTS_MAX {
        let Some(proof) = proof(store, register, old, head.size).await? else {
            return Err(StoreError::corrupt("log", "size", register, "no consistency proof can be made"));
        };
        let request = AddCheckpoint { old_size: old, proof, note: note.clone() };
        match send(client, witness, &request).await {
            Answer::Cosigned(line) => return Ok(Outcome::Cosigned(line)),
            Answer::Unwilling(status) => return Ok(Outcome::Unwilling(status)),
            Answer::Away(word) => return Ok(Outcome::Away(word)),
            // Of the size that it has itself, it has another tree: our proof from ours does not hold.
            Answer::Unproved if old > 0 => {
                return Ok(Outcome::Contradicts(Said { size: old, fault: Some(Fault::Forked) }));
            }
            Answer::Unproved => return Ok(Outcome::Away("makes-no-sense")),
            Answer::At(size) if size == old && old == head.size => {
                return Ok(Outcome::Contradicts(Said { size, fault: Some(Fault::Forked) }));
            }
            Answer::At(size) if size == old => return Ok(Outcome::Away("makes-no-sense")),
            Answer::At(size) if size > head.size => {
                // The log may have grown since; then another server has shown the witness more.
                let now = store.log(register).await?.map_or(0, |log| log.size);
                let said = Said { size, fault: Some(Fault::Ahead) };
                return Ok(if size <= now { Outcome::Newer(size) } else { Outcome::Contradicts(said) });
            }
            Answer::At(size) => old = size,
        }
    }
    Ok(Outcome::Away("does-not-settle"))
}

async fn proof(store: &Store, register: &Slug, old: u64, new: u64) -> Result<Option<Vec<Hash>>, StoreError> {
    if old == 0 || old == new {
        return Ok(Some(Vec::new()));
    }
    store.consistency(register, old, new).await
}

async fn send(client: &reqwest::Client, witness: &Witness, request: &AddCheckpoint) -> Answer {
    let prefix = witness.url.as_deref().unwrap_or_default().trim_end_matches('/');
    let sent = client.post(format!("{prefix}/add-checkpoint")).body(request.to_string()).send().await;
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Answer::Away(word(&error)),
    };
    let status = response.status();
    let Some(text) = text(response).await else { return Answer::Away("broken-off") };
    match status {
        StatusCode::OK => cosignature(&request.note, &witness.key, &text)
            .map_or(Answer::Away("false-cosignature"), Answer::Cosigned),
        StatusCode::CONFLICT => parse_size(&text).map_or(Answer::Away("makes-no-sense"), Answer::At),
        StatusCode::UNPROCESSABLE_ENTITY => Answer::Unproved,
        StatusCode::TOO_MANY_REQUESTS => Answer::Away("busy"),
        status if status.is_client_error() => Answer::Unwilling(status.as_u16()),
        _ => Answer::Away("status"),
    }
}

/// The witness's own line, if it is good; lines of other keys are passed over.
fn cosignature(note: &SignedNote, key: &VerifierKey, lines: &str) -> Option<NoteSignature> {
    let id = key.id();
    let mine = NoteSignature::parse_lines(lines).ok()?;
    let line = mine.into_iter().find(|line| line.id == id && line.name == key.name())?;
    let mut alone = note.clone();
    alone.remove(key);
    alone.push(line.clone());
    alone.cosigned_at(key).ok().map(|_| line)
}

async fn text(mut response: reqwest::Response) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

/// What went wrong, in a word: the label of a metric.
fn word(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed-out"
    } else if error.is_connect() {
        "no-connection"
    } else {
        "broken-off"
    }
}
