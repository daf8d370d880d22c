//! Proofs: the wire format of a signed register, version 1 (`docs/format.md`), and nothing else.
//!
//! An auditor who trusts this crate needs no other part of Reestr: with it alone a statement, a leaf, a checkpoint,
//! an inclusion or consistency proof and a whole receipt are checked, offline, from bytes.
//!
//! **In scope.** Canonical JSON ([`jcs`]), statements ([`statement`]) and the bodies they commit to ([`body`]), leaves ([`leaf`]),
//! Merkle trees ([`merkle`]) and their tiles ([`tile`]), signed notes ([`note`]), checkpoints ([`checkpoint`]),
//! what is asked of a witness and when it may cosign ([`witness`]), whose cosignatures suffice ([`policy`]),
//! tlog-proofs ([`proof`]), receipts ([`receipt`]), keys ([`key`]), whoever signs with them ([`signer`]) and the small types that
//! all of them are made of
//! ([`hash`], [`slug`], [`time`]).
//!
//! **Not in scope, and so absent.** Input and output, clocks, randomness, storage and HTTP: everything here is a function of its
//! arguments. What a register's entries mean (`domain`), which key was in force when (the caller answers that, see
//! [`receipt::Receipt::verify`]), and cryptographic primitives: Ed25519 is `ed25519-dalek`'s, SHA-256 is `sha2`'s.
//!
//! **Invariants.**
//! - Every parser is total: any bytes give a value or an error, never a panic, in time and memory bounded by the input.
//! - Every parser is strict: a value has one encoding, and what parses re-encodes to the bytes it came from. The one exception
//!   is a statement's protected header, which is kept as its issuer sent it.
//! - What one verifier accepts, every verifier accepts: keys of small order and non-canonical encodings are refused before
//!   any signature is looked at, and signatures are checked one by one, strictly (see [`key::PublicKey::verify`]).
//! - Errors name places and rules, not content: nothing of a body ever gets into a message.
//!
//! **To change the format** change `docs/format.md` first, give [`statement::TYP`] a new version, and keep the old one readable:
//! registers are kept for a century.

// Whatever can fail is an error that says so: nothing that is served may panic.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)
)]

pub mod body;
pub mod checkpoint;
mod encoding;
pub mod hash;
pub mod jcs;
pub mod key;
pub mod keyring;
pub mod leaf;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod signer;
pub mod slug;
pub mod statement;
pub mod tile;
pub mod time;
pub mod witness;
