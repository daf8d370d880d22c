//! How far an export came that was interrupted: all that is whole is kept, the rest is written again.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};

use super::header::{self, BLOCK};
use super::index::{ArchiveError, Scanner};
use super::layout::{Heads, Member};

/// Where to go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    /// Members after the checkpoints that are whole.
    pub members: usize,
    /// Bytes of the file that are kept.
    pub at: u64,
    /// Lines of the next member that are kept, where it holds bodies and its header stands.
    pub lines: Option<Lines>,
}

/// The part of a file of bodies that is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub count: u64,
    pub bytes: u64,
}

/// Finds how far a file came. `bodies` gives the bytes that each file of bodies has now: where one was begun with another number,
/// something was withheld since, and nothing is kept.
pub(super) fn find(
    file: &File,
    heads: &Heads,
    bodies: impl Fn(Member) -> u64,
) -> Result<Option<Point>, ArchiveError> {
    let mut scanner = Scanner::new(file)?;
    scanner.heads()?;
    let mut point = Point { at: scanner.at(), ..Point::default() };
    for member in heads.members() {
        let of_bodies = matches!(member, Member::Bodies(_));
        match scanner.member(member) {
            Ok(span) if of_bodies && span.size != bodies(member) => return Ok(None),
            Ok(_) => {}
            Err(ArchiveError::Io(error)) => return Err(error.into()),
            Err(_) if of_bodies => {
                let begun = scanner.header(member).ok();
                let expected = header::encode(&member.to_string(), bodies(member));
                match begun {
                    Some(begun) if Some(begun) == expected => {
                        let lines = lines(file, point.at + BLOCK as u64, bodies(member))?;
                        point.at += BLOCK as u64 + lines.bytes;
                        point.lines = Some(lines);
                    }
                    // A header of other bodies, and not one that was never written.
                    Some(begun) if header::size(&begun).is_some_and(|size| is_of(&begun, member, size)) => {
                        return Ok(None);
                    }
                    _ => {}
                }
                return Ok(Some(point));
            }
            Err(_) => return Ok(Some(point)),
        }
        point.members += 1;
        point.at = scanner.at();
    }
    Ok(Some(point))
}

fn is_of(header: &[u8; BLOCK], member: Member, size: u64) -> bool {
    header::encode(&member.to_string(), size).as_ref() == Some(header)
}

/// The whole lines from a place on.
fn lines(mut file: &File, start: u64, size: u64) -> io::Result<Lines> {
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::with_capacity(1 << 16, file.take(size));
    let (mut lines, mut read) = (Lines::default(), 0);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(lines);
        }
        for (at, _) in buffer.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            lines.count += 1;
            lines.bytes = read + at as u64 + 1;
        }
        let length = buffer.len();
        read += length as u64;
        reader.consume(length);
    }
}
