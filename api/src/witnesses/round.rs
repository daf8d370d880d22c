//! One register's newest checkpoint, shown to its witnesses at once.

use eventstore::{LogHead, Published, Store, StoreError};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use proofs::note::{SignedNote, VerifierKey};
use proofs::policy::{Policy, Witness};
use tokio::time::Instant;

use super::Witnesses;
use super::ask::{Outcome, converse};
use super::rows::{self, Said};

/// What to ask, and of whom.
pub struct Round {
    /// The register's head.
    pub head: LogHead,
    /// What is published of it.
    pub shown: Option<Published>,
    /// The witnesses to ask, by index in the policy.
    pub ask: Vec<usize>,
    /// Whether every one is heard before anything is published.
    pub careful: bool,
}

/// How it went.
pub struct Done {
    /// What was asked.
    pub round: Round,
    /// What each witness said; those that were not waited for have said nothing.
    pub outcomes: Vec<(usize, Option<Outcome>)>,
    /// Whether a witness contradicts the store.
    pub faulty: bool,
}

/// The log's own note, with the cosignatures that the published one has of the same text.
pub fn candidate(
    witnesses: &Witnesses,
    head: &LogHead,
    shown: Option<&Published>,
) -> Result<SignedNote, StoreError> {
    let corrupt = |error| StoreError::corrupt("log", "checkpoint", &head.register, error);
    let mut note = SignedNote::parse(&head.checkpoint).map_err(corrupt)?;
    let Some(shown) = shown.and_then(|shown| SignedNote::parse(&shown.note).ok()) else { return Ok(note) };
    if shown.text() == note.text() {
        for witness in witnesses.policy().witnesses() {
            if shown.cosigned_at(&witness.key).is_ok() {
                shown
                    .signatures()
                    .iter()
                    .filter(|line| of(&witness.key, line))
                    .for_each(|line| note.push(line.clone()));
            }
        }
    }
    Ok(note)
}

fn met(policy: &Policy, note: &SignedNote) -> bool {
    policy.met(|witness| note.cosigned_at(&witness.key).is_ok())
}

/// Whether a line says to be of a key.
pub fn of(key: &VerifierKey, line: &proofs::note::NoteSignature) -> bool {
    line.id == key.id() && line.name == key.name()
}

impl Round {
    /// Asks, and publishes as soon as the policy allows.
    pub async fn run(
        self,
        store: &Store,
        witnesses: &Witnesses,
        client: &reqwest::Client,
    ) -> Result<Done, StoreError> {
        let (policy, options) = (witnesses.policy(), witnesses.options());
        let own = SignedNote::parse(&self.head.checkpoint)
            .map_err(|error| StoreError::corrupt("log", "checkpoint", &self.head.register, error))?;
        let mut note = candidate(witnesses, &self.head, self.shown.as_ref())?;
        let known = rows::said(store, &self.head.register).await?;
        // A witness that contradicted, and is not asked now, contradicts still.
        let stands = |(index, witness): (usize, &Witness)| {
            let known = known.get(&witness.key.to_string());
            known.is_some_and(|said| said.fault.is_some()) && !self.ask.contains(&index)
        };
        let mut faulty = policy.witnesses().iter().enumerate().any(stands);
        let mut last = self.shown.as_ref().map(|shown| shown.note.clone());
        let mut enough = !self.careful && !faulty && met(policy, &note);
        if enough {
            self.publish(store, witnesses, &note, &mut last).await?;
        }
        let mut outcomes: Vec<(usize, Option<Outcome>)> = Vec::new();
        let mut said = Vec::new();
        let mut asking: FuturesUnordered<_> = self
            .ask
            .iter()
            .map(|index| {
                let witness = &policy.witnesses()[*index];
                let known = known.get(&witness.key.to_string()).copied();
                let talk = converse(store, client, witness, &self.head, &own, known);
                async move { (*index, tokio::time::timeout(options.patience, talk).await) }
            })
            .collect();
        let mut until = Instant::now() + if enough { options.linger } else { options.patience * 2 };
        while let Ok(Some((index, answer))) = tokio::time::timeout_at(until, asking.next()).await {
            let key = &policy.witnesses()[index].key;
            let outcome = answer.unwrap_or(Ok(Outcome::Away("timed-out")))?;
            match &outcome {
                Outcome::Cosigned(line) => {
                    note.remove(key);
                    note.push(line.clone());
                    said.push((key, Said { size: self.head.size, fault: None }));
                }
                Outcome::Newer(size) => said.push((key, Said { size: *size, fault: None })),
                Outcome::Contradicts(what) => {
                    said.push((key, *what));
                    faulty = true;
                }
                Outcome::Unwilling(_) | Outcome::Away(_) => {}
            }
            outcomes.push((index, Some(outcome)));
            if !enough && !self.careful && !faulty && met(policy, &note) {
                enough = true;
                until = Instant::now() + options.linger;
                self.publish(store, witnesses, &note, &mut last).await?;
            }
        }
        drop(asking);
        let silent = self.ask.iter().filter(|index| outcomes.iter().all(|(heard, _)| heard != *index));
        outcomes.extend(silent.map(|index| (*index, None)).collect::<Vec<_>>());
        if !faulty && met(policy, &note) {
            self.publish(store, witnesses, &note, &mut last).await?;
        }
        rows::note(store, &self.head.register, &said).await?;
        Ok(Done { round: self, outcomes, faulty })
    }

    /// Publishes, unless this very note was published last.
    async fn publish(
        &self,
        store: &Store,
        witnesses: &Witnesses,
        note: &SignedNote,
        last: &mut Option<String>,
    ) -> Result<(), StoreError> {
        let text = note.to_string();
        if last.as_ref() == Some(&text) {
            return Ok(());
        }
        let cosigned = |witness: &&Witness| note.signatures().iter().any(|line| of(&witness.key, line));
        let count = witnesses.policy().witnesses().iter().filter(cosigned).count() as u64;
        if store.publish(&self.head.register, note, count).await? {
            witnesses.tell();
        }
        *last = Some(text);
        Ok(())
    }
}
