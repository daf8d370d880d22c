//! What witnesses said last, and which server asks them.

use std::collections::HashMap;

use eventstore::sql::Row;
use eventstore::{Store, StoreError, args};
use proofs::note::VerifierKey;
use proofs::policy::Policy;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use uuid::Uuid;

/// There is one lease, whatever the shards: one server asks the witnesses about all registers.
const LEASE: i64 = 0;

/// What is wrong with a register, by a witness's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The witness cosigned more entries than the store has: the store was rolled back.
    Ahead,
    /// The witness cosigned another tree: the log was forked.
    Forked,
}

impl Fault {
    /// As stored, and as told in health and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Forked => "forked",
        }
    }
}

/// A register of which nothing is published, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faulty {
    /// The register.
    pub register: Slug,
    /// The witness, by its name in the policy.
    pub witness: String,
    /// What is wrong.
    pub fault: Fault,
    /// The size that the witness cosigned.
    pub size: u64,
}

/// What a witness said of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The size that it cosigned.
    pub size: u64,
    /// What is wrong.
    pub fault: Option<Fault>,
}

/// What was said of a register, by witness.
pub async fn said(store: &Store, register: &Slug) -> Result<HashMap<String, Said>, StoreError> {
    let sql = "SELECT witness, size, fault FROM witness_head WHERE shard = $1 AND register = $2";
    let Some(shard) = store.shard_of(register).await? else { return Ok(HashMap::new()) };
    let rows = store.db().fetch_all(sql, args![shard, register]).await?;
    rows.iter().map(|row| Ok((row.text("witness")?, read(row)?))).collect()
}

/// Notes what witnesses said of a register.
pub async fn note(store: &Store, register: &Slug, said: &[(&VerifierKey, Said)]) -> Result<(), StoreError> {
    if said.is_empty() {
        return Ok(());
    }
    let Some(shard) = store.shard_of(register).await? else { return Ok(()) };
    let sql = "INSERT INTO witness_head (shard, register, witness, size, fault, said_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (shard, register, witness) DO UPDATE SET size = excluded.size, fault = excluded.fault, said_at = excluded.said_at";
    let now = store.clock().now();
    let mut tx = store.db().begin().await?;
    for (witness, said) in said {
        let fault = said.fault.map_or("", Fault::as_str);
        tx.execute(sql, args![shard, register, witness.to_string(), said.size, fault, now]).await?;
    }
    tx.commit().await
}

/// The registers with a fault, by the word of a witness of the policy.
pub async fn faulty(store: &Store, policy: &Policy) -> Result<Vec<Faulty>, StoreError> {
    let sql = "SELECT register, witness, size, fault FROM witness_head WHERE fault <> '' ORDER BY register, witness";
    let rows = store.db().fetch_all(sql, vec![]).await?;
    let mut found = Vec::new();
    for row in &rows {
        let key = row.text("witness")?;
        let witness = policy.witnesses().iter().find(|witness| witness.key.to_string() == key);
        if let (Some(witness), Said { size, fault: Some(fault) }) = (witness, read(row)?) {
            found.push(Faulty {
                register: row.parse("register")?,
                witness: witness.name.clone(),
                fault,
                size,
            });
        }
    }
    Ok(found)
}

fn read(row: &Row) -> Result<Said, StoreError> {
    let fault = match row.text("fault")?.as_str() {
        "ahead" => Some(Fault::Ahead),
        "forked" => Some(Fault::Forked),
        _ => None,
    };
    Ok(Said { size: row.uint("size")?, fault })
}

/// Takes or renews the lease; false while another server has it. One that has half of its time left is not written again.
pub async fn lease(store: &Store, holder: Uuid, now: Timestamp, millis: i64) -> Result<bool, StoreError> {
    let sql = "SELECT holder, until FROM witness_lease WHERE shard = $1";
    if let Some(row) = store.db().fetch_optional(sql, args![LEASE]).await? {
        let (until, mine) = (row.time("until")?, row.opt_uuid("holder")? == Some(holder));
        if mine && until > now.plus_millis(millis / 2) {
            return Ok(true);
        }
        if !mine && until > now {
            return Ok(false);
        }
    }
    let sql = "INSERT INTO witness_lease (shard, holder, until) VALUES ($1, $2, $4)
        ON CONFLICT (shard) DO UPDATE SET holder = excluded.holder, until = excluded.until
        WHERE witness_lease.until <= $3 OR witness_lease.holder = $2";
    let mut tx = store.db().begin().await?;
    let taken = tx.execute(sql, args![LEASE, holder, now, now.plus_millis(millis)]).await?;
    tx.commit().await?;
    Ok(taken > 0)
}

/// Gives the lease back, so that another server need not wait for its end.
pub async fn give_back(store: &Store, holder: Uuid) -> Result<(), StoreError> {
    let sql = "UPDATE witness_lease SET holder = NULL, until = 0 WHERE shard = $1 AND holder = $2";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![LEASE, holder]).await?;
    tx.commit().await
}
