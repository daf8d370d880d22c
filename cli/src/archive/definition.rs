//! `definition.json`: the definition in force, for people who open the file by hand.

use proofs::jcs::{self, JcsError};
use proofs::slug::Slug;
use serde_json::Value;

/// The definition that an entry of `registers` gives a register, if it gives it one. The newest is in force.
pub fn given<'b>(register: &Slug, entry_type: &str, body: &'b Value) -> Option<&'b Value> {
    let defines = matches!(entry_type, "defined" | "redefined") && body["slug"] == register.as_str();
    body.get("definition").filter(|_| defines)
}

/// The file: the definition in canonical form, and a newline.
pub fn encode(definition: &Value) -> Result<Vec<u8>, JcsError> {
    let mut bytes = jcs::canonical(definition)?;
    bytes.push(b'\n');
    Ok(bytes)
}
