//! Receipts: an entry, its place in the tree, and the checkpoint that covers it.

use proofs::hash::leaf_hash;
use proofs::leaf::Leaf;
use proofs::merkle::{Grown, ProofError, verify_inclusion};
use proofs::proof::TlogProof;
use proofs::receipt::Receipt;
use proofs::slug::Slug;

use crate::args;
use crate::error::StoreError;
use crate::model::{Appended, NewEntry, StoredEntry};
use crate::published;
use crate::reader;
use crate::store::Store;

/// An entry that is proved to be in its register.
#[derive(Debug, Clone)]
pub struct ProvedEntry {
    /// The entry.
    pub entry: StoredEntry,
    leaf: Vec<u8>,
    proof: TlogProof,
}

impl ProvedEntry {
    /// Its receipt, with body and salt where the entry has them: whose reader may not see them takes them out before.
    pub fn receipt(self) -> Result<Receipt, StoreError> {
        let Self { entry, leaf, proof } = self;
        let body = entry.body.as_deref().map(serde_json::from_slice).transpose();
        let body = body.map_err(|error| StoreError::corrupt("entry", "body", entry.position, error))?;
        Ok(Receipt { leaf, index: proof.index, proof, body, salt: entry.salt })
    }
}

impl Store {
    /// An entry under the checkpoint that is published, if that covers it.
    pub async fn proved(&self, register: &Slug, index: u64) -> Result<Option<ProvedEntry>, StoreError> {
        let Some(shard) = self.shard_of(register).await? else { return Ok(None) };
        let sql = format!(
            "SELECT {}, {} FROM {} LEFT JOIN entry e
             ON e.shard = $1 AND e.register = $2 AND e.leaf_index = $3 WHERE shown.shard = $1 AND shown.register = $2",
            published::COLUMNS,
            reader::COLUMNS,
            published::shown(self.witnessed()),
        );
        let rows = self.db().fetch_together(&sql, args![shard, register, index]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let head = published::read(row, register.clone())?;
        let there = row.opt_int("position").map_err(|error| error.at("entry", String::new))?;
        if there.is_none() {
            return Ok(None);
        }
        let entry = reader::read(row)?;
        let Some(path) = self.inclusion(register, index, head.size).await? else { return Ok(None) };
        let leaf = entry.leaf().to_bytes();
        // What is handed out as proof is proved first: a disk or a hand that changed a hash is found here, not by a court.
        verify_inclusion(&leaf_hash(&leaf), index, head.size, &path, &head.root).map_err(|error| {
            StoreError::corrupt("entry", "leaf_hash", format!("{register}/{index}"), error)
        })?;
        Ok(Some(ProvedEntry {
            entry,
            leaf,
            proof: TlogProof { index, extra: None, path, checkpoint: head.note },
        }))
    }

    /// The receipt of an entry under the checkpoint that is published, if that covers it, with body and salt: the caller strips what its reader may not see.
    pub async fn receipt(&self, register: &Slug, index: u64) -> Result<Option<Receipt>, StoreError> {
        self.proved(register, index).await?.map(ProvedEntry::receipt).transpose()
    }

    /// The receipt of an entry that was just appended, under the checkpoint that it was committed with, and from nothing but memory: as
    /// [`Store::receipt`] would have given it then. None when it was appended by another process, or before, or when
    /// checkpoints are shown only once they are published.
    pub fn fresh_receipt(&self, appended: &Appended, new: &NewEntry) -> Result<Option<Receipt>, StoreError> {
        let Some(head) = appended.head.0.as_ref().filter(|_| !self.witnessed()) else { return Ok(None) };
        let wrong = |error: &ProofError| StoreError::Internal(format!("the proof of a new entry: {error}"));
        let grown =
            head.grown.get_or_init(|| Grown::new(&head.before, &head.new_hashes)).as_ref().map_err(wrong)?;
        let path = grown.inclusion(appended.index).map_err(|error| wrong(&error))?;
        let leaf = Leaf { recorded_at: appended.recorded_at, statement: new.statement.clone() }.to_bytes();
        verify_inclusion(&leaf_hash(&leaf), appended.index, grown.size(), &path, &head.root)
            .map_err(|error| wrong(&error))?;
        let body =
            serde_json::from_slice(&new.body).map_err(|error| StoreError::Internal(error.to_string()))?;
        let proof =
            TlogProof { index: appended.index, extra: None, path, checkpoint: head.checkpoint.clone() };
        Ok(Some(Receipt { leaf, index: appended.index, proof, body: Some(body), salt: Some(new.salt) }))
    }
}
