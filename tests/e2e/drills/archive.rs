//! Drills on an archive that a real store was exported to, file by file and byte by byte.

use proofs::checkpoint::Checkpoint;
use proofs::key::PrivateKey;
use proofs::note::NoteSigner;
use proofs::tile;
use reestr_tests::server::Server;
use reestr_tests::store::{Kind, Store};
use serde_json::Value;

use super::Place::{Entry, Log};
use super::served::LONG;
use super::{Drill, Verdicts, text};
use crate::archive::{audit_files, export};
use crate::outsider::verify;
use crate::shared::demo_args;

const BLOCK: usize = 512;

/// The files of an archive.
#[derive(Clone)]
pub struct Archive {
    /// The first header: the others differ in name and size.
    header: [u8; BLOCK],
    files: Vec<(String, Vec<u8>)>,
    /// What becomes of the bytes when they are written.
    written: fn(Vec<u8>) -> Vec<u8>,
}

type Deed = fn(&mut Archive);

/// Makes the sum of a header's bytes right again, its own field taken as blanks, with as many digits as it had.
fn checksum(header: &mut [u8]) {
    let field: [u8; 8] = header[148..156].try_into().expect("eight bytes");
    let digits = field.iter().position(|byte| *byte == 0).expect("its end");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(&field);
    header[148..148 + digits].copy_from_slice(format!("{sum:0digits$o}").as_bytes());
}

impl Archive {
    fn read(mut bytes: &[u8]) -> Self {
        let header = bytes[..BLOCK].try_into().expect("a block");
        let mut files = Vec::new();
        while bytes[0] != 0 {
            let (header, rest) = bytes.split_at(BLOCK);
            let field = |from: usize, to: usize| {
                let field = &header[from..to];
                let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
                std::str::from_utf8(&field[..end]).expect("text")
            };
            let size = usize::from_str_radix(field(124, 136), 8).expect("a size");
            files.push((field(0, 100).to_owned(), rest[..size].to_vec()));
            bytes = &rest[size.next_multiple_of(BLOCK)..];
        }
        Self { header, files, written: |bytes| bytes }
    }

    fn header(&self, name: &str, size: usize) -> [u8; BLOCK] {
        let mut header = self.header;
        header[..100].fill(0);
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        checksum(&mut header);
        header
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in &self.files {
            bytes.extend(self.header(name, content.len()));
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        (self.written)(bytes)
    }

    fn place(&self, name: &str) -> usize {
        self.files.iter().position(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} is there"))
    }

    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        let place = self.place(name);
        &mut self.files[place].1
    }

    fn replace(&mut self, name: &str, from: &str, to: &str) {
        let file = String::from_utf8(self.file(name).clone()).expect("text");
        assert!(file.contains(from), "{name} has {from}");
        *self.file(name) = file.replacen(from, to, 1).into_bytes();
    }

    /// Changes the lines of bodies.
    fn lines(&mut self, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
        let file = String::from_utf8(self.file(name).clone()).expect("text");
        let mut lines: Vec<Value> =
            file.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        change(&mut lines);
        let canonical = |line: &Value| {
            String::from_utf8(proofs::jcs::canonical(line).expect("JSON")).expect("text") + "\n"
        };
        *self.file(name) = lines.iter().map(canonical).collect::<String>().into_bytes();
    }
}

/// The first block of the last header: that of the file before the end.
fn last_header(bytes: &[u8]) -> usize {
    (0..bytes.len()).step_by(BLOCK).rfind(|at| bytes[at + 257..].starts_with(b"ustar")).expect("a header")
}

/// Changes the last header, and makes its checksum right again.
fn forged(mut bytes: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let at = last_header(&bytes);
    change(&mut bytes[at..at + BLOCK]);
    checksum(&mut bytes[at..at + BLOCK]);
    bytes
}

const BODIES: &str = "bodies.ndjson";
const FULL: &str = "tile/entries/000";

