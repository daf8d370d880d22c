//! The one row of `seal`: the data key, sealed under the master key.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::data_key::DataKey;
use super::master::{Costs, MasterKey, SealError};
use super::{Source, off_async, upgrade};
use crate::args;
use crate::clock::Entropy;
use crate::error::StoreError;
use crate::sql::{Arg, Db, Row, Tx};

/// What the data key is sealed for.
const PLACE: [&str; 2] = ["seal", "data key"];
const READ: &str = "SELECT salt, memory_kib, passes, lanes, wrapped FROM seal WHERE id = 1";

/// The data key under its seal.
pub(super) struct Wrapped {
    costs: Option<Costs>,
    bytes: Vec<u8>,
}

/// The data key of a store, made when it has none; then seals what an older version left in the clear.
pub(crate) async fn open(
    db: &Db,
    source: Source,
    entropy: &Arc<dyn Entropy>,
) -> Result<Arc<DataKey>, StoreError> {
    let stored = read(db).await?;
    let first = stored.is_none();
    let asked = source.clone();
    let master = off_async(move || asked.master_key(first).map_err(SealError::Missing)).await?;
    let stored = match stored {
        Some(stored) => stored,
        None => create(db, &master, entropy).await?,
    };
    let data_key = match off_async(move || stored.unwrap(&master)).await {
        Err(StoreError::Seal(error @ (SealError::Wrong(_) | SealError::Method { .. }))) if first => {
            source.refused();
            return Err(error.into());
        }
        opened => Arc::new(opened?),
    };
    upgrade::run(db, &data_key, &**entropy).await?;
    Ok(data_key)
}

/// Makes a data key, unless another server has; gives what is stored then.
async fn create(db: &Db, master: &MasterKey, entropy: &Arc<dyn Entropy>) -> Result<Wrapped, StoreError> {
    let data_key = DataKey::random(&**entropy)?;
    let wrapped = wrap(&data_key, master, &**entropy).await?;
    let sql = "INSERT INTO seal (id, salt, memory_kib, passes, lanes, wrapped, erased) VALUES (1, $1, $2, $3, $4, $5, 1)
        ON CONFLICT (id) DO NOTHING";
    let mut tx = db.begin().await?;
    tx.execute(sql, wrapped.args()).await?;
    tx.commit().await?;
    read(db).await?.ok_or_else(|| StoreError::corrupt("seal", "id", 1, "no row"))
}

/// Seals the data key under another master key.
pub(super) async fn rewrap(
    db: &Db,
    data_key: &DataKey,
    master: &MasterKey,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    let wrapped = wrap(data_key, master, entropy).await?;
    let mut tx = db.begin().await?;
    wrapped.replace(&mut tx).await?;
    tx.commit().await
}

pub(super) async fn wrap(
    data_key: &DataKey,
    master: &MasterKey,
    entropy: &dyn Entropy,
) -> Result<Wrapped, StoreError> {
    let costs = match master {
        MasterKey::Bytes(_) => None,
        MasterKey::Passphrase(_) => {
            let mut salt = [0; 16];
            entropy.fill(&mut salt);
            Some(Costs::new(salt))
        }
    };
    let (deriving, with) = (master.clone(), costs.clone());
    let key = off_async(move || deriving.derive(with.as_ref())).await?;
    Ok(Wrapped { costs, bytes: key.seal(&PLACE, data_key.bytes(), entropy)? })
}

async fn read(db: &Db) -> Result<Option<Wrapped>, StoreError> {
    let row = db.fetch_optional(READ, args![]).await?;
    row.as_ref().map(Wrapped::read).transpose().map_err(|error| error.at("seal", || "1".to_owned()))
}

impl Wrapped {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let number = |column: &str| -> Result<u32, StoreError> {
            u32::try_from(row.uint(column)?).map_err(|_| StoreError::Seal(SealError::Costs))
        };
        let costs = match row.opt_blob("salt")? {
            None => None,
            Some(salt) => {
                let salt = salt.try_into().map_err(|_| StoreError::Seal(SealError::Costs))?;
                let (memory_kib, passes, lanes) =
                    (number("memory_kib")?, number("passes")?, number("lanes")?);
                Some(Costs { salt, memory_kib, passes, lanes }.checked()?)
            }
        };
        Ok(Self { costs, bytes: row.blob("wrapped")? })
    }

    fn unwrap(&self, master: &MasterKey) -> Result<DataKey, SealError> {
        let key = master.derive(self.costs.as_ref())?;
        let opened = key.open(&PLACE, &self.bytes).map_err(|_| SealError::Wrong(master.method()))?;
        let bytes: &[u8; 32] = opened.first_chunk().ok_or(SealError::Wrong(master.method()))?;
        DataKey::new(Zeroizing::new(*bytes))
    }

    /// Puts it in the place of the one before.
    pub(super) async fn replace(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let sql =
            "UPDATE seal SET salt = $1, memory_kib = $2, passes = $3, lanes = $4, wrapped = $5 WHERE id = 1";
        tx.execute(sql, self.args()).await?;
        Ok(())
    }

    fn args(&self) -> Vec<Arg> {
        let costs = self.costs.as_ref();
        let number = |of: fn(&Costs) -> u32| costs.map(|costs| i64::from(of(costs)));
        args![
            costs.map(|costs| costs.salt.to_vec()),
            number(|costs| costs.memory_kib),
            number(|costs| costs.passes),
            number(|costs| costs.lanes),
            self.bytes.clone()
        ]
    }
}
