//! Writes an archive from a store: as a stream, to `FILE.part`, which becomes `FILE` when it is whole.
//!
//! The checkpoints come first, and everything else follows from them and from what is withheld. So an export that was interrupted
//! goes on under the checkpoints that its file begins with, however the register has grown since.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use domain::platform::{DEPARTMENTS, REGISTERS};
use eventstore::{Store, StoreError};
use proofs::slug::Slug;
use proofs::tile::{TileLevel, TilePath};

use super::index::{ArchiveError, Scanner};
use super::layout::{Head, Heads, Member, PARTS, Part};
use super::resume::{self, Lines, Point};
use super::{bodies, definition, header};
use crate::progress::{Bar, Progress};

/// Entries read at a time: with the largest bodies that the API takes, 64 MiB.
const PAGE: u64 = 256;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such register.
    #[error("there is no register {0}")]
    NoSuchRegister(Slug),
    /// The newest entries of a register that others rest on are not published yet.
    #[error(
        "the newest entries of {0} wait for their witnesses, and other registers may rest on them; try again in a moment"
    )]
    NotWitnessed(Slug),
    /// The file.
    #[error("cannot write {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("{0} is being written by another export; wait for it, or write to another file")]
    Busy(PathBuf),
    /// The store.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The store does not hold what it signed.
    #[error("the store contradicts itself at {0}; audit it before anything is made of it")]
    Contradiction(String),
    /// A body went while the archive was written.
    #[error(
        "a body of {0} was withheld while the archive was written, so that nothing of it was kept; run the command again"
    )]
    Withheld(String),
}

/// An archive being written: its checkpoints stand in the file.
pub struct Draft<'a> {
    store: &'a Store,
    output: PathBuf,
    part: PathBuf,
    file: File,
    heads: Heads,
    sizes: [u64; 3],
    point: Point,
}

/// What was written.
pub struct Exported {
    /// Entries of the register.
    pub entries: u64,
    /// Root over them.
    pub root: proofs::hash::Hash,
    /// Whether an interrupted export was gone on with.
    pub resumed: bool,
}

impl<'a> Draft<'a> {
    /// Begins an archive under these heads, or finds where an interrupted one stands, which keeps its own.
    pub async fn open(
        store: &'a Store,
        register: &Slug,
        output: &Path,
        notes: &Notes,
    ) -> Result<Self, ExportError> {
        let mut name = output.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let failed = |source| ExportError::File { path: part.clone(), source };
        // What people are told in confidence is in it.
        let file =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&part);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(ExportError::Busy(part)),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut draft = match Scanner::new(&file).map_err(failed)?.heads() {
            Ok(heads) if heads.register == *register && are_of(store, &heads).await? => {
                let sizes = sizes(store, &heads).await?;
                let found = resume::find(&file, &heads, |member| size_of(&sizes, member));
                let point = found.map_err(|error| failed(other(error)))?;
                point.map(|point| (heads, sizes, point))
            }
            Ok(_) | Err(ArchiveError::NotOne { .. } | ArchiveError::Broken { .. }) => None,
            Err(ArchiveError::Io(error)) => return Err(failed(error)),
        };
        if draft.is_none() {
            let heads = heads(register, notes)?;
            if !are_of(store, &heads).await? {
                return Err(ExportError::Contradiction(format!("the checkpoint of {register}")));
            }
            let at = begin(&file, &heads).map_err(failed)?;
            draft = Some((heads.clone(), sizes(store, &heads).await?, Point { at, ..Point::default() }));
        }
        let Some((heads, sizes, point)) = draft else { return Err(ExportError::Busy(part)) };
        Ok(Self { store, output: output.to_owned(), part, file, heads, sizes, point })
    }

    /// Writes the rest, and puts the file in its place.
    pub async fn finish(self, progress: Progress) -> Result<Exported, ExportError> {
        let Self { store, output, part, file, heads, sizes, point } = self;
        let failed = |source| ExportError::File { path: part.clone(), source };
        let total: u64 = PARTS.iter().map(|part| heads.size(*part) * 2).sum();
        let bar = progress.bar("leaves and bodies written", total);
        file.set_len(point.at).map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 18, &file);
        out.seek(SeekFrom::Start(point.at)).map_err(failed)?;
        let written = write(store, &heads, &sizes, &point, &mut out, &bar).await;
        let written = match written {
            Ok(()) => check_withheld(store, &heads, &sizes).await,
            error => error,
        };
        if let Err(error) = written {
            // What was withheld must not stay behind in half an archive. Everything else can be gone on with.
            if matches!(error, WriteError::Withheld(_)) {
                fs::remove_file(&part).map_err(failed)?;
            }
            return Err(error.at(&part));
        }
        out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        fs::rename(&part, &output).map_err(failed)?;
        let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))
            .and_then(|directory| directory.sync_all())
            .map_err(failed)?;
        bar.finish();
        let own = heads.get(Part::Own).ok_or_else(|| ExportError::NoSuchRegister(heads.register.clone()))?;
        let (entries, root) = (own.checkpoint.size, own.checkpoint.root);
        Ok(Exported { entries, root, resumed: point.members > 0 || point.lines.is_some() })
    }
}