pub const DRILLS: &[Drill<Deed>] = &[
    Drill::new("a bit of an entry", "leaf", Entry(LONG, 0), |a| a.file(FULL)[5] ^= 1),
    Drill::new("two entries in the other order", "tile", Entry(LONG, 3), |a| {
        let mut leaves = tile::bundle_decode(a.file(FULL)).expect("a bundle");
        leaves.swap(3, 4);
        *a.file(FULL) = tile::bundle_encode(&leaves).expect("leaves fit");
    }),
    Drill::new("a bit of a hash tile", "tile", Entry(LONG, 100), |a| a.file("tile/0/000")[100 * 32] ^= 1),
    Drill::new("a bit of the checkpoint's signature", "checkpoint-signature", Log(LONG), |a| {
        let at = a.file("checkpoint").len() - 20;
        let byte = &mut a.file("checkpoint")[at];
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }),
    Drill::new("a checkpoint signed with another key", "checkpoint-key", Log(LONG), |a| {
        let note = String::from_utf8(a.file("checkpoint").clone()).expect("text");
        let head = Checkpoint::parse(&note[..=note.find("\n\n").expect("signatures")]).expect("a checkpoint");
        let signer = NoteSigner::new(&head.origin, PrivateKey::from_seed(&[7; 32])).expect("a name");
        *a.file("checkpoint") = head.sign(&signer).expect("its own log").into_bytes();
    }),
    Drill::new("a letter of a body", "digest", Entry(LONG, 0), |a| a.replace(BODIES, "Abingdon", "Abington")),
    Drill::new("the bodies of two entries swapped", "digest", Entry(LONG, 2), |a| {
        a.lines(BODIES, |lines| {
            lines.swap(2, 3);
            (lines[2]["index"], lines[3]["index"]) = (2.into(), 3.into());
        });
    }),
    Drill::new("a body gone without an order", "body-missing", Entry(LONG, 8), |a| {
        a.lines(BODIES, |lines| (lines[8]["body"], lines[8]["salt"]) = (Value::Null, Value::Null));
    }),
    Drill::new("a salt of another entry", "digest", Entry(LONG, 9), |a| {
        a.lines(BODIES, |lines| lines[9]["salt"] = lines[10]["salt"].clone());
    }),
    Drill::new("a line of bodies dropped", "archive", Entry(LONG, 20), |a| {
        a.lines(BODIES, |lines| drop(lines.remove(20)));
    }),
    Drill::new("a line of bodies twice", "archive", Entry(LONG, 21), |a| {
        a.lines(BODIES, |lines| {
            let twice = lines[20].clone();
            lines.insert(21, twice);
        });
    }),
    Drill::new("a line of bodies that is not canonical", "archive", Entry(LONG, 0), |a| {
        a.replace(BODIES, "{\"body\"", "{ \"body\"");
    }),
    Drill::new("another key for a department", "digest", Entry("departments", 1), |a| {
        a.lines("departments/bodies.ndjson", |lines| {
            let key = lines[0]["body"]["key"].clone();
            lines[1]["body"]["key"] = key;
        });
    }),
    Drill::new("another owner in a definition", "digest", Entry("registers", 5), |a| {
        a.lines("registers/bodies.ndjson", |lines| lines[5]["body"]["definition"]["owner"] = "nobody".into());
    }),
    Drill::new("another definition for people than the register has", "archive", Log(LONG), |a| {
        a.replace("definition.json", "\"owner\":\"", "\"owner\":\"x");
    }),
    Drill::new("a file left out", "archive", Log(LONG), |a| {
        let place = a.place("tile/0/000");
        a.files.remove(place);
    }),
    Drill::new("a file twice", "archive", Log(LONG), |a| {
        let place = a.place("tile/0/000");
        let twice = a.files[place].clone();
        a.files.insert(place, twice);
    }),
    Drill::new("two files in the other order", "archive", Log(LONG), |a| {
        let place = a.place("tile/0/000");
        a.files.swap(place, place + 1);
    }),
    Drill::new("a file more", "archive", Log(LONG), |a| a.files.push(("more".to_owned(), b"more".to_vec()))),
    Drill::new("a file whose path leads out", "archive", Log(LONG), |a| {
        let place = a.place(BODIES);
        a.files[place].0.insert_str(0, "../");
    }),
    Drill::new("the file cut short", "archive", Log(LONG), |a| {
        a.written = |mut bytes| {
            bytes.truncate(bytes.len() - 4 * BLOCK);
            bytes
        };
    }),
    Drill::new("bytes after the end", "archive", Log(LONG), |a| {
        a.written = |mut bytes| {
            bytes.extend([0; BLOCK]);
            bytes
        };
    }),
    Drill::new("a header whose checksum is wrong", "archive", Log(LONG), |a| {
        a.written = |mut bytes| {
            let at = last_header(&bytes);
            bytes[at + 148] ^= 1;
            bytes
        };
    }),
    Drill::new("a header with another mode", "archive", Log(LONG), |a| {
        a.written = |bytes| forged(bytes, |header| header[106] = b'5');
    }),
    Drill::new("a header with an owner's name", "archive", Log(LONG), |a| {
        a.written = |bytes| forged(bytes, |header| header[265] = b'x');
    }),
    Drill::new("a file that is a link", "archive", Log(LONG), |a| {
        a.written = |bytes| forged(bytes, |header| header[156] = b'2');
    }),
    Drill::new("a size that lies", "archive", Log(LONG), |a| {
        a.written = |bytes| forged(bytes, |header| header[124..135].fill(b'7'));
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_an_archive_is_found_by_the_audit_and_by_an_outsider() {
    let store = Store::fresh(Kind::Sqlite).await;
    Server::start("demo", &demo_args(&store)).await.stop().await;
    let path = store.data().join("register.tar");
    let (file, files) = (text(&path), [path.as_path()]);
    let exported = export(&store, LONG, &path).await;
    assert!(exported.status.success(), "{exported:?}");
    let bytes = std::fs::read(file).expect("the archive");
    let honest = Archive::read(&bytes);
    assert!(honest.write() == bytes, "what is read and written again is the same, to the byte");
    let (code, report) = audit_files(&files, &[]).await;
    assert_eq!(code, 0, "{report}");
    let (code, said) = verify(&["archive", file]).await;
    assert_eq!(code, 0, "{said}");

    let mut verdicts = Verdicts::of("archive");
    for drill in DRILLS {
        let mut archive = honest.clone();
        (drill.deed)(&mut archive);
        std::fs::write(file, archive.write()).expect("the archive is written");
        let verdict = drill.judge(&audit_files(&files, &[]).await);
        let (code, said) = verify(&["archive", file]).await;
        let refused = code == 1 && !said.contains("Traceback");
        verdicts.note(
            drill,
            verdict.and(if refused { Ok(()) } else { Err(format!("the outsider: {code}: {said}")) }),
        );
    }
    verdicts.conclude();
}
