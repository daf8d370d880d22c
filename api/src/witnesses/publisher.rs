//! The process that asks witnesses, as long as its server has the lease.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use eventstore::{LogHead, Published, Store, StoreError};
use futures_util::stream::{self, StreamExt as _};
use proofs::note::SignedNote;
use proofs::slug::Slug;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::ask::Outcome;
use super::backoff::Backoff;
use super::round::{Done, Round, of};
use super::{Witnesses, rows};
use crate::registry::new_uuid;

/// Registers that are asked about at once: each is a request to every witness.
const AT_ONCE: usize = 8;

/// The running process. Dropping it ends it without giving the lease back.
pub struct Publisher {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Starts to ask.
    pub fn start(store: &Store, witnesses: &Witnesses) -> Result<Self, reqwest::Error> {
        // No redirects: a witness is where the policy says, and nowhere else.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            holder: new_uuid(store),
            store: store.clone(),
            backoff: Backoff::new(witnesses.options()),
            witnesses: witnesses.clone(),
            client,
            confirmed: HashSet::new(),
            settled: HashMap::new(),
        };
        Ok(Self { stop, task: tokio::spawn(keeper.run(stopped)) })
    }

    /// Ends, and lets another server ask.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "asking witnesses ended by a panic");
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    holder: Uuid,
    store: Store,
    witnesses: Witnesses,
    client: reqwest::Client,
    backoff: Backoff,
    /// Registers of which every witness that answers was heard since this server has the lease, and none contradicted.
    confirmed: HashSet<Slug>,
    /// Checkpoints that every witness has cosigned.
    settled: HashMap<Slug, String>,
}

impl Keeper {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(self.witnesses.options().tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut appended = self.store.watch();
        while !*stop.borrow() {
            appended.mark_unchanged();
            let looked = tokio::select! {
                looked = self.look() => looked,
                // What was asked and not heard is asked again by whoever comes next.
                _ = stop.changed() => break,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "witnesses cannot be asked now, will try again");
                tick.reset();
                tokio::select! {
                    _ = tick.tick() => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            tokio::select! {
                _ = tick.tick() => {}
                _ = appended.changed() => {}
                _ = stop.changed() => {}
            }
        }
        if let Err(error) = rows::give_back(&self.store, self.holder).await {
            tracing::warn!(%error, "the asking of witnesses could not be given back; its lease will end");
        }
    }

    /// Asks about all registers of which there is something to ask.
    async fn look(&mut self) -> Result<(), StoreError> {
        let millis = i64::try_from(self.witnesses.options().lease.as_millis()).unwrap_or(i64::MAX);
        if !rows::lease(&self.store, self.holder, self.store.clock().now(), millis).await? {
            // Meanwhile the store may become another: whoever has the lease again begins anew.
            self.confirmed.clear();
            self.settled.clear();
            return Ok(());
        }
        let heads = self.store.logs().await?;
        if heads.iter().all(|head| self.settled.get(&head.register) == Some(&head.checkpoint)) {
            return Ok(());
        }
        let mut shown = self.store.all_published().await?;
        let rounds: Vec<Round> = heads.into_iter().filter_map(|head| self.due(head, &mut shown)).collect();
        let (store, witnesses, client) = (&self.store, &self.witnesses, &self.client);
        let done: Vec<_> = stream::iter(rounds)
            .map(|round| round.run(store, witnesses, client))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for done in done {
            self.take_in(&done?);
        }
        Ok(())
    }

    /// What is to be asked about a register, if anything.
    fn due(&mut self, head: LogHead, shown: &mut BTreeMap<Slug, Published>) -> Option<Round> {
        if self.settled.get(&head.register) == Some(&head.checkpoint) {
            return None;
        }
        let shown = shown.remove(&head.register);
        let careful = !self.confirmed.contains(&head.register);
        let note = shown.as_ref().and_then(|shown| SignedNote::parse(&shown.note).ok());
        let current = shown.as_ref().is_some_and(|shown| shown.size == head.size && shown.root == head.root);
        let policy = self.witnesses.policy();
        let has = |index: usize| {
            let key = &policy.witnesses()[index].key;
            current && note.as_ref().is_some_and(|note| note.signatures().iter().any(|line| of(key, line)))
        };
        let (all, now) = (0..policy.witnesses().len(), Instant::now());
        let missing: Vec<usize> = all.filter(|index| careful || !has(*index)).collect();
        let ask: Vec<usize> =
            missing.iter().copied().filter(|index| self.backoff.free(*index, &head.register, now)).collect();
        // The log's own signatures can change with its keys while its tree stays.
        let signed = note.as_ref().is_some_and(|note| {
            SignedNote::parse(&head.checkpoint)
                .is_ok_and(|own| own.signatures().iter().all(|line| note.signatures().contains(line)))
        });
        if missing.is_empty() && current && signed {
            self.settled.insert(head.register, head.checkpoint);
            return None;
        }
        let unpublished = !(current && signed);
        let without_asking = unpublished && !careful && (policy.asks_for_none() || current);
        (careful || without_asking || !ask.is_empty()).then_some(Round { head, shown, ask, careful })
    }

    fn take_in(&mut self, done: &Done) {
        let register = &done.round.head.register;
        let (names, now) = (self.witnesses.policy().witnesses(), Instant::now());
        for (index, outcome) in &done.outcomes {
            let (name, witnesses) = (&names[*index].name, &self.witnesses);
            match outcome {
                Some(Outcome::Cosigned(_)) => {
                    witnesses.count(name, "cosigned");
                    self.backoff.content(*index, register);
                }
                Some(Outcome::Newer(_)) => {
                    witnesses.count(name, "newer");
                    self.backoff.content(*index, register);
                }
                Some(Outcome::Contradicts(said)) => {
                    let fault = said.fault.map_or("", rows::Fault::as_str);
                    witnesses.count(name, fault_label(said.fault));
                    tracing::error!(
                        %register, witness = name, fault, witnessed = said.size, here = done.round.head.size,
                        "a witness has cosigned what the store has not: the register was rolled back or forked, and is not published"
                    );
                    self.backoff.answered(*index);
                    self.backoff.pause(*index, Some(register), now);
                }
                Some(Outcome::Unwilling(status)) => {
                    witnesses.count(name, "unwilling");
                    tracing::warn!(%register, witness = name, status, "a witness will not cosign the register");
                    self.backoff.answered(*index);
                    self.backoff.pause(*index, Some(register), now);
                }
                Some(Outcome::Away(word)) => {
                    witnesses.count(name, word);
                    tracing::warn!(witness = name, why = word, "a witness is away");
                    self.backoff.pause(*index, None, now);
                }
                None => {
                    witnesses.count(name, "slow");
                    self.backoff.pause(*index, None, now);
                }
            }
        }
        if done.faulty {
            self.confirmed.remove(register);
        } else {
            self.confirmed.insert(register.clone());
        }
    }
}

fn fault_label(fault: Option<rows::Fault>) -> &'static str {
    fault.map_or("contradicts", rows::Fault::as_str)
}
