//! Makes a mirror from archives, or extends one: another store that holds the same registers under the same checkpoints.
//!
//! The archives are audited first, as `reestr audit --archive` does it, and nothing is written where a fault is found. Then the
//! entries of all logs are merged by the time at which they were recorded, `departments` and `registers` first where times are
//! equal: so definitions and keys stand before what rests on them, as they did where they were made.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use api::registry::Registry;
use domain::EntryView;
use domain::definitions::Definitions;
use domain::platform::{DEPARTMENTS, REGISTERS};
use domain::withholding;
use eventstore::{MirrorError, MirroredEntry, MirroredLog, Store};
use proofs::body::Salt;
use proofs::leaf::Leaf;
use proofs::slug::Slug;
use proofs::tile::{TILE_WIDTH, TileLevel, TilePath, bundle_decode};
use serde_json::Value;

use super::bodies::Lines;
use super::index::read;
use super::layout::Part;
use crate::audit::archive::{Archive, Found, age, lines};
use crate::failure::{Failure, chain};
use crate::progress::Progress;

/// Archives to import, of one installation.
pub struct Sources {
    archives: Vec<Archive>,
    /// Of each register, where its newest copy is.
    logs: BTreeMap<Slug, (usize, Part)>,
    /// The name of the installation's log.
    pub log_name: String,
}

/// What was imported.
pub struct Imported {
    /// Registers in the archives.
    pub registers: usize,
    /// Entries that were not in the mirror.
    pub new_entries: u64,
}

impl Sources {
    /// Opens archives whose files are all there.
    pub fn open(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut archives = Vec::with_capacity(files.len());
        for file in files {
            match Found::open(file).map_err(|error| Failure::usage(chain(&error)))? {
                Found::Whole(archive) => archives.push(*archive),
                Found::Broken(_, fault) => {
                    return Err(Failure::failed(format!("{}: {}", file.display(), fault.detail)));
                }
            }
        }
        archives.sort_by_key(|archive| age(archive.heads()));
        let first = archives.first().ok_or_else(|| Failure::usage("no archive is named"))?;
        let log_name = first.heads().log_name.clone();
        let mut logs = BTreeMap::new();
        for (at, archive) in archives.iter().enumerate() {
            let heads = archive.heads();
            if heads.log_name != log_name {
                let other = &heads.log_name;
                return Err(Failure::usage(format!(
                    "the archives are of two installations, {log_name} and {other}: a mirror is of one"
                )));
            }
            // The newest copy comes last, and stays.
            for part in heads.parts() {
                if let Ok(slug) = heads.slug(part).parse() {
                    logs.insert(slug, (at, part));
                }
            }
        }
        Ok(Self { archives, logs, log_name })
    }

    fn archive(&self, at: usize) -> Result<&Archive, Failure> {
        self.archives.get(at).ok_or_else(|| Failure::failed("an archive is gone"))
    }

    /// The registers with their checkpoints, and the keys that verify those.
    fn mirrored(&self) -> Result<Vec<MirroredLog>, Failure> {
        let of = |(register, (at, part)): (&Slug, &(usize, Part))| {
            let archive = self.archive(*at)?;
            let checkpoint = archive.heads().get(*part).map(|head| head.note.clone()).unwrap_or_default();
            let mut keys = archive.keys(register);
            keys.retain(|key| proofs::checkpoint::open(&checkpoint, key).is_ok());
            Ok(MirroredLog { register: register.clone(), keys, checkpoint })
        };
        self.logs.iter().map(of).collect()
    }

    fn entries(&self) -> u64 {
        let size =
            |(at, part): &(usize, Part)| self.archives.get(*at).map_or(0, |one| one.heads().size(*part));
        self.logs.values().map(size).sum()
    }

    /// A stream for each log, those first that others rest on.
    fn streams(&self) -> Result<Vec<Stream<'_>>, Failure> {
        let mut streams = Vec::with_capacity(self.logs.len());
        for (register, (at, part)) in &self.logs {
            let archive = self.archive(*at)?;
            let opened = Stream::open(archive, register, *part);
            streams.push(opened.map_err(|error| unreadable(archive.path(), &error))?);
        }
        streams.sort_by_key(|stream| {
            let rank = [DEPARTMENTS, REGISTERS].iter().position(|first| *first == stream.register.as_str());
            rank.unwrap_or(2)
        });
        Ok(streams)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::because(&path.display().to_string(), error)
}

/// A body in canonical form, and the salt of its digest.
type Private = (Vec<u8>, Salt);

/// The entries of one log in an archive, in order.
struct Stream<'a> {
    archive: &'a Archive,
    register: &'a Slug,
    part: Part,
    file: File,
    lines: Lines<BufReader<File>>,
    size: u64,
    bundle: VecDeque<Vec<u8>>,
    next: u64,
}

