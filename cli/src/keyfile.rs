//! A department's private key in a file that its owner alone may read: a JWK (RFC 8037), whose private half may be sealed under a
//! passphrase.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::{Entropy, PassphraseSealed};
use proofs::key::{Jwk, PrivateKey, PublicKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::seal;

/// The private half of a JWK.
const PRIVATE: &str = "d";
/// The member that has it sealed, instead.
const SEALED: &str = "sealed";

/// Makes a key and writes it to a new file, sealed if there is a passphrase.
pub fn generate(
    path: &Path,
    passphrase_file: Option<&Path>,
    entropy: &dyn Entropy,
) -> Result<PublicKey, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    entropy.fill(&mut *seed);
    let key = PrivateKey::from_seed(&seed);
    let mut jwk = serde_json::to_value(key.public().jwk()).map_err(|e| Failure::because("the key", &e))?;
    match passphrase_file {
        None => jwk[PRIVATE] = json!(URL_SAFE_NO_PAD.encode(key.seed())),
        Some(file) => {
            let passphrase = seal::passphrase(file).map_err(Failure::usage)?;
            let sealed = PassphraseSealed::seal(passphrase, key.kid().as_str(), key.seed(), entropy);
            jwk[SEALED] = written(&sealed.map_err(|error| Failure::because("the key", &error))?);
        }
    }
    let text = Zeroizing::new(jwk.to_string());
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            Failure::usage(format!(
                "cannot make the key file {}: {error}; an existing file is never overwritten",
                path.display()
            ))
        })?;
    let written = writeln!(file, "{}", *text).and_then(|()| file.sync_all());
    written.map_err(|error| Failure::because("the key file could not be written", &error))?;
    Ok(key.public())
}

/// Reads a private key file, which nobody else may be able to read. Errors never repeat what is in it.
pub fn read(path: &Path, passphrase_file: Option<&Path>) -> Result<PrivateKey, Failure> {
    let text = seal::read_private(path).map_err(|error| cannot(path, &error))?;
    let jwk = json(path, &text)?;
    let wrong = |what: &str| {
        Failure::usage(format!("{} {what}; `reestr keys generate FILE` makes one", path.display()))
    };
    let seed = match (jwk.get(PRIVATE), jwk.get(SEALED)) {
        (Some(seed), _) => {
            seed.as_str().and_then(|seed| URL_SAFE_NO_PAD.decode(seed).ok()).map(Zeroizing::new)
        }
        (None, Some(sealed)) => {
            let public = public(&jwk).ok_or_else(|| wrong("has no public key"))?;
            let sealed = sealed_in(sealed).ok_or_else(|| wrong("has a sealed key that cannot be read"))?;
            let file = passphrase_file.ok_or_else(|| {
                Failure::usage(format!(
                    "{} is sealed: say with --passphrase-file what opens it",
                    path.display()
                ))
            })?;
            let passphrase = seal::passphrase(file).map_err(Failure::usage)?;
            let opened = sealed.open(passphrase, public.kid().as_str());
            Some(
                opened.map_err(|error| {
                    Failure::usage(format!("{} cannot be opened: {error}", path.display()))
                })?,
            )
        }
        (None, None) => return Err(wrong("has no private key (member d, or sealed)")),
    };
    let seed = seed.as_deref().and_then(|seed| <&[u8; 32]>::try_from(seed.as_slice()).ok());
    let key = PrivateKey::from_seed(
        seed.ok_or_else(|| wrong("has a private key that is not 32 bytes in base64url"))?,
    );
    if public(&jwk).is_some_and(|public| public.as_bytes() != key.public().as_bytes()) {
        return Err(wrong("has a public key that is not that of its private key"));
    }
    Ok(key)
}

/// Reads the public key of a JWK file, private or not.
pub fn read_public(path: &Path) -> Result<PublicKey, Failure> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| cannot(path, &error))?);
    public(&json(path, &text)?).ok_or_else(|| {
        Failure::usage(format!("{} is not a JWK of an Ed25519 key (kty OKP, crv Ed25519, x)", path.display()))
    })
}

fn public(jwk: &Value) -> Option<PublicKey> {
    let mut jwk = jwk.clone();
    let members = jwk.as_object_mut()?;
    members.remove(PRIVATE);
    members.remove(SEALED);
    serde_json::from_value::<Jwk>(jwk).ok()?.public_key().ok()
}

fn written(sealed: &PassphraseSealed) -> Value {
    json!({
        "derivation": "argon2id",
        "salt": URL_SAFE_NO_PAD.encode(sealed.salt),
        "memory_kib": sealed.memory_kib,
        "passes": sealed.passes,
        "lanes": sealed.lanes,
        "cipher": "A256GCM",
        "text": URL_SAFE_NO_PAD.encode(&sealed.sealed),
    })
}

fn sealed_in(value: &Value) -> Option<PassphraseSealed> {
    let bytes = |member: &str| URL_SAFE_NO_PAD.decode(value[member].as_str()?).ok();
    let number = |member: &str| u32::try_from(value[member].as_u64()?).ok();
    if value["derivation"] != "argon2id" || value["cipher"] != "A256GCM" {
        return None;
    }
    Some(PassphraseSealed {
        salt: bytes("salt")?.try_into().ok()?,
        memory_kib: number("memory_kib")?,
        passes: number("passes")?,
        lanes: number("lanes")?,
        sealed: bytes("text")?,
    })
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read the key file {}: {error}", path.display()))
}

fn json(path: &Path, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|_| Failure::usage(format!("{} is not JSON", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::system::OsEntropy;

    #[test]
    fn a_key_is_read_back_plain_or_sealed_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| {
            fs::write(at(name), text).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("words", "correct horse battery\n");
        write("others", "another horse battery\n");
        let (words, others) = (at("words"), at("others"));
        let plain = generate(&at("plain"), None, &OsEntropy).unwrap();
        let sealed = generate(&at("sealed"), Some(&words), &OsEntropy).unwrap();
        assert_eq!(read(&at("plain"), None).unwrap().public(), plain);
        let key = read(&at("sealed"), Some(&words)).unwrap();
        assert_eq!(key.public(), sealed);
        assert_eq!(read_public(&at("sealed")).unwrap(), sealed);
        let text = fs::read_to_string(at("sealed")).unwrap();
        assert!(!text.contains(&URL_SAFE_NO_PAD.encode(key.seed())));
        // No passphrase, another one, another key's name, a changed text: each is refused.
        let refused =
            |file: &str, passphrase: Option<&Path>| read(&at(file), passphrase).unwrap_err().to_string();
        assert!(refused("sealed", None).contains("--passphrase-file"));
        assert!(refused("sealed", Some(&others)).contains("not the one"));
        let mut jwk: Value = serde_json::from_str(&text).unwrap();
        jwk["x"] = json!(plain.jwk().x);
        jwk.as_object_mut().unwrap().remove("kid");
        write("moved", &jwk.to_string());
        assert!(refused("moved", Some(&words)).contains("not the one"));
        jwk["sealed"]["memory_kib"] = json!(u32::MAX);
        write("greedy", &jwk.to_string());
        assert!(refused("greedy", Some(&words)).contains("costs"));
        fs::set_permissions(at("plain"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refused("plain", None).contains("chmod 600"));
    }
}
