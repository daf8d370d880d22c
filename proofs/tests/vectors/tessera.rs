//! transparency-dev/tessera: a whole small log, rebuilt byte for byte from its entries and its key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proofs::checkpoint::{Checkpoint, open};
use proofs::hash::{Hash, leaf_hash};
use proofs::key::PrivateKey;
use proofs::merkle::{Frontier, InclusionPlan, Node, verify_inclusion};
use proofs::note::{NoteSigner, VerifierKey};
use proofs::tile::{self, TileLevel, TilePath};

use crate::{files, fixture, read, read_text};

const ORIGIN: &str = "example.com/log/testdata";
const SIGNER: &str =
    "PRIVATE+KEY+example.com/log/testdata+33d7b496+AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg";
const ENTRIES: [&str; 15] = [
    "one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf",
    "threeten", "fourten", "fivten",
];

/// Go's note package writes a private key as `PRIVATE+KEY+<name>+<id>+<base64 of type and seed>`.
fn signer() -> NoteSigner {
    let (_, key) = SIGNER.rsplit_once("+33d7b496+").expect("an id");
    let bytes = STANDARD.decode(key).expect("base64");
    assert_eq!(bytes[0], 0x01);
    NoteSigner::new(ORIGIN, PrivateKey::from_seed(&bytes[1..].try_into().expect("a seed"))).expect("a name")
}

fn frontier(size: usize) -> Frontier {
    let mut frontier = Frontier::new();
    frontier.extend(ENTRIES[..size].iter().map(|entry| leaf_hash(entry.as_bytes())));
    frontier
}

#[test]
fn every_checkpoint_is_the_same_bytes() {
    let signer = signer();
    assert_eq!(signer.verifier().id(), 0x33d7_b496);
    for size in 0..=ENTRIES.len() {
        let root = frontier(size).root();
        let checkpoint =
            Checkpoint { origin: ORIGIN.into(), size: size as u64, root, extensions: Vec::new() };
        let served = read_text(&format!("tessera/checkpoint.{size}"));
        assert_eq!(checkpoint.sign(&signer).expect("signs"), served, "size {size}");
        assert_eq!(open(&served, &signer.verifier()).expect("opens"), checkpoint);
    }
    assert_eq!(read("tessera/checkpoint"), read("tessera/checkpoint.15"));
}

#[test]
fn every_tile_and_bundle_is_the_same_bytes() {
    let mut written = 1 + 16;
    for size in 1..=ENTRIES.len() {
        let paths: Vec<TilePath> = tile::paths(size as u64).collect();
        assert_eq!(paths.len(), 2, "a level of hashes and the bundles");
        for path in paths {
            let entries = &ENTRIES[..usize::from(path.width)];
            let bytes = match path.level {
                TileLevel::Hash(0) => {
                    tile::tile_encode(&entries.iter().map(|e| leaf_hash(e.as_bytes())).collect::<Vec<_>>())
                }
                TileLevel::Entries => tile::bundle_encode(entries).expect("short leaves"),
                TileLevel::Hash(level) => panic!("level {level} in a tree of {size}"),
            };
            assert_eq!(bytes, read(&format!("tessera/{path}")), "{path}");
            written += 1;
        }
    }
    assert_eq!(files(&fixture("tessera")).len(), written, "nothing served was left out");
}

#[test]
fn a_reader_finds_every_entry_in_the_served_files() {
    let key: VerifierKey = signer().verifier().to_string().parse().expect("a verifier key");
    let checkpoint = open(&read_text("tessera/checkpoint"), &key).expect("opens");
    let tile = tile::tile_decode(&read("tessera/tile/0/000.p/15")).expect("a tile");
    let bundle = tile::bundle_decode(&read("tessera/tile/entries/000.p/15")).expect("a bundle");
    assert_eq!(tile::tile_root(&tile), checkpoint.root);
    let fetch = |node: Node| -> Option<Hash> {
        let span = tile::locate(node);
        assert_eq!((span.level, span.index), (0, 0));
        span.hash(&tile)
    };
    for (index, leaf) in bundle.iter().enumerate() {
        assert_eq!(leaf, ENTRIES[index].as_bytes());
        let plan = InclusionPlan::new(index as u64, checkpoint.size).expect("in the tree");
        let path = plan.assemble(fetch).expect("all nodes are served");
        verify_inclusion(&leaf_hash(leaf), index as u64, checkpoint.size, &path, &checkpoint.root)
            .expect("verifies");
    }
}
