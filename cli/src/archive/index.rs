//! Where everything is in an archive, found by going from header to header. What may be large is not read.

use std::io::{self, Read, Seek, SeekFrom};

use proofs::tile::{TILE_WIDTH, TileLevel, TilePath};

use super::header::{self, BLOCK, END};
use super::layout::{Head, Heads, Member, Part};

/// The longest checkpoint: its lines, and a few hundred signatures of witnesses.
const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024;
/// The longest definition, which is a body.
const DEFINITION_BYTES_MAX: u64 = proofs::body::BODY_BYTES_MAX as u64;
/// The longest bundle: 256 leaves of 65,535 bytes, each after its length.
const BUNDLE_BYTES_MAX: u64 = 256 * (65_535 + 2);

/// Why an archive cannot be read, or is none.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file itself.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not begin with the checkpoints of an archive, so that it promises nothing that could be broken.
    #[error("it is not an archive of a register: at byte {at}, where {member} must stand: {what}")]
    NotOne {
        /// Where.
        at: u64,
        /// What must stand there.
        member: String,
        /// What is wrong.
        what: String,
    },
    /// It does not hold what its checkpoints promise.
    #[error("at byte {at}, where {member} must stand: {what}")]
    Broken {
        /// Where.
        at: u64,
        /// What must stand there.
        member: String,
        /// What is wrong.
        what: String,
    },
}

/// Where the contents of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// How many.
    pub size: u64,
}

/// Goes through the files of an archive.
pub struct Scanner<R> {
    source: R,
    length: u64,
    at: u64,
}

impl<R: Read + Seek> Scanner<R> {
    /// Begins at the first file.
    pub fn new(mut source: R) -> io::Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        Ok(Self { source, length, at: 0 })
    }

    /// Where the next file's header must stand: all before it is whole.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Takes the next file, which must be this one.
    pub fn member(&mut self, member: Member) -> Result<Span, ArchiveError> {
        let broken = |at: u64, what: String| ArchiveError::Broken { at, member: member.to_string(), what };
        let header = self.header(member)?;
        let size = header::size(&header).unwrap_or(u64::MAX);
        let name = member.to_string();
        if header::encode(&name, size) != Some(header) {
            return Err(broken(self.at, differs(&header, &name)));
        }
        if let Some(fault) = misfit(member, size) {
            return Err(broken(self.at, fault));
        }
        let start = self.at + BLOCK as u64;
        let padding = header::padding(size);
        let end = start.checked_add(size).and_then(|end| end.checked_add(padding as u64));
        let Some(end) = end.filter(|end| *end <= self.length) else {
            let what = format!("it says {size} bytes, and the file ends after {}", self.length - start);
            return Err(broken(self.at, what));
        };
        let mut zeros = [0; BLOCK];
        self.source.seek(SeekFrom::Start(start + size))?;
        self.source.read_exact(&mut zeros[..padding])?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(broken(start + size, "what fills its last block is not zeros".to_owned()));
        }
        self.at = end;
        Ok(Span { start, size })
    }

    /// The header at which the scanner stands.
    pub(super) fn header(&mut self, member: Member) -> Result<[u8; BLOCK], ArchiveError> {
        let mut header = [0; BLOCK];
        if self.length - self.at < BLOCK as u64 {
            let what = "the file ends there".to_owned();
            return Err(ArchiveError::Broken { at: self.at, member: member.to_string(), what });
        }
        self.source.seek(SeekFrom::Start(self.at))?;
        self.source.read_exact(&mut header)?;
        Ok(header)
    }

    /// Nothing but the end follows.
    pub fn end(&mut self) -> Result<(), ArchiveError> {
        let broken = |what: &str| {
            Err(ArchiveError::Broken { at: self.at, member: "the end".to_owned(), what: what.to_owned() })
        };
        if self.length - self.at != END.len() as u64 {
            return broken("the file does not end with two blocks of zeros and nothing after them");
        }
        let mut end = END;
        self.source.seek(SeekFrom::Start(self.at))?;
        self.source.read_exact(&mut end)?;
        if end == END { Ok(()) } else { broken("another file follows, or something that is no file") }
    }

    /// The checkpoints that an archive begins with.
    pub fn heads(&mut self) -> Result<Heads, ArchiveError> {
        let own = self.head(Part::Own)?;
        let not_one = |part: Part, what: String| ArchiveError::NotOne {
            at: 0,
            member: Member::Checkpoint(part).to_string(),
            what,
        };
        let mut heads = Heads::begin(own).map_err(|what| not_one(Part::Own, what))?;
        for part in heads.others() {
            let head = self.head(part)?;
            heads.add(part, head).map_err(|what| not_one(part, what))?;
        }
        Ok(heads)
    }

    fn head(&mut self, part: Part) -> Result<Head, ArchiveError> {
        let member = Member::Checkpoint(part);
        let not_one = |at, what| ArchiveError::NotOne { at, member: member.to_string(), what };
        let span = self.member(member).map_err(|error| match error {
            ArchiveError::Broken { at, what, .. } => not_one(at, what),
            other => other,
        })?;
        let bytes = read(&mut self.source, span)?;
        let note = String::from_utf8(bytes).map_err(|_| not_one(span.start, "it is not UTF-8".to_owned()))?;
        Head::read(note).map_err(|what| not_one(span.start, what))
    }
}

