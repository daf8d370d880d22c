//! What an auditor keeps from one audit to the next: each register's key and last verified checkpoint.
//!
//! Without it an audit shows that a register is right in itself; with it, that it is still the same register.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proofs::checkpoint::{self, Checkpoint};
use proofs::note::VerifierKey;
use proofs::slug::Slug;

use super::fetch::CouldNotCheck;

/// What is kept of one register.
#[derive(Clone)]
pub struct Pin {
    /// The register's verifier key.
    pub key: VerifierKey,
    /// The signed note, as served.
    pub note: String,
    /// The tree head in it.
    pub checkpoint: Checkpoint,
}

/// The kept pins of a server's registers.
pub struct Pins {
    directory: Option<PathBuf>,
    kept: BTreeMap<Slug, Pin>,
    /// As they were found.
    found: BTreeMap<Slug, Pin>,
}

impl Pins {
    /// Reads the pins in a directory; it need not exist yet. `None` keeps nothing.
    pub fn open(directory: Option<PathBuf>) -> Result<Self, CouldNotCheck> {
        let mut pins = BTreeMap::new();
        if let Some(directory) = directory.as_ref().filter(|directory| directory.exists()) {
            for item in fs::read_dir(directory).map_err(|error| failed(directory, &error))? {
                let path = item.map_err(|error| failed(directory, &error))?.path();
                let slug = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
                if let (Some(slug), Some("checkpoint")) = (slug, path.extension().and_then(|e| e.to_str())) {
                    pins.insert(slug, read(&path)?);
                }
            }
        }
        let found = pins.clone();
        Ok(Self { directory, kept: pins, found })
    }

    /// The registers of which something is kept.
    pub fn registers(&self) -> impl Iterator<Item = &Slug> {
        self.kept.keys()
    }

    /// What is kept of a register.
    pub fn get(&self, register: &Slug) -> Option<&Pin> {
        self.kept.get(register)
    }

    /// Keeps a newly verified checkpoint.
    pub fn keep(&mut self, register: Slug, pin: Pin) {
        self.kept.insert(register, pin);
    }

    /// Forgets what was newly verified of a register in which a fault was found: what was kept before stays.
    pub fn give_up(&mut self, register: &Slug) {
        match self.found.get(register) {
            Some(found) => self.kept.insert(register.clone(), found.clone()),
            None => self.kept.remove(register),
        };
    }

    /// Writes the pins: each file whole or not at all.
    pub fn save(&self) -> Result<(), CouldNotCheck> {
        let Some(directory) = &self.directory else { return Ok(()) };
        fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
        for (slug, pin) in &self.kept {
            let path = directory.join(format!("{slug}.checkpoint"));
            let new = directory.join(format!("{slug}.checkpoint.new"));
            fs::write(&new, format!("{}\n{}", pin.key, pin.note)).map_err(|error| failed(&new, &error))?;
            fs::rename(&new, &path).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

fn failed(path: &Path, what: &impl ToString) -> CouldNotCheck {
    CouldNotCheck::State { path: path.display().to_string(), what: what.to_string() }
}

/// A kept file: the verifier key on its first line, then the signed checkpoint.
fn read(path: &Path) -> Result<Pin, CouldNotCheck> {
    let text = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
    let (key, note) = text.split_once('\n').ok_or_else(|| failed(path, &"it is cut off"))?;
    let key: VerifierKey = key.parse().map_err(|error| failed(path, &error))?;
    let checkpoint = checkpoint::open(note, &key).map_err(|error| failed(path, &error))?;
    Ok(Pin { key, note: note.to_owned(), checkpoint })
}
