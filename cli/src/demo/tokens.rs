//! Credentials for the demo: `tokens.json`, and the same as header files that `curl -H @FILE` takes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Writes tokens by role, readable by their owner alone.
pub fn write(data: &Path, tokens: &[(&str, String)]) -> Result<(), Failure> {
    let all: Map<String, Value> =
        tokens.iter().map(|(role, token)| ((*role).to_owned(), Value::from(token.as_str()))).collect();
    let text = serde_json::to_string_pretty(&all).map_err(|error| Failure::because("tokens.json", &error))?;
    private(&data.join("tokens.json"), &format!("{text}\n"))?;
    let headers = data.join("headers");
    fs::create_dir_all(&headers)
        .map_err(|error| Failure::failed(format!("cannot make {}: {error}", headers.display())))?;
    for (role, token) in tokens {
        private(&headers.join(role), &format!("Authorization: Bearer {token}\n"))?;
    }
    Ok(())
}

/// Writes a file that nobody else may read, whole or not at all.
pub fn private(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
}
