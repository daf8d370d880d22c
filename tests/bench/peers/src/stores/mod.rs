//! One store a file, each as its own documentation would have it used.

pub mod disintegrate;
pub mod postgres_es;
pub mod uma;

use proofs::statement::SignedStatement;
use serde_json::{Value, json};

use crate::entries::Signed;
use crate::failure::Failure;

/// An entry's record, and its bytes as one JSON document. Nobody checks the signature.
fn document(entry: &Signed) -> Result<(uuid::Uuid, Value), Failure> {
    let statement =
        SignedStatement::parse(&entry.statement).map_err(|error| Failure::because("a statement", &error))?;
    let body: Value =
        serde_json::from_slice(&entry.body).map_err(|error| Failure::because("a body", &error))?;
    let document = json!({ "statement": entry.statement, "body": body, "salt": entry.salt });
    Ok((statement.statement().record, document))
}
