//! Where an audit reads from. All that comes out of it is evidence to be checked, never to be believed.

use proofs::slug::Slug;
use proofs::tile::TilePath;

use super::archive::Archive;
use super::fetch::{CouldNotCheck, Fetch, Listing};

/// What is audited.
pub enum Source {
    /// A server, over HTTP.
    Http(Fetch),
    /// A register in a file, with `departments` and `registers`.
    Archive(Box<Archive>),
}

impl Source {
    /// The registers that it says it has.
    pub async fn registers(&self) -> Result<Vec<Slug>, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.registers().await,
            Self::Archive(archive) => Ok(vec![archive.register().clone()]),
        }
    }

    /// A register's checkpoint, as it is signed.
    pub async fn checkpoint(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.checkpoint(register).await,
            Self::Archive(archive) => archive.checkpoint(register),
        }
    }

    /// A register's verifier key (vkey), as the source has it.
    pub async fn key(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.key(register).await,
            Self::Archive(archive) => Ok(archive.key(register)),
        }
    }

    /// A tile or entry bundle; `None` where there is none, or it cannot be read.
    pub async fn tile(&self, register: &Slug, path: &TilePath) -> Result<Option<Vec<u8>>, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.tile(register, path).await,
            Self::Archive(archive) => archive.tile(register, path),
        }
    }

    /// Entries with the bodies that may be seen, so many from this index on. `None`: none may be seen at all.
    pub async fn entries(
        &self,
        register: &Slug,
        from: u64,
        count: u64,
    ) -> Result<Option<Listing>, CouldNotCheck> {
        match self {
            Self::Http(fetch) => fetch.entries(register, from, count).await,
            Self::Archive(archive) => Ok(archive.entries(register, from, count)?.map(Listing::Lines)),
        }
    }

    /// Whether every body must be shown, however confidential: an archive is given to those who may see what is in it.
    pub fn shows_all(&self) -> bool {
        matches!(self, Self::Archive(_))
    }
}
