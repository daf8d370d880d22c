//! Where the key to a store's secrets is: a file of random bytes, or a file with a passphrase. Never on the command line, whose words
//! every process of the machine may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::{Entropy, MASTER_KEY_BYTES, MasterKey, MasterKeySource};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;
use crate::wire::make_private;

/// The key file of a store, in its directory.
const KEY_FILE: &str = "seal.key";
/// A passphrase is guessed at leisure by whoever has a copy of the store; a shorter one is found whatever a guess costs.
const PASSPHRASE_CHARS_MIN: usize = 12;
/// Nothing that these files may hold is longer.
const FILE_BYTES_MAX: u64 = 4096;

/// Where the settings say that the key is.
pub fn source(
    config: &Config,
    data: &Path,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<dyn MasterKeySource>, Failure> {
    match (&config.seal_key_file, &config.seal_passphrase_file) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "seal_key_file and seal_passphrase_file are both set: a store is sealed with one key",
        )),
        (None, Some(path)) => Ok(Arc::new(PassphraseFile(path.clone()))),
        (Some(path), None) => Ok(Arc::new(KeyFile::new(path.clone(), entropy))),
        (None, None) => Ok(Arc::new(KeyFile::new(data.join(KEY_FILE), entropy))),
    }
}

/// A file with a passphrase: its first line.
pub struct PassphraseFile(pub PathBuf);

impl MasterKeySource for PassphraseFile {
    fn master_key(&self, _first: bool) -> Result<MasterKey, String> {
        passphrase(&self.0).map(MasterKey::Passphrase)
    }
}

/// The passphrase in a file: its first line, without the line's end.
pub fn passphrase(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = read_private(path)
        .map_err(|error| format!("cannot read the passphrase file {}: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(format!(
            "the passphrase in the first line of {} has fewer than {PASSPHRASE_CHARS_MIN} characters",
            path.display()
        ));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// A file with a random key, made for a store that was never sealed.
pub struct KeyFile {
    path: PathBuf,
    entropy: Arc<dyn Entropy>,
    made: AtomicBool,
}

impl KeyFile {
    /// The file, whether it is there or not.
    pub fn new(path: PathBuf, entropy: Arc<dyn Entropy>) -> Self {
        Self { path, entropy, made: AtomicBool::new(false) }
    }

    fn make(&self) -> io::Result<MasterKey> {
        let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
        self.entropy.fill(&mut *key);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*key));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // The name too must be there after a crash: without the file the store's secrets are lost.
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        self.made.store(true, Ordering::SeqCst);
        Ok(MasterKey::Bytes(key))
    }
}

impl MasterKeySource for KeyFile {
    fn master_key(&self, first: bool) -> Result<MasterKey, String> {
        let path = self.path.display();
        match read_private(&self.path) {
            Ok(text) => {
                let bytes = URL_SAFE_NO_PAD.decode(text.trim_end()).map(Zeroizing::new).ok();
                let key = bytes.and_then(|bytes| bytes.as_slice().try_into().ok()).map(Zeroizing::new);
                key.map(MasterKey::Bytes)
                    .ok_or_else(|| format!("{path} is not a key file: one has 43 characters of base64url"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && first => {
                if let Some(directory) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    make_private(directory).map_err(|failure| failure.to_string())?;
                }
                self.make().map_err(|error| format!("cannot make the key file {path}: {error}"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "there is no key file {path}; every server of a store needs the one that was made at its first start \
                 (settings: seal_key_file, seal_passphrase_file)"
            )),
            Err(error) => Err(format!("cannot read the key file {path}: {error}")),
        }
    }

    /// Takes away what was made in vain, so that the right one can be put there.
    fn refused(&self) {
        if self.made.load(Ordering::SeqCst)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a key file that opens nothing");
        }
    }
}

/// The text of a file that its owner alone may read.
pub fn read_private(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.mode() & 0o077 != 0 {
        let words = "others than its owner may read or write it: chmod 600, and if they may have read it, make another";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long for what it should hold"));
    }
    // Space for all of it: a text that grows leaves copies behind.
    let mut text =
        Zeroizing::new(String::with_capacity(usize::try_from(FILE_BYTES_MAX).unwrap_or_default() + 1));
    io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::system::OsEntropy;

    fn key_file(path: &Path) -> KeyFile {
        KeyFile::new(path.to_owned(), Arc::new(OsEntropy))
    }

    fn bytes(key: Result<MasterKey, String>) -> [u8; 32] {
        match key {
            Ok(MasterKey::Bytes(bytes)) => *bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_for_a_new_store_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys/seal.key");
        let missing = key_file(&path).master_key(false).unwrap_err();
        assert!(missing.contains("seal.key") && !path.exists(), "{missing}");
        let made = bytes(key_file(&path).master_key(true));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(bytes(key_file(&path).master_key(true)), made);
        assert_eq!(bytes(key_file(&path).master_key(false)), made);
        // One that was there before is never taken away.
        let found = key_file(&path);
        found.master_key(true).unwrap();
        found.refused();
        assert!(path.exists());
        let vain = key_file(&directory.path().join("other.key"));
        vain.master_key(true).unwrap();
        vain.refused();
        assert!(!directory.path().join("other.key").exists());
    }

    #[test]
    fn what_others_may_read_or_makes_no_key_is_refused_without_being_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        let write = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        key_file(&path).master_key(true).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        write(&text, 0o640);
        let open = key_file(&path).master_key(false).unwrap_err();
        assert!(open.contains("chmod 600"), "{open}");
        write("not-a-key-but-long-enough-to-be-secret", 0o600);
        let wrong = key_file(&path).master_key(false).unwrap_err();
        assert!(wrong.contains("43 characters") && !wrong.contains("not-a-key"), "{wrong}");
        let short = passphrase(&path.with_file_name("none")).unwrap_err();
        assert!(short.contains("none"), "{short}");
        write("short\nsecond line", 0o600);
        let short = passphrase(&path).unwrap_err();
        assert!(short.contains("12 characters") && !short.contains("short\n"), "{short}");
        write("twelve words and more\nsecond line", 0o600);
        assert_eq!(passphrase(&path).unwrap().as_str(), "twelve words and more");
    }
}
