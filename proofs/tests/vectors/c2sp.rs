//! C2SP's own examples: signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles and tlog-proof.

use proofs::checkpoint::{self, Checkpoint};
use proofs::key::PrivateKey;
use proofs::note::{self, KeyType, NoteError, NoteSigner, SignedNote, VerifierKey};
use proofs::proof::TlogProof;
use proofs::tile::{self, TileLevel, TilePath};

/// signed-note: a text with an empty line in it, and a key name with a path.
const NOTE: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
                    — quasimodo.example/salvatore \
                    NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

#[test]
fn signed_note_example() {
    let note = SignedNote::parse(NOTE).expect("a note");
    assert_eq!(note.to_string(), NOTE);
    assert!(note.text().ends_with("di sole:\n\ned è subito sera.\n"));
    let [signature] = note.signatures() else { panic!("one signature") };
    assert_eq!((signature.name.as_str(), signature.id), ("quasimodo.example/salvatore", 0x367b_a04b));
    assert_eq!(signature.signature.len(), 64);
}

/// The key and note that Go's `golang.org/x/mod/sumdb/note`, where the format comes from, is tested with.
const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
                       then you don't know what your problem is.\n\n\
                       — PeterNeumann \
                       x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn go_note() {
    let key: VerifierKey = GO_VKEY.parse().expect("a verifier key");
    assert_eq!(key.to_string(), GO_VKEY);
    let note = SignedNote::parse(GO_NOTE).expect("a note");
    assert_eq!(note.verify(&key), Ok(()));
    let other = SignedNote::parse(&GO_NOTE.replace("answer", "Answer")).expect("a note");
    assert_eq!(other.verify(&key), Err(NoteError::Signature));
    let renamed = SignedNote::parse(&GO_NOTE.replace("— Peter", "— Petra")).expect("a note");
    assert_eq!(renamed.verify(&key), Err(NoteError::NotSigned));
}

#[test]
fn every_part_and_every_change_of_a_verifier_key_is_refused() {
    for start in 0..GO_VKEY.len() {
        for end in start..GO_VKEY.len() + usize::from(start > 0) {
            assert!(GO_VKEY[start..end].parse::<VerifierKey>().is_err(), "{start}..{end}");
        }
        let mut bytes = GO_VKEY.as_bytes().to_vec();
        bytes[start] += 1;
        let text = String::from_utf8(bytes).expect("ASCII");
        assert!(text.parse::<VerifierKey>().is_err(), "{text}");
    }
    // Another type with a fitting id, and a key of the wrong length with a fitting id.
    let unknown = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(unknown.parse::<VerifierKey>(), Err(NoteError::KeyType));
    let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    assert_eq!(long.parse::<VerifierKey>(), Err(NoteError::VerifierKey));
}

/// tlog-cosignature: a checkpoint with the log's signature and a witness's. The specification names no keys.
const COSIGNED: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa \
    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 \
    jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

#[test]
fn checkpoint_and_cosignature_example() {
    let note = SignedNote::parse(COSIGNED).expect("a note");
    assert_eq!(note.to_string(), COSIGNED);
    let checkpoint = Checkpoint::parse(note.text()).expect("a checkpoint");
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(checkpoint.to_text(), note.text());
    let witness = &note.signatures()[1].signature;
    assert_eq!(witness.len(), 8 + 64);
    assert_eq!(u64::from_be_bytes(witness[..8].try_into().expect("8 bytes")), 1_679_315_147);
}