/// What is wrong with a header that is not the one that must stand there. What it says is not repeated: it may be anything.
fn differs(header: &[u8; BLOCK], name: &str) -> String {
    let found = header.split(|byte| *byte == 0).next().unwrap_or_default();
    if header.iter().all(|byte| *byte == 0) {
        "the archive ends before it".to_owned()
    } else if found == name.as_bytes() {
        "its header is not that of a plain file: mode 0644, owner 0, no names, time 0, as ustar".to_owned()
    } else {
        "another file stands there, or none".to_owned()
    }
}

/// What is wrong with a size, whatever the file holds.
fn misfit(member: Member, size: u64) -> Option<String> {
    let most = match member {
        Member::Checkpoint(_) => CHECKPOINT_BYTES_MAX,
        Member::Definition => DEFINITION_BYTES_MAX,
        Member::Tile(_, TilePath { level: TileLevel::Entries, .. }) => BUNDLE_BYTES_MAX,
        Member::Tile(_, TilePath { level: TileLevel::Hash(_), .. }) => 32 * u64::from(TILE_WIDTH),
        Member::Bodies(_) => u64::MAX,
    };
    (size > most).then(|| format!("it says {size} bytes; at most {most} are possible"))
}

/// Reads what a span holds; the caller knows that it is not large.
pub fn read(source: &mut (impl Read + Seek), span: Span) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(span.start))?;
    let mut bytes = Vec::new();
    source.take(span.size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == span.size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Where everything is.
#[derive(Debug)]
pub struct Index {
    /// The checkpoints.
    pub heads: Heads,
    definition: Span,
    parts: [Places; 3],
}

#[derive(Debug, Default)]
struct Places {
    bundles: Vec<Span>,
    /// By level.
    hashes: Vec<Vec<Span>>,
    bodies: Option<Span>,
}

impl Index {
    /// Finds everything, from the first header to the end: what its checkpoints promise, all of it, in order, and nothing else.
    /// Takes 16 bytes of memory for each tile that is really there.
    pub fn read(source: impl Read + Seek) -> Result<Self, ArchiveError> {
        let mut scanner = Scanner::new(source)?;
        let heads = scanner.heads()?;
        let mut definition = None;
        let mut parts: [Places; 3] = Default::default();
        for member in heads.members() {
            let span = scanner.member(member)?;
            match member {
                Member::Checkpoint(_) => {}
                Member::Definition => definition = Some(span),
                Member::Bodies(part) => parts[part as usize].bodies = Some(span),
                Member::Tile(part, path) => match path.level {
                    TileLevel::Entries => parts[part as usize].bundles.push(span),
                    TileLevel::Hash(level) => {
                        let hashes = &mut parts[part as usize].hashes;
                        hashes.resize_with(hashes.len().max(usize::from(level) + 1), Vec::new);
                        hashes[usize::from(level)].push(span);
                    }
                },
            }
        }
        scanner.end()?;
        // The layout begins with it.
        let definition = definition.unwrap_or(Span { start: 0, size: 0 });
        Ok(Self { heads, definition, parts })
    }

    /// Where the definition is.
    pub fn definition(&self) -> Span {
        self.definition
    }

    /// Where a tile is; `None` for one that the tree of that size has not.
    pub fn tile(&self, part: Part, path: &TilePath) -> Option<Span> {
        let places = &self.parts[part as usize];
        let spans = match path.level {
            TileLevel::Entries => &places.bundles,
            TileLevel::Hash(level) => places.hashes.get(usize::from(level))?,
        };
        let level = match path.level {
            TileLevel::Entries => 0,
            TileLevel::Hash(level) => u32::from(level),
        };
        let first = path.index.checked_mul(u64::from(TILE_WIDTH))?;
        let left = (self.heads.size(part) >> (8 * level)).checked_sub(first)?;
        let is_its_width = u64::from(path.width) == left.min(u64::from(TILE_WIDTH));
        spans.get(usize::try_from(path.index).ok()?).copied().filter(|_| is_its_width)
    }

    /// Where the bodies of a log are; nothing of one that is not in the archive.
    pub fn bodies(&self, part: Part) -> Option<Span> {
        self.parts[part as usize].bodies
    }
}

#[cfg(test)]
// Said, since another crate reads this file by its path too.
#[path = "index/tests.rs"]
mod tests;
