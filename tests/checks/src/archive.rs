//! Archives of registers. The binary's own reader, and nothing else of it.

use std::io::Cursor;

use self::bodies::Lines;
use self::index::{Index, Span, read};
use self::layout::Member;

use crate::told;

#[path = "../../../cli/src/archive/bodies.rs"]
pub mod bodies;
#[path = "../../../cli/src/archive/header.rs"]
pub mod header;
#[path = "../../../cli/src/archive/index.rs"]
pub mod index;
#[path = "../../../cli/src/archive/layout.rs"]
pub mod layout;

/// An archive that is taken is, byte for byte, what a writer makes of what is in it; its lines are read to their end.
///
/// # Panics
/// When that is not so.
pub fn archive(bytes: &[u8]) -> bool {
    let index = match Index::read(Cursor::new(bytes)) {
        Ok(index) => index,
        Err(error) => {
            told(&error);
            return false;
        }
    };
    let mut written = Vec::with_capacity(bytes.len());
    let heads = &index.heads;
    for part in [layout::Part::Own].into_iter().chain(heads.others()) {
        let head = heads.get(part).expect("an index has all its checkpoints");
        put(&mut written, Member::Checkpoint(part), head.note.as_bytes());
    }
    for member in heads.members() {
        let span = match member {
            Member::Checkpoint(_) => continue,
            Member::Definition => index.definition(),
            Member::Tile(part, path) => index.tile(part, &path).expect("every tile promised is there"),
            Member::Bodies(part) => index.bodies(part).expect("the bodies of each log are there"),
        };
        let contents = content(bytes, span);
        if let Member::Bodies(_) = member {
            lines(contents);
        }
        put(&mut written, member, contents);
    }
    written.extend_from_slice(&header::END);
    assert_eq!(written, bytes, "there is one way to write it");
    true
}

fn content(bytes: &[u8], span: Span) -> &[u8] {
    let contents = read(&mut Cursor::new(bytes), span).expect("a span lies in the file");
    let start = usize::try_from(span.start).expect("it is in memory");
    let contained = &bytes[start..start + contents.len()];
    assert_eq!(contents, contained, "a span is read whole");
    contained
}

fn put(out: &mut Vec<u8>, member: Member, contents: &[u8]) {
    let size = contents.len() as u64;
    out.extend(header::encode(&member.to_string(), size).expect("our names fit a header"));
    out.extend_from_slice(contents);
    out.resize(out.len() + header::padding(size), 0);
}

/// Each line that is taken is written again as it stood; a line that is not says why without its values.
fn lines(contents: &[u8]) {
    let mut lines = Lines::new(contents, contents.len() as u64);
    let mut before = contents.len() as u64;
    while let Some(line) = lines.read().expect("memory can be read") {
        let after = lines.rest();
        assert!(after < before, "reading goes on");
        let start = contents.len() - usize::try_from(before).expect("it is in memory");
        let end = contents.len() - usize::try_from(after).expect("it is in memory");
        match line {
            Ok(line) => {
                assert_eq!(line.index + 1, lines.next_index());
                let mut written = Vec::new();
                let body = line.body.as_ref().map(|(body, salt)| (body.as_bytes(), salt));
                bodies::write(&mut written, line.index, body);
                assert_eq!(written, &contents[start..end], "a line has one form");
            }
            Err(error) => told(&error),
        }
        before = after;
    }
}
