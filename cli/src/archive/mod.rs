//! Archives: a register in one file that proves itself (`docs/format.md`, "Archive").
//!
//! In scope: the layout, which [`layout`] knows for reader and writer alike; reading without trust ([`index`], [`bodies`]), which
//! needs nothing but [`std::io::Read`] and [`std::io::Seek`]; writing from a store
//! ([`export`]), and making a mirror ([`import`]).
//! Not in scope: whether what an archive holds is true. That is for `audit`, which reads it as it reads a server.
//!
//! **Invariants.** No input makes the reader panic, take more memory than one member of a tile's size, or look beyond the
//! file; what it takes is written in the one way there is, byte for byte.

pub mod bodies;
pub mod definition;
pub mod export;
pub mod header;
pub mod import;
pub mod index;
pub mod layout;
mod resume;