#[test]
fn a_witness_may_add_its_line() {
    let log = NoteSigner::new("example.com/log", PrivateKey::from_seed(&[1; 32])).expect("a name");
    let witness = PrivateKey::from_seed(&[2; 32]);
    let witness_key = VerifierKey::new("w.example", KeyType::Cosignature, witness.public()).expect("a name");
    assert_eq!(witness_key.to_string().parse(), Ok(witness_key.clone()));
    let text = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let mut note = note::sign(text, std::slice::from_ref(&log)).expect("signs");
    let time = 1_679_315_147_u64;
    let mut signature = time.to_be_bytes().to_vec();
    signature.extend(witness.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()));
    note.push(note::NoteSignature { name: "w.example".into(), id: witness_key.id(), signature });

    let read = SignedNote::parse(&note.to_string()).expect("a note");
    assert_eq!(read.cosigned_at(&witness_key), Ok(time));
    assert_eq!(read.cosigned_at(&log.verifier()), Err(NoteError::KeyType));
    assert_eq!(checkpoint::open(&note.to_string(), &log.verifier()).expect("opens").size, 0);
    // The same key as a plain one is another key: its id differs.
    let plain = VerifierKey::new("w.example", KeyType::Ed25519, witness.public()).expect("a name");
    assert_eq!(read.verify(&plain), Err(NoteError::NotSigned));
}

#[test]
fn tile_paths() {
    let path = |level, index, width| TilePath::new(level, index, width).expect("a tile").to_string();
    assert_eq!(path(TileLevel::Hash(0), 1_234_067, 256), "tile/0/x001/x234/067");
    assert_eq!(path(TileLevel::Hash(0), 1234, 5), "tile/0/x001/234.p/5");
    assert_eq!(path(TileLevel::Entries, 0, 256), "tile/entries/000");
    assert_eq!(path(TileLevel::Entries, 1_234_067, 255), "tile/entries/x001/x234/067.p/255");
    assert_eq!(path(TileLevel::Hash(2), 999, 1), "tile/2/999.p/1");
    assert_eq!(path(TileLevel::Hash(5), 1000, 256), "tile/5/x001/000");
}

/// tlog-tiles tells which tiles trees of 70,000 and of 256 leaves have.
#[test]
fn tiles_of_a_tree() {
    let of = |size: u64, level: TileLevel| -> (usize, Option<u16>) {
        let tiles: Vec<_> = tile::paths(size).filter(|path| path.level == level).collect();
        assert!(tiles.iter().enumerate().all(|(at, path)| path.index == at as u64));
        let full = tiles.iter().filter(|path| path.is_full()).count();
        (full, tiles.last().filter(|path| !path.is_full()).map(|path| path.width))
    };
    assert_eq!(of(70_000, TileLevel::Hash(0)), (273, Some(112)));
    assert_eq!(of(70_000, TileLevel::Hash(1)), (1, Some(17)));
    assert_eq!(of(70_000, TileLevel::Hash(2)), (0, Some(1)));
    assert_eq!(of(70_000, TileLevel::Hash(3)), (0, None));
    assert_eq!(of(70_000, TileLevel::Entries), (273, Some(112)));
    assert_eq!(of(256, TileLevel::Hash(0)), (1, None));
    assert_eq!(of(256, TileLevel::Hash(1)), (0, Some(1)));
    assert_eq!(tile::paths(0).count(), 0);
}

/// tlog-proof's example. Its extra data and its signatures are cut short there, so the first stands here whole
/// and the second show that the checkpoint is kept verbatim.
const PROOF: &str = "c2sp.org/tlog-proof@v1\n\
    extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6\n\
    index 73894\n\
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n\
    B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\
    EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n\
    RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n\
    AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n\
    \n\
    example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n\
    — example.com/fancylog hI2DJw[...]1roloI=\n\
    — witness1.example mJirIklj[...]qY9v2B/5bg==\n";

#[test]
fn tlog_proof_example() {
    let proof: TlogProof = PROOF.parse().expect("a proof");
    assert_eq!(proof.index, 73_894);
    assert_eq!(proof.extra.as_deref(), Some(&b"age-v1.2.1-darwin-arm64.tar.gz"[..]));
    assert_eq!(proof.path.len(), 5);
    assert!(proof.checkpoint.starts_with("example.com/fancylog\n109482\n"));
    assert_eq!(proof.to_string(), PROOF);
    let bare: TlogProof = "c2sp.org/tlog-proof@v1\nindex 0\n\nrest".parse().expect("a proof");
    assert_eq!((bare.index, bare.extra, bare.path.len(), bare.checkpoint.as_str()), (0, None, 0, "rest"));
}
