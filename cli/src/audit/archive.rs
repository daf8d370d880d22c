//! What an audit reads from an archive: a file that is not trusted more than a server is.
//!
//! An archive that does not hold what its own checkpoints promise is evidence, as a server is that does not serve it. A file that
//! cannot be read, or does not begin with an archive's checkpoints, promises nothing: that is exit code 2.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use domain::definitions::Definitions;
use domain::platform::{DEPARTMENTS, REGISTERS};
use proofs::leaf::Leaf;
use proofs::note::VerifierKey;
use proofs::slug::Slug;
use proofs::tile::{TILE_WIDTH, TilePath, bundle_decode, bundle_paths};
use serde_json::Value;

use super::fetch::{CouldNotCheck, Served};
use super::platform::entry_view;
use super::register::Checked;
use super::report::{Fault, RegisterReport};
use crate::archive::bodies::{self, Line, Lines};
use crate::archive::definition;
use crate::archive::index::{ArchiveError, Index, Scanner, read};
use crate::archive::layout::{Heads, Part};

/// The rule that says what an archive must be.
pub const RULE: &str = "archive";

/// Lines of an archive's bodies, as they stand there.
pub struct Raw {
    part: Part,
    from: u64,
    /// What is wrong with a line in place of one that cannot be one; nothing where the file has no more.
    lines: Vec<Option<Result<Vec<u8>, String>>>,
    /// Whether something follows the line of the last entry.
    goes_on: bool,
}

impl Raw {
    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.lines.iter().flatten().flatten().map(Vec::len).sum()
    }

    /// Reads them; what is wrong with them goes to the report.
    pub fn parse(self, report: &mut RegisterReport) -> Vec<Served> {
        let prefix = self.part.prefix();
        let mut served = Vec::with_capacity(self.lines.len());
        for (line, index) in self.lines.into_iter().zip(self.from..) {
            let none =
                Served { index, statement: None, recorded_at: None, body: None, salt: None, canonical: true };
            let detail = match line.map(|line| line.and_then(|line| bodies::parse(&line, index))) {
                Some(Ok(Line { body, .. })) => {
                    let (body, salt) = body.unzip();
                    served.push(Served { body, salt, ..none });
                    continue;
                }
                Some(Err(detail)) => format!("{prefix}bodies.ndjson: {detail}"),
                None => format!("{prefix}bodies.ndjson ends before its line"),
            };
            report.fault(Fault { index: Some(index), record: None, rule: RULE, detail });
            served.push(none);
        }
        if self.goes_on {
            let detail = format!("{prefix}bodies.ndjson goes on after the line of the last entry");
            report.fault(super::log_fault(RULE, detail));
        }
        served
    }
}

/// An archive whose files are all there.
pub struct Archive {
    path: PathBuf,
    index: Index,
    open: Mutex<Open>,
    /// As its copy of `registers` has them: what it claims, and no more.
    claimed: Definitions,
    /// Faults that were found when it was opened.
    faults: Mutex<Vec<Fault>>,
}

struct Open {
    file: File,
    lines: HashMap<Part, Lines<BufReader<File>>>,
}

/// A file that begins as an archive does.
pub enum Found {
    /// All of it is there.
    Whole(Box<Archive>),
    /// Something is missing, or stands where it must not.
    Broken(Box<Heads>, Fault),
}

