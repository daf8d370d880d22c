//! Which logs a witness is told to trust: by key, or by an installation's document of keys.

use std::path::PathBuf;
use std::time::Duration;

use proofs::keyring::Keyring;
use proofs::note::{KeyType, VerifierKey};
use witness::Store;

use crate::failure::Failure;
use crate::http::Trust;

/// A document of keys is at most so large: at some 300 bytes a key, 50,000 keys.
const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// An installation that says nothing for so long is not there.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where keys come from.
pub enum Source {
    /// The command line.
    Keys(Vec<VerifierKey>),
    /// `/v1/keys` of an installation.
    Url(String, Trust),
    /// A file with such a document.
    File(PathBuf),
}

/// Adds keys; says what was done.
pub async fn add(store: &Store, source: Source) -> Result<String, Failure> {
    let document = match source {
        Source::Keys(keys) => {
            for key in &keys {
                check(key)?;
            }
            for key in &keys {
                store.add(key).await.map_err(|error| super::because(&error))?;
            }
            return Ok(format!("{} keys are trusted", keys.len()));
        }
        Source::Url(url, trust) => fetch(&url, &trust).await?,
        Source::File(file) => std::fs::read(&file)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?,
    };
    let (registers, keys) = in_force(&document)?;
    store.set(&keys).await.map_err(|error| super::because(&error))?;
    Ok(format!("{registers} logs are trusted, with {} keys", keys.len()))
}

/// The keys in force, of how many registers.
fn in_force(document: &[u8]) -> Result<(usize, Vec<VerifierKey>), Failure> {
    let keyring = Keyring::parse(document).map_err(|error| Failure::usage(error.to_string()))?;
    let keys = keyring.registers.iter().flat_map(|register| &register.keys);
    let keys = keys.filter(|key| key.until.is_none()).map(|key| key.vkey.clone()).collect();
    Ok((keyring.registers.len(), keys))
}

fn check(key: &VerifierKey) -> Result<(), Failure> {
    if key.key_type() == KeyType::Ed25519 {
        return Ok(());
    }
    Err(Failure::usage(format!("{key} is a witness's key, not a log's")))
}

async fn fetch(base: &str, trust: &Trust) -> Result<Vec<u8>, Failure> {
    let url = format!("{}/v1/keys", base.trim_end_matches('/'));
    let failed = |error: reqwest::Error| Failure::because("the installation's keys cannot be read", &error);
    let client = trust.client(TIMEOUT)?;
    let mut response = client.get(&url).send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(Failure::failed(format!("{url} answered {}", response.status())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(Failure::failed(format!("{url} answered more than 16 MiB")));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proofs::key::PrivateKey;
    use proofs::note::{Cosigner, NoteSigner};
    use serde_json::{Value, json};

    use super::*;

    fn vkey(origin: &str, seed: u8) -> String {
        NoteSigner::new(origin, PrivateKey::from_seed(&[seed; 32])).unwrap().verifier().to_string()
    }

    fn document(keys: &Value) -> Vec<u8> {
        let register = json!({ "register": "permits", "keys": keys });
        json!({ "log_name": "log.example", "registers": [register], "departments": [], "witness_policy": null })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn keys_in_force_are_taken_and_those_that_ended_are_not() {
        let term = |seed: u8, until: Value| {
            let vkey = vkey("log.example/registers/permits", seed);
            json!({ "vkey": vkey, "from": "2026-01-01T00:00:00.000Z", "until": until, "compromised_since": null })
        };
        let keys =
            json!([term(1, json!("2026-02-01T00:00:00.000Z")), term(2, Value::Null), term(3, Value::Null)]);
        let (registers, keys) = in_force(&document(&keys)).unwrap();
        assert_eq!(registers, 1);
        let seeds = [2, 3].map(|seed| vkey("log.example/registers/permits", seed));
        assert_eq!(keys.iter().map(ToString::to_string).collect::<Vec<_>>(), seeds);
    }

    #[test]
    fn a_key_of_another_log_and_one_of_a_witness_are_refused() {
        let term = |vkey: String| json!([{ "vkey": vkey, "from": "2026-01-01T00:00:00.000Z", "until": null, "compromised_since": null }]);
        let origin = "log.example/registers/permits";
        let cosigner = Cosigner::new(origin, PrivateKey::from_seed(&[1; 32])).unwrap().verifier();
        for wrong in [vkey("log.example/registers/other", 1), cosigner.to_string()] {
            assert!(in_force(&document(&term(wrong))).is_err());
        }
        assert!(in_force(&document(&term(vkey(origin, 1)))).is_ok());
        assert!(check(&cosigner).is_err_and(|failure| failure.to_string().contains("witness's key")));
        assert!(in_force(b"{}").is_err());
    }
}