impl<'a> Stream<'a> {
    fn open(archive: &'a Archive, register: &'a Slug, part: Part) -> io::Result<Self> {
        let file = File::open(archive.path())?;
        let lines = lines(archive.path(), archive.index(), part)?;
        let size = archive.heads().size(part);
        Ok(Self { archive, register, part, file, lines, size, bundle: VecDeque::new(), next: 0 })
    }

    /// The next entry. What was verified and is not there any more was changed meanwhile.
    fn read(&mut self) -> io::Result<Option<(Leaf, Option<Private>)>> {
        if self.next == self.size {
            return Ok(None);
        }
        let changed = || io::Error::other("the file is not the one that was verified");
        if self.bundle.is_empty() {
            let width = u64::from(TILE_WIDTH);
            let left = (self.size - self.next).min(width);
            let width = u16::try_from(left).unwrap_or(TILE_WIDTH);
            let path =
                TilePath { level: TileLevel::Entries, index: self.next / u64::from(TILE_WIDTH), width };
            let span = self.archive.index().tile(self.part, &path).ok_or_else(changed)?;
            self.bundle = bundle_decode(&read(&mut self.file, span)?).map_err(|_| changed())?.into();
        }
        let leaf = self.bundle.pop_front().ok_or_else(changed)?;
        let leaf = Leaf::parse(&leaf).map_err(|_| changed())?;
        let line = self.lines.read()?.and_then(Result::ok).ok_or_else(changed)?;
        self.next += 1;
        let body = line.body.map(|(body, salt)| (body.into_string().into_bytes(), salt));
        Ok(Some((leaf, body)))
    }
}

/// Takes everything over that the mirror has not yet, in one transaction.
pub async fn import(store: &Store, sources: &Sources, progress: Progress) -> Result<Imported, Failure> {
    let registry = Registry::open(store.clone()).await;
    let registry = registry.map_err(|error| Failure::because("the mirror's registers", &error))?;
    let mut definitions = registry.knowledge().definitions.clone();
    let failed = |error: MirrorError| Failure::because("nothing was imported", &error);
    let mut mirroring = store.mirror(sources.mirrored()?).await.map_err(failed)?;
    let first = mirroring.next_position();
    let bar = progress.bar("entries taken over", sources.entries());
    let mut streams = sources.streams()?;
    let mut heads = BinaryHeap::with_capacity(streams.len());
    let mut waiting = Vec::with_capacity(streams.len());
    for (at, stream) in streams.iter_mut().enumerate() {
        let entry = stream.read().map_err(|error| unreadable(stream.archive.path(), &error))?;
        heads.extend(entry.as_ref().map(|(leaf, _)| Reverse((leaf.recorded_at, at))));
        waiting.push(entry);
    }
    while let Some(Reverse((_, at))) = heads.pop() {
        let stream = &mut streams[at];
        let had = stream.next <= mirroring.had(stream.register);
        let next = stream.read().map_err(|error| unreadable(stream.archive.path(), &error))?;
        heads.extend(next.as_ref().map(|(leaf, _)| Reverse((leaf.recorded_at, at))));
        let Some((leaf, body)) = std::mem::replace(&mut waiting[at], next) else { continue };
        let position = mirroring.next_position();
        let said = if had { Said::default() } else { said(&mut definitions, &leaf, body.as_ref(), position) };
        let Said { number, withholds } = said;
        mirroring.push(MirroredEntry { leaf, body, number, withholds }).await.map_err(failed)?;
        bar.add(1);
    }
    let position = mirroring.commit().await.map_err(failed)?;
    bar.finish();
    Ok(Imported { registers: sources.logs.len(), new_entries: position + 1 - first })
}

/// What an entry's body says that the journal must know.
#[derive(Default)]
struct Said {
    /// The official number that it gives its record, by the definition in force where it stands.
    number: Option<String>,
    /// The versions whose bodies it orders to be withheld.
    withholds: Vec<u64>,
}

/// Reads a new entry, and takes it into the definitions if it changes one.
fn said(definitions: &mut Definitions, leaf: &Leaf, body: Option<&Private>, position: u64) -> Said {
    let statement = leaf.statement.statement();
    let body: Option<Value> = body.and_then(|(body, _)| serde_json::from_slice(body).ok());
    let view = EntryView {
        register: &statement.register,
        record: statement.record,
        version: statement.version,
        entry_type: &statement.entry_type,
        effective_at: statement.effective_at,
        recorded_at: leaf.recorded_at,
        issuer: &statement.issuer,
        position,
        body: body.as_ref(),
    };
    // The audit has folded the same entries without a fault.
    let _ = definitions.apply(&view);
    let Some(body) = &body else { return Said::default() };
    if withholding::is_order(statement.register.as_str(), statement.entry_type.as_str()) {
        return Said { number: None, withholds: withholding::versions(body) };
    }
    let step = definitions.step(&view).ok();
    let number = step.and_then(|step| step.number_of(body).map(str::to_owned));
    Said { number, withholds: Vec::new() }
}