impl Found {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, CouldNotCheck> {
        let failed = |error: ArchiveError| could_not(path, &error);
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        let heads = Scanner::new(&file).map_err(ArchiveError::from).and_then(|mut scanner| scanner.heads());
        let heads = heads.map_err(failed)?;
        match Index::read(&file) {
            Ok(index) => {
                let mut open = Open { file, lines: HashMap::new() };
                let (claimed, faults) = claims(path, &index, &mut open)?;
                let (open, faults) = (Mutex::new(open), Mutex::new(faults));
                let archive = Archive { path: path.to_owned(), index, open, claimed, faults };
                Ok(Self::Whole(Box::new(archive)))
            }
            Err(error @ ArchiveError::Broken { .. }) => {
                let fault = Fault { index: None, record: None, rule: RULE, detail: error.to_string() };
                Ok(Self::Broken(Box::new(heads), fault))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Its checkpoints. Nothing of them is verified.
    pub fn heads(&self) -> &Heads {
        match self {
            Self::Whole(archive) => &archive.index.heads,
            Self::Broken(heads, _) => heads,
        }
    }
}

fn could_not(path: &Path, error: &ArchiveError) -> CouldNotCheck {
    CouldNotCheck::Archive { path: path.display().to_string(), what: error.to_string() }
}

impl Archive {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where everything is.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Its checkpoints.
    pub fn heads(&self) -> &Heads {
        &self.index.heads
    }

    /// The register that it is of.
    pub fn register(&self) -> &Slug {
        &self.index.heads.register
    }

    /// A log's checkpoint.
    pub fn checkpoint(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        let head = self.index.heads.part(register).and_then(|part| self.index.heads.get(part));
        head.map(|head| head.note.clone()).ok_or_else(|| CouldNotCheck::NoSuchRegister(register.to_string()))
    }

    /// The verifier key of a register, as the copy of `registers` has it; empty where it has none.
    pub fn key(&self, register: &Slug) -> String {
        self.claimed.current(register).map(|defined| defined.key.to_string()).unwrap_or_default()
    }

    /// All keys of a register that are in force by the copy of `registers`, the newest first.
    pub fn keys(&self, register: &Slug) -> Vec<VerifierKey> {
        self.claimed.keys_now(register).into_iter().cloned().collect()
    }

    /// A tile or entry bundle.
    pub fn tile(&self, register: &Slug, path: &TilePath) -> Result<Option<Vec<u8>>, CouldNotCheck> {
        let part = self.index.heads.part(register);
        let Some(span) = part.and_then(|part| self.index.tile(part, path)) else { return Ok(None) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        read(&mut open.file, span).map(Some).map_err(|error| could_not(&self.path, &error.into()))
    }

    /// The lines of so many entries from an index on. They are read fastest one after the other.
    pub fn entries(&self, register: &Slug, from: u64, count: u64) -> Result<Option<Raw>, CouldNotCheck> {
        let Some(part) = self.index.heads.part(register) else { return Ok(None) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: io::Error| could_not(&self.path, &error.into());
        let lines = open.lines(&self.path, &self.index, part, from).map_err(failed)?;
        let mut read = Vec::new();
        for _ in 0..count {
            read.push(lines.raw().map_err(failed)?);
        }
        let goes_on = from + count == self.index.heads.size(part) && lines.rest() > 0;
        Ok(Some(Raw { part, from, lines: read, goes_on }))
    }

    /// The faults found when it was opened, once.
    pub fn faults(&self) -> Vec<Fault> {
        std::mem::take(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    /// The lines of a log's bodies, from this index on.
    fn lines(
        &mut self,
        path: &Path,
        index: &Index,
        part: Part,
        from: u64,
    ) -> io::Result<&mut Lines<BufReader<File>>> {
        let at = self.lines.get(&part).map(Lines::next_index);
        if at != Some(from) {
            let mut lines = lines(path, index, part)?;
            while lines.next_index() < from && lines.raw()?.is_some() {}
            self.lines.insert(part, lines);
        }
        self.lines.get_mut(&part).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The lines of a log's bodies, from the first.
pub fn lines(path: &Path, index: &Index, part: Part) -> io::Result<Lines<BufReader<File>>> {
    let span = index.bodies(part).ok_or(io::ErrorKind::NotFound)?;
    // A file of its own: another place in it is read between two lines.
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(span.start))?;
    Ok(Lines::new(BufReader::with_capacity(1 << 16, file), span.size))
}

/// How old an archive is, by what it knows of departments and registers: they only grow.
pub fn age(heads: &Heads) -> (u64, u64, u64) {
    let size = |slug: &str| {
        let part = slug.parse::<Slug>().ok().and_then(|slug| heads.part(&slug));
        part.map_or(0, |part| heads.size(part))
    };
    (size(DEPARTMENTS), size(REGISTERS), heads.size(Part::Own))
}

/// What an archive claims of definitions and keys, and whether its `definition.json` is the one it claims. Every claim is verified
/// when `registers` is.
fn claims(path: &Path, index: &Index, open: &mut Open) -> Result<(Definitions, Vec<Fault>), CouldNotCheck> {
    let failed = |error: io::Error| could_not(path, &error.into());
    let mut claimed = Definitions::default();
    let mut newest = None;
    let registers = REGISTERS.parse::<Slug>().ok().and_then(|slug| index.heads.part(&slug));
    if let Some(part) = registers {
        let mut lines = lines(path, index, part).map_err(failed)?;
        for bundle in bundle_paths(index.heads.size(part)) {
            let Some(span) = index.tile(part, &bundle) else { break };
            let bytes = read(&mut open.file, span).map_err(failed)?;
            let first = bundle.index * u64::from(TILE_WIDTH);
            for (leaf, at) in bundle_decode(&bytes).unwrap_or_default().iter().zip(first..) {
                let Some(line) = lines.read().map_err(failed)? else { break };
                let body = line.ok().and_then(|line| line.body);
                let body = body.and_then(|(body, _)| serde_json::from_str::<Value>(&body).ok());
                let (Ok(leaf), Some(body)) = (Leaf::parse(leaf), body) else { continue };
                let entry = Checked { index: at, leaf };
                // An entry that cannot be taken in is found when the register is verified.
                let _ = claimed.apply(&entry_view(&entry, Some(&body)));
                let entry_type = &entry.leaf.statement.statement().entry_type;
                if let Some(given) = definition::given(&index.heads.register, entry_type.as_str(), &body) {
                    newest = definition::encode(given).ok();
                }
            }
        }
    }
    let written = read(&mut open.file, index.definition()).map_err(failed)?;
    let mut faults = Vec::new();
    if newest.as_ref() != Some(&written) {
        faults.push(super::log_fault(
            RULE,
            "definition.json is not the definition that its `registers` puts in force",
        ));
    }
    Ok((claimed, faults))
}
