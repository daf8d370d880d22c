//! Where an audit reads from. All that comes out of it is evidence to be checked, never to be believed.

use proofs::slug::Slug;
use proofs::tile::TilePath;

use super::fetch::{CouldNotCheck, Fetch, Served};

/// What is audited.
pub enum Source {
    /// A server, over HTTP.
    Http(Fetch),
}

impl Source {
    /// The registers that it says it has.
    pub async fn registers(&self) -> Result<Vec<Slug>, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.registers().await,
        }
    }

    /// A register's checkpoint, as it is signed.
    pub async fn checkpoint(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.checkpoint(register).await,
        }
    }

    /// A register's verifier key (vkey), as the source has it.
    pub async fn key(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.key(register).await,
        }
    }

    /// A tile or entry bundle; `None` where there is none, or it cannot be read.
    pub async fn tile(&self, register: &Slug, path: &TilePath) -> Result<Option<Vec<u8>>, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.tile(register, path).await,
        }
    }

    /// Entries with the bodies that may be seen, so many from this index on. `None`: none may be seen at all.
    pub async fn entries(
        &self,
        register: &Slug,
        from: u64,
        count: u64,
    ) -> Result<Option<Vec<Served>>, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.entries(register, from, count).await,
        }
    }
}
