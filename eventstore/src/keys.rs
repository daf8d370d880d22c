//! Keys that the installation signs with: sealed at rest, or kept by a device and only referred to. Nothing outside this file and
//! the sealing of what older versions left reads a seed; everyone else is given a [`Signer`].

use std::fmt;
use std::sync::Arc;

use proofs::key::{Kid, PrivateKey, PublicKey};
use proofs::signer::{SignError, Signer, signed};
use zeroize::Zeroizing;

use crate::args;
use crate::clock::Entropy;
use crate::error::StoreError;
use crate::seal::{DataKey, SealError};
use crate::sql::{Dialect, Row, Tx};
use crate::store::Store;

/// The purpose of a key that signs a register's checkpoints; its owner is the register.
pub const CHECKPOINT: &str = "checkpoint";
/// The purpose of a key that signs a department's statements; its owner is the department.
pub const STATEMENT: &str = "statement";
/// The purpose of a key that signs the installation's access tokens; its owner is `installation`.
pub const TOKEN: &str = "token";

/// What [`Keyring::read`] wants.
pub(crate) const COLUMNS: &str = "owner, purpose, kid, public, sealed, reference";
/// What a new key is tried out on.
const TRIAL: &[u8] = b"reestr: does this key sign?";

/// Finds the signers of keys whose private half is not in the store.
pub trait KeyHolder: Send + Sync {
    /// The signer that a reference names. Does not ask it for anything yet: a device that is away is found out when it is to sign.
    fn signer(&self, reference: &str, public: PublicKey) -> Result<Arc<dyn Signer>, SignError>;
}

/// Holds nothing: for stores that have all their keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHolder;

impl KeyHolder for NoHolder {
    fn signer(&self, _reference: &str, public: PublicKey) -> Result<Arc<dyn Signer>, SignError> {
        let kid = public.kid();
        Err(SignError::new(format_args!("key {kid} is kept elsewhere, and nothing says how to reach it")))
    }
}

/// A key of which nobody knows where to ask: it fails whoever wants it to sign, and nobody else.
#[derive(Debug)]
struct OutOfReach {
    public: PublicKey,
    why: SignError,
}

impl Signer for OutOfReach {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, _message: &[u8]) -> Result<[u8; 64], SignError> {
        Err(self.why.clone())
    }
}

/// What turns a row into a signer.
#[derive(Clone)]
pub(crate) struct Keyring {
    pub data_key: Arc<DataKey>,
    pub holder: Arc<dyn KeyHolder>,
}

impl Keyring {
    /// The signer of a row, checked against its identifier: another key would sign what nobody can verify.
    pub(crate) fn read(&self, row: &Row) -> Result<Arc<dyn Signer>, StoreError> {
        let kid = row.text("kid")?;
        let named = |error: StoreError| error.at("signing_key", || kid.clone());
        let corrupt = |column, why: &dyn fmt::Display| StoreError::corrupt("signing_key", column, &kid, why);
        if let Some(reference) = row.opt_text("reference").map_err(named)? {
            let public = row.blob("public").map_err(named)?;
            let public: [u8; 32] = public.try_into().map_err(|_| corrupt("public", &"has not 32 bytes"))?;
            let public = PublicKey::from_bytes(&public).map_err(|error| corrupt("public", &error))?;
            if public.kid().as_str() != kid {
                return Err(corrupt("public", &"is not the key of its identifier"));
            }
            let found = self.holder.signer(&reference, public);
            return Ok(found.unwrap_or_else(|why| Arc::new(OutOfReach { public, why })));
        }
        let (owner, purpose) = (row.text("owner").map_err(named)?, row.text("purpose").map_err(named)?);
        let sealed = row.blob("sealed").map_err(named)?;
        let seed = self.data_key.open(&[&owner, &purpose, &kid], &sealed);
        let seed = seed.map_err(|error| corrupt("sealed", &error))?;
        Ok(Arc::new(from_seed("signing_key", "sealed", &kid, &seed)?))
    }
}

/// The key of a seed, if it is the one of the identifier.
pub(crate) fn from_seed(
    table: &'static str,
    column: &str,
    kid: &str,
    seed: &[u8],
) -> Result<PrivateKey, StoreError> {
    let key = seed.try_into().map(PrivateKey::from_seed);
    let key = key.map_err(|_| StoreError::corrupt(table, column, kid, "a seed has 32 bytes"))?;
    if key.kid().as_str() == kid {
        Ok(key)
    } else {
        Err(StoreError::corrupt(table, column, kid, "is not the key of its identifier"))
    }
}

/// A key as it is stored.
pub(crate) struct Kept {
    public: PublicKey,
    sealed: Option<Vec<u8>>,
    reference: Option<String>,
}

impl Kept {
    /// A key at hand, sealed for its place.
    pub(crate) fn sealed(
        owner: &str,
        purpose: &str,
        key: &PrivateKey,
        data_key: &DataKey,
        entropy: &dyn Entropy,
    ) -> Result<Self, SealError> {
        let sealed = data_key.seal(&[owner, purpose, key.kid().as_str()], key.seed(), entropy)?;
        Ok(Self { public: key.public(), sealed: Some(sealed), reference: None })
    }