fn other(error: ArchiveError) -> io::Error {
    match error {
        ArchiveError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// The checkpoints that registers show, by register.
pub type Notes = BTreeMap<Slug, String>;

/// The checkpoints that all registers show, as of one moment. Where witnesses publish them, those of `departments` and `registers` must
/// have caught up: what another rests on would not be in them.
pub async fn shown(store: &Store) -> Result<Notes, ExportError> {
    if !store.witnessed() {
        return Ok(store.logs().await?.into_iter().map(|log| (log.register, log.checkpoint)).collect());
    }
    let published = store.all_published().await?;
    for log in store.logs().await? {
        let is_root = [DEPARTMENTS, REGISTERS].contains(&log.register.as_str());
        if is_root && published.get(&log.register).is_none_or(|shown| shown.size < log.size) {
            return Err(ExportError::NotWitnessed(log.register));
        }
    }
    Ok(published.into_iter().map(|(register, shown)| (register, shown.note)).collect())
}

/// The checkpoints of an archive.
fn heads(register: &Slug, notes: &Notes) -> Result<Heads, ExportError> {
    let contradiction = |slug: &str| ExportError::Contradiction(format!("the checkpoint of {slug}"));
    let head = |slug: &str| {
        let note = notes.iter().find(|(known, _)| known.as_str() == slug);
        let (_, note) = note.ok_or_else(|| ExportError::NoSuchRegister(register.clone()))?;
        Head::read(note.clone()).map_err(|_| contradiction(slug))
    };
    let mut heads = Heads::begin(head(register.as_str())?).map_err(|_| contradiction(register.as_str()))?;
    for part in heads.others() {
        let slug = heads.slug(part).to_owned();
        heads.add(part, head(&slug)?).map_err(|_| contradiction(&slug))?;
    }
    Ok(heads)
}

/// Whether these checkpoints state what the store holds: those of an interrupted export may be of another store, or of one that
/// was rolled back since.
async fn are_of(store: &Store, heads: &Heads) -> Result<bool, ExportError> {
    for part in PARTS {
        let Some(head) = heads.get(part) else { continue };
        let Ok(slug) = heads.slug(part).parse::<Slug>() else { return Ok(false) };
        let root = store.root_at(&slug, head.checkpoint.size).await?;
        if root != Some(head.checkpoint.root) || head.checkpoint.origin != store.origin(&slug) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The bytes that each log's bodies have as the store is now.
async fn sizes(store: &Store, heads: &Heads) -> Result<[u64; 3], StoreError> {
    let mut sizes = [0; 3];
    for part in PARTS {
        let size = heads.size(part);
        if let Ok(slug) = heads.slug(part).parse::<Slug>()
            && size > 0
        {
            let counted = store.bodies_within(&slug, size).await?;
            sizes[part as usize] = bodies::bytes(size, counted.bodies, counted.bytes);
        }
    }
    Ok(sizes)
}

fn size_of(sizes: &[u64; 3], member: Member) -> u64 {
    if let Member::Bodies(part) = member { sizes[part as usize] } else { 0 }
}

/// Empties the file and writes the checkpoints; gives where they end.
fn begin(mut file: &File, heads: &Heads) -> io::Result<u64> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    for part in [Part::Own].into_iter().chain(heads.others()) {
        let note = heads.get(part).map_or("", |head| &head.note);
        put(&mut bytes, Member::Checkpoint(part), note.as_bytes())?;
    }
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok(bytes.len() as u64)
}

fn put(out: &mut impl Write, member: Member, bytes: &[u8]) -> io::Result<()> {
    put_header(out, member, bytes.len() as u64)?;
    out.write_all(bytes)?;
    out.write_all(&[0; header::BLOCK][..header::padding(bytes.len() as u64)])
}

fn put_header(out: &mut impl Write, member: Member, size: u64) -> io::Result<()> {
    let header = header::encode(&member.to_string(), size);
    out.write_all(&header.ok_or_else(|| io::Error::other(format!("{member} is no name for a tar")))?)
}

/// As [`ExportError`], before the file is named.
enum WriteError {
    Io(io::Error),
    Store(StoreError),
    Contradiction(String),
    Withheld(String),
}

impl WriteError {
    fn at(self, path: &Path) -> ExportError {
        match self {
            Self::Io(source) => ExportError::File { path: path.to_owned(), source },
            Self::Store(error) => error.into(),
            Self::Contradiction(what) => ExportError::Contradiction(what),
            Self::Withheld(what) => ExportError::Withheld(what),
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Writes everything after a point.
async fn write(
    store: &Store,
    heads: &Heads,
    sizes: &[u64; 3],
    point: &Point,
    out: &mut impl Write,
    bar: &Bar,
) -> Result<(), WriteError> {
    let mut lines = point.lines.as_ref();
    for member in heads.members().skip(point.members) {
        match member {
            Member::Checkpoint(_) => {}
            Member::Definition => put(out, member, &defined(store, heads).await?)?,
            Member::Tile(part, path) => {
                let bytes = tile(store, heads.slug(part), &path).await?;
                put(out, member, &bytes.ok_or_else(|| WriteError::Contradiction(member.to_string()))?)?;
                if path.level == TileLevel::Entries {
                    bar.add(u64::from(path.width));
                }
            }
            Member::Bodies(part) => {
                let size = sizes[part as usize];
                if lines.is_none() {
                    put_header(out, member, size)?;
                }
                let done = lines.take().unwrap_or(&Lines { count: 0, bytes: 0 });
                let log = (heads.slug(part), heads.size(part));
                let written = done.bytes + put_bodies(store, log, done.count, out, bar).await?;
                if written != size {
                    return Err(WriteError::Withheld(log.0.to_owned()));
                }
                out.write_all(&[0; header::BLOCK][..header::padding(size)])?;
            }
        }
    }
    out.write_all(&header::END)?;
    Ok(out.flush()?)
}

/// The definition that the copy of `registers` puts in force.
async fn defined(store: &Store, heads: &Heads) -> Result<Vec<u8>, WriteError> {
    let contradiction = || WriteError::Contradiction(format!("the definition of {}", heads.register));
    let registers: Slug = REGISTERS.parse().map_err(|_| contradiction())?;
    let size = heads.part(&registers).map_or(0, |part| heads.size(part));
    let (mut next, mut newest) = (0, None);
    while next < size {
        let page = store.read_register(&registers, next, limit(size - next)).await?;
        for entry in &page {
            let statement = entry.statement.statement();
            let body = api::registry::parse_body(entry)?.unwrap_or_default();
            if let Some(given) = definition::given(&heads.register, statement.entry_type.as_str(), &body) {
                newest = Some(given.clone());
            }
        }
        if page.is_empty() {
            return Err(contradiction());
        }
        next += page.len() as u64;
    }
    definition::encode(&newest.ok_or_else(contradiction)?).map_err(|_| contradiction())
}

fn limit(left: u64) -> u32 {
    u32::try_from(left.min(PAGE)).unwrap_or(u32::MAX)
}

async fn tile(store: &Store, register: &str, path: &TilePath) -> Result<Option<Vec<u8>>, StoreError> {
    let Ok(register) = register.parse::<Slug>() else { return Ok(None) };
    match path.level {
        TileLevel::Entries => store.bundle(&register, path.index, path.width).await,
        TileLevel::Hash(level) => store.tile(&register, level, path.index, path.width).await,
    }
}

/// Writes the bodies of a log from an index on; gives how many bytes they were.
async fn put_bodies(
    store: &Store,
    (register, size): (&str, u64),
    mut next: u64,
    out: &mut impl Write,
    bar: &Bar,
) -> Result<u64, WriteError> {
    let contradiction = || WriteError::Contradiction(format!("the entries of {register}"));
    let slug: Slug = register.parse().map_err(|_| contradiction())?;
    let mut written = 0;
    while next < size {
        let page = store.read_register(&slug, next, limit(size - next)).await?;
        if page.is_empty() {
            return Err(contradiction());
        }
        let mut text = Vec::new();
        for entry in &page {
            let body = entry.body.as_deref().zip(entry.salt.as_ref());
            bodies::write(&mut text, entry.index, body);
        }
        out.write_all(&text)?;
        written += text.len() as u64;
        next += page.len() as u64;
        bar.add(page.len() as u64);
    }
    Ok(written)
}

/// A body that was withheld after its line was written is in the file, and must not stay there.
async fn check_withheld(store: &Store, heads: &Heads, sizes: &[u64; 3]) -> Result<(), WriteError> {
    let now = self::sizes(store, heads).await?;
    let changed = PARTS.into_iter().find(|part| now[*part as usize] != sizes[*part as usize]);
    changed.map_or(Ok(()), |part| Err(WriteError::Withheld(heads.slug(part).to_owned())))
}
