use std::io::Cursor;

use proofs::checkpoint::Checkpoint;
use proofs::hash::Hash;
use proofs::key::PrivateKey;
use proofs::note::NoteSigner;

use super::*;
use crate::archive::layout::Member;

fn note(slug: &str, size: u64) -> String {
    let origin = format!("log.example/registers/{slug}");
    let signer = NoteSigner::new(&origin, PrivateKey::from_seed(&[1; 32])).unwrap();
    Checkpoint { origin, size, root: Hash([7; 32]), extensions: vec![] }.sign(&signer).unwrap()
}

/// The members of a small archive, in order: what they hold is nothing to an index.
fn members() -> Vec<(String, Vec<u8>)> {
    let mut heads = Heads::begin(Head::read(note("permits", 257)).unwrap()).unwrap();
    heads.add(Part::Departments, Head::read(note("departments", 1)).unwrap()).unwrap();
    heads.add(Part::Registers, Head::read(note("registers", 0)).unwrap()).unwrap();
    let checkpoints = [Part::Own, Part::Departments, Part::Registers].map(|part| {
        (Member::Checkpoint(part).to_string(), heads.get(part).unwrap().note.clone().into_bytes())
    });
    let others = heads.members().map(|member| {
        let bytes = match member {
            Member::Tile(_, TilePath { level: TileLevel::Hash(_), width, .. }) => {
                vec![1; usize::from(width) * 32]
            }
            Member::Bodies(Part::Registers) => Vec::new(),
            _ => member.to_string().into_bytes(),
        };
        (member.to_string(), bytes)
    });
    checkpoints.into_iter().chain(others).collect()
}

fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        // A hostile name is one that our own writer refuses.
        let mut header =
            tar::Header::from_byte_slice(&header::encode("x", bytes.len() as u64).unwrap()).clone();
        header.as_mut_bytes()[..100].fill(0);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(bytes);
        out.resize(out.len() + header::padding(bytes.len() as u64), 0);
    }
    out.extend_from_slice(&END);
    out
}

fn fault(bytes: &[u8]) -> String {
    match Index::read(Cursor::new(bytes)) {
        Ok(_) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn everything_is_found_where_it_is() {
    let members = members();
    let bytes = tar(&members);
    let index = Index::read(Cursor::new(&bytes)).unwrap();
    let mut found = Cursor::new(&bytes);
    let path = |text: &str| index.tile(Part::Own, &text.parse().unwrap());
    for name in ["tile/entries/000", "tile/entries/001.p/1", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]
    {
        let expected = &members.iter().find(|(member, _)| member == name).unwrap().1;
        assert_eq!(&read(&mut found, path(name).unwrap()).unwrap(), expected, "{name}");
    }
    for none in
        ["tile/entries/000.p/5", "tile/entries/001", "tile/entries/002", "tile/0/000.p/255", "tile/2/000.p/1"]
    {
        assert_eq!(path(none), None, "{none}");
    }
    let definition = read(&mut found, index.definition()).unwrap();
    assert_eq!(definition, b"definition.json");
    assert_eq!(index.bodies(Part::Registers).map(|span| span.size), Some(0));
}

#[test]
fn whatever_is_missing_added_or_moved_is_named() {
    let whole = members();
    let names: Vec<String> = whole.iter().map(|(name, _)| name.clone()).collect();
    for at in 0..whole.len() {
        let mut dropped = whole.clone();
        dropped.remove(at);
        let found = fault(&tar(&dropped));
        assert!(found.contains(&format!("where {} must stand", names[at])), "{} dropped: {found}", names[at]);

        let mut twice = whole.clone();
        twice.insert(at, whole[at].clone());
        let found = fault(&tar(&twice));
        let next = names.get(at + 1).map_or("the end", String::as_str);
        assert!(found.contains(&format!("where {next} must stand")), "{} twice: {found}", names[at]);

        let mut added = whole.clone();
        added.insert(at, ("../../etc/passwd".to_owned(), b"x".to_vec()));
        let found = fault(&tar(&added));
        assert!(found.contains("another file stands there"), "before {}: {found}", names[at]);
        assert!(!found.contains("passwd"), "what a hostile header says is not repeated: {found}");
    }
    let mut swapped = whole.clone();
    swapped.swap(6, 7);
    assert!(fault(&tar(&swapped)).contains("another file stands there"));
    assert_eq!(fault(&tar(&whole)), "none");
}

#[test]
fn a_header_that_says_anything_else_is_refused() {
    let whole = tar(&members());
    let tile =
        members().iter().take(6).map(|(_, bytes)| 512 + bytes.len().div_ceil(512) * 512).sum::<usize>();
    let forms: [(&str, usize, &[u8]); 9] = [
        ("a symbolic link", 156, b"2"),
        ("a hard link", 156, b"1"),
        ("a directory", 156, b"5"),
        ("a pax header", 156, b"x"),
        ("a sparse file", 156, b"S"),
        ("a long name", 156, b"L"),
        ("another mode", 100, b"0000777"),
        ("a prefix", 345, b"../"),
        ("an owner", 265, b"root"),
    ];
    for (what, at, bytes) in forms {
        for sum in [false, true] {
            let mut changed = whole.clone();
            changed[tile + at..tile + at + bytes.len()].copy_from_slice(bytes);
            if sum {
                let mut header = *tar::Header::from_byte_slice(&changed[tile..tile + 512]).as_bytes();
                let mut parsed = tar::Header::new_ustar();
                parsed.as_mut_bytes().copy_from_slice(&header);
                parsed.set_cksum();
                header.copy_from_slice(parsed.as_bytes());
                changed[tile..tile + 512].copy_from_slice(&header);
            }
            let found = fault(&changed);
            assert!(found.contains("its header is not that of a plain file"), "{what}: {found}");
        }
    }
}

#[test]
fn sizes_that_lie_and_files_that_end_are_found() {
    let whole = tar(&members());
    for length in (0..whole.len()).step_by(97) {
        let found = fault(&whole[..length]);
        assert!(found != "none", "cut at {length}");
    }
    let grown = [&whole[..], &[0; 512]].concat();
    assert!(fault(&grown).contains("the end"), "more zeros than the end has");
    let mut at = 0;
    for (name, bytes) in members() {
        for size in [u64::MAX / 2, 9 << 30, bytes.len() as u64 + 512] {
            let mut changed = whole.clone();
            changed[at..at + 512].copy_from_slice(&header::encode(&name, size).unwrap());
            assert_ne!(fault(&changed), "none", "{name} of {size} bytes");
        }
        let end = at + 512 + bytes.len();
        if header::padding(bytes.len() as u64) > 0 {
            let mut changed = whole.clone();
            changed[end] = 1;
            let found = fault(&changed);
            assert!(found.contains("not zeros"), "{name}: {found}");
        }
        at = end + header::padding(bytes.len() as u64);
    }
}

#[test]
fn what_claims_a_vast_size_is_refused_at_once() {
    let mut vast = members();
    vast[0].1 = note("permits", u64::MAX / 3).into_bytes();
    let found = fault(&tar(&vast));
    assert!(found.contains("must stand"), "{found}");
    assert!(matches!(Index::read(Cursor::new(b"")), Err(ArchiveError::NotOne { .. })));
    assert!(matches!(Index::read(Cursor::new(&[0; 4096])), Err(ArchiveError::NotOne { .. })));
}
