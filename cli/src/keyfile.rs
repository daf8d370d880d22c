//! A department's private key in a file: a JWK (RFC 8037) readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::Entropy;
use proofs::key::{Jwk, PrivateKey, PublicKey};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Makes a key and writes it to a new file.
pub fn generate(path: &Path, entropy: &dyn Entropy) -> Result<PublicKey, Failure> {
    let mut seed = [0; 32];
    entropy.fill(&mut seed);
    let key = PrivateKey::from_seed(&seed);
    let mut jwk = serde_json::to_value(key.public().jwk()).map_err(|e| Failure::because("the key", &e))?;
    jwk["d"] = json!(URL_SAFE_NO_PAD.encode(key.seed()));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            Failure::usage(format!(
                "cannot make the key file {}: {error}; an existing file is never overwritten",
                path.display()
            ))
        })?;
    let written = writeln!(file, "{jwk}").and_then(|()| file.sync_all());
    written.map_err(|error| Failure::because("the key file could not be written", &error))?;
    Ok(key.public())
}

/// Reads a private key file. Errors never repeat what is in it.
pub fn read(path: &Path) -> Result<PrivateKey, Failure> {
    let jwk = json_file(path)?;
    let wrong = |what: &str| {
        Failure::usage(format!("{} {what}; `reestr keys generate FILE` makes one", path.display()))
    };
    let seed = jwk.get("d").and_then(Value::as_str).ok_or_else(|| wrong("has no private key (member d)"))?;
    let seed: [u8; 32] = URL_SAFE_NO_PAD
        .decode(seed)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong("has a member d that is not 32 bytes in base64url"))?;
    let key = PrivateKey::from_seed(&seed);
    if public(&jwk).is_some_and(|public| public.as_bytes() != key.public().as_bytes()) {
        return Err(wrong("has a public key that is not that of its private key"));
    }
    Ok(key)
}

/// Reads the public key of a JWK file, private or not.
pub fn read_public(path: &Path) -> Result<PublicKey, Failure> {
    let jwk = json_file(path)?;
    public(&jwk).ok_or_else(|| {
        Failure::usage(format!("{} is not a JWK of an Ed25519 key (kty OKP, crv Ed25519, x)", path.display()))
    })
}

fn public(jwk: &Value) -> Option<PublicKey> {
    let mut jwk = jwk.clone();
    jwk.as_object_mut()?.remove("d");
    serde_json::from_value::<Jwk>(jwk).ok()?.public_key().ok()
}

fn json_file(path: &Path) -> Result<Value, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the key file {}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|_| Failure::usage(format!("{} is not JSON", path.display())))
}