    /// Keeps it as the newest of its owner and purpose. One that is kept already stays where it is.
    pub(crate) async fn insert(&self, tx: &mut Tx, owner: &str, purpose: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO signing_key (owner, purpose, ordinal, kid, public, sealed, reference)
            SELECT $1, $2, (SELECT COALESCE(MAX(ordinal), 0) + 1 FROM signing_key WHERE owner = $1 AND purpose = $2), $3, $4, $5, $6
            WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE owner = $1 AND purpose = $2 AND kid = $3)";
        let arguments = args![
            owner,
            purpose,
            &self.public.kid(),
            self.public.as_bytes().as_slice(),
            self.sealed.clone(),
            self.reference.clone()
        ];
        tx.execute(sql, arguments).await?;
        Ok(())
    }
}

impl Store {
    /// Keeps a key that was made elsewhere as the newest of its owner and purpose. One that is kept already stays where it is.
    pub async fn put_key(&self, owner: &str, purpose: &str, key: &PrivateKey) -> Result<(), StoreError> {
        let kept = self.sealed(owner, purpose, key)?;
        let mut tx = self.begin_keys().await?;
        kept.insert(&mut tx, owner, purpose).await?;
        tx.commit().await
    }

    /// Keeps a reference to a key that a device or another process holds, as the newest of its owner and purpose. The key has to
    /// sign something first: a register whose checkpoints nobody can sign takes no entry.
    pub async fn put_reference(
        &self,
        owner: &str,
        purpose: &str,
        reference: &str,
        public: PublicKey,
    ) -> Result<(), StoreError> {
        let refused = |why| StoreError::Signer { what: format!("anything by {reference}"), why };
        let signer = self.keyring().holder.signer(reference, public).map_err(refused)?;
        let tried = tokio::task::spawn_blocking(move || signed(&*signer, TRIAL)).await;
        let tried = tried.map_err(|_| StoreError::Internal("a task that signs has ended".to_owned()))?;
        tried.map_err(refused)?;
        let kept = Kept { public, sealed: None, reference: Some(reference.to_owned()) };
        let mut tx = self.begin_keys().await?;
        kept.insert(&mut tx, owner, purpose).await?;
        tx.commit().await
    }

    /// Makes a key, and keeps it as the newest of its owner and purpose.
    pub async fn new_key(&self, owner: &str, purpose: &str) -> Result<Arc<dyn Signer>, StoreError> {
        let key = self.random_key();
        self.put_key(owner, purpose, &key).await?;
        Ok(Arc::new(key))
    }

    /// The newest key of an owner for a purpose; made and kept when there is none, so that no entry ever names a key that was
    /// lost. However many servers ask at once, all are given the same.
    pub async fn keep_key(&self, owner: &str, purpose: &str) -> Result<Arc<dyn Signer>, StoreError> {
        if let Some(key) = self.key(owner, purpose).await? {
            return Ok(key);
        }
        let key = self.random_key();
        let kept = self.sealed(owner, purpose, &key)?;
        let mut tx = self.begin_keys().await?;
        let newest = tx.fetch_optional(&newest(), args![owner, purpose]).await?;
        if let Some(newest) = newest {
            tx.rollback().await?;
            return self.keyring().read(&newest);
        }
        kept.insert(&mut tx, owner, purpose).await?;
        tx.commit().await?;
        Ok(Arc::new(key))
    }

    /// The newest key of an owner for a purpose.
    pub async fn key(&self, owner: &str, purpose: &str) -> Result<Option<Arc<dyn Signer>>, StoreError> {
        let row = self.db().fetch_optional(&newest(), args![owner, purpose]).await?;
        row.as_ref().map(|row| self.keyring().read(row)).transpose()
    }

    /// The key of an identifier.
    pub async fn key_by_kid(&self, kid: &Kid) -> Result<Option<Arc<dyn Signer>>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM signing_key WHERE kid = $1 LIMIT 1");
        let row = self.db().fetch_optional(&sql, args![kid]).await?;
        row.as_ref().map(|row| self.keyring().read(row)).transpose()
    }

    fn sealed(&self, owner: &str, purpose: &str, key: &PrivateKey) -> Result<Kept, StoreError> {
        Ok(Kept::sealed(owner, purpose, key, &self.keyring().data_key, self.entropy())?)
    }

    fn random_key(&self) -> PrivateKey {
        let mut seed = Zeroizing::new([0; 32]);
        self.entropy().fill(&mut *seed);
        PrivateKey::from_seed(&seed)
    }

    /// A transaction that alone adds keys: two that took the same ordinal would fail one another.
    async fn begin_keys(&self) -> Result<Tx, StoreError> {
        let mut tx = self.db().begin().await?;
        if tx.dialect() == Dialect::Postgres {
            // Against other writers of the table, never against readers.
            tx.execute("LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE", args![]).await?;
        }
        Ok(tx)
    }

    /// Is a key kept for this owner and purpose?
    pub async fn keeps(&self, owner: &str, purpose: &str, kid: &Kid) -> Result<bool, StoreError> {
        let sql = "SELECT kid FROM signing_key WHERE owner = $1 AND purpose = $2 AND kid = $3 LIMIT 1";
        Ok(self.db().fetch_optional(sql, args![owner, purpose, kid]).await?.is_some())
    }
}

fn newest() -> String {
    format!(
        "SELECT {COLUMNS} FROM signing_key WHERE owner = $1 AND purpose = $2 ORDER BY ordinal DESC LIMIT 1"
    )
}
