//! One register's log: its checkpoint, and its leaves hashed into the root.

use futures_util::{StreamExt, TryStreamExt, stream};
use proofs::hash::{Hash, leaf_hash};
use proofs::merkle::Frontier;
use proofs::slug::Slug;
use proofs::tile::{TILE_WIDTH, TileLevel, TilePath, bundle_decode, bundle_paths, paths, tile_root};

use super::fetch::CouldNotCheck;
use super::head::Head;
use super::log_fault;
use super::report::{Fault, RegisterReport};
use super::source::Source;
use super::state::{Pin, Pins};

/// Bundles fetched ahead: enough to hide a network's latency, few enough to hold in memory (16 × 256 leaves).
const AHEAD: usize = 16;

/// A log as of the checkpoint that was fetched first.
pub struct Log {
    /// The register.
    pub register: Slug,
    /// Its checkpoint as served, to be judged when the keys are known; `None` where it is none.
    pub head: Option<Head>,
    /// What was kept of it the last time.
    pub kept: Option<Pin>,
    /// Faults found in the checkpoint itself.
    pub faults: Vec<Fault>,
}

impl Log {
    /// Fetches the checkpoint.
    pub async fn open(fetch: &Source, register: &Slug, pins: &Pins) -> Result<Self, CouldNotCheck> {
        let note = fetch.checkpoint(register).await?;
        let key = fetch.key(register).await?;
        let kept = pins.get(register).cloned();
        let mut log = Self { register: register.clone(), head: None, kept, faults: Vec::new() };
        match Head::parse(note, key, register) {
            Ok(head) => log.head = Some(head),
            Err(detail) => log.faults.push(log_fault("checkpoint-signature", detail)),
        }
        if let (Some(head), Some(kept)) = (&log.head, &log.kept)
            && head.checkpoint.size < kept.checkpoint.size
        {
            let detail = format!(
                "the register has {} entries; at the last audit it had {}",
                head.checkpoint.size, kept.checkpoint.size
            );
            log.faults.push(log_fault("consistency", detail));
        }
        Ok(log)
    }

    /// The installation's name, which the origin of each of its checkpoints begins with.
    pub fn log_name(&self) -> Option<&str> {
        self.head.as_ref()?.checkpoint.origin.strip_suffix(&format!("/registers/{}", self.register))
    }

    /// Entries in the checkpoint.
    pub fn size(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.checkpoint.size)
    }
}

/// Hashes leaves into the tree, and the tree against the checkpoint, the tiles and what was kept.
pub struct Hashing {
    tree: Frontier,
    /// Node hashes by tile level: level 0 holds only those of the tile being filled.
    levels: Vec<Vec<Hash>>,
    kept: Option<(u64, Hash)>,
    root_at_kept: Option<Hash>,
}

impl Hashing {
    fn new(log: &Log) -> Self {
        let kept = log.kept.as_ref().map(|pin| (pin.checkpoint.size, pin.checkpoint.root));
        let tree = Frontier::new();
        let root_at_kept = kept.filter(|(size, _)| *size == 0).map(|_| tree.root());
        Self { tree, levels: vec![Vec::new()], kept, root_at_kept }
    }

    fn push(&mut self, leaf: &[u8]) {
        let hash = leaf_hash(leaf);
        self.tree.push(hash);
        if self.kept.is_some_and(|(size, _)| size == self.tree.size()) {
            self.root_at_kept = Some(self.tree.root());
        }
        self.levels[0].push(hash);
        let mut level = 0;
        while self.levels[level].len().is_multiple_of(usize::from(TILE_WIDTH)) {
            let start = self.levels[level].len() - usize::from(TILE_WIDTH);
            let root = tile_root(&self.levels[level][start..]);
            if self.levels.len() == level + 1 {
                self.levels.push(Vec::new());
            }
            self.levels[level + 1].push(root);
            level += 1;
        }
    }
}

/// Reads a log's leaves in order and gives each bundle to `each`; then compares root and hash tiles.
///
/// Faults go to the report. Returns false when the leaves could not be trusted to be the log's.
pub async fn walk(
    fetch: &Source,
    log: &Log,
    report: &mut RegisterReport,
    mut each: impl AsyncFnMut(u64, Vec<Vec<u8>>, &mut RegisterReport) -> Result<(), CouldNotCheck>,
) -> Result<bool, CouldNotCheck> {
    let Some(head) = &log.head else { return Ok(false) };
    let size = head.checkpoint.size;
    let mut hashing = Hashing::new(log);
    let mut bundles =
        stream::iter(bundle_paths(size).map(|path| async move {
            Ok::<_, CouldNotCheck>((path, fetch.tile(&log.register, &path).await?))
        }))
        .buffered(AHEAD);
    while let Some((path, bundle)) = bundles.try_next().await? {
        let first = path.index * u64::from(TILE_WIDTH);
        let leaves = match bundle.as_deref().map(bundle_decode) {
            Some(Ok(leaves)) if leaves.len() == usize::from(path.width) => leaves,
            broken => {
                let detail = match broken {
                    Some(Ok(leaves)) => format!("{path} holds {} entries, not {}", leaves.len(), path.width),
                    Some(Err(error)) => format!("{path}: {error}"),
                    None => format!("{path} is not served, though the checkpoint covers it"),
                };
                let index = first_unserved(fetch, log, &path).await?;
                report.fault(Fault { index: Some(index), record: None, rule: "bundle", detail });
                return Ok(false);
            }
        };
        for leaf in &leaves {
            hashing.push(leaf);
        }
        each(first, leaves, report).await?;
    }
    drop(bundles);
    compare_roots(head, &hashing, report);
    compare_tiles(fetch, log, size, &hashing, report).await?;
    Ok(true)
}

/// The first entry of a bundle that is not served: partial bundles end before it.
async fn first_unserved(fetch: &Source, log: &Log, path: &TilePath) -> Result<u64, CouldNotCheck> {
    let (mut served, mut unserved) = (0, path.width);
    while served + 1 < unserved {
        let width = served.midpoint(unserved);
        let part = TilePath { width, ..*path };
        let bundle = fetch.tile(&log.register, &part).await?;
        match bundle.as_deref().map(bundle_decode) {
            Some(Ok(leaves)) if leaves.len() == usize::from(width) => served = width,
            _ => unserved = width,
        }
    }
    Ok(path.index * u64::from(TILE_WIDTH) + u64::from(unserved) - 1)
}

fn compare_roots(head: &Head, hashing: &Hashing, report: &mut RegisterReport) {
    if hashing.tree.root() != head.checkpoint.root {
        let detail = format!(
            "the {} leaves served have the root {}, the checkpoint states {}",
            hashing.tree.size(),
            hashing.tree.root(),
            head.checkpoint.root
        );
        report.fault(log_fault("root", detail));
    }
    if let (Some((size, root)), Some(now)) = (hashing.kept, hashing.root_at_kept) {
        if root == now {
            report.consistent_with = Some(size);
        } else {
            let detail =
                format!("the first {size} entries are not those of the last audit: the past was rewritten");
            report.fault(log_fault("consistency", detail));
        }
    }
}

/// The hash tiles must say what the leaves say: proofs are made from them.
async fn compare_tiles(
    fetch: &Source,
    log: &Log,
    size: u64,
    hashing: &Hashing,
    report: &mut RegisterReport,
) -> Result<(), CouldNotCheck> {
    let paths: Vec<TilePath> = paths(size).collect();
    let mut tiles = stream::iter(paths.iter().filter_map(|path| match path.level {
        TileLevel::Hash(level) => Some((path, hashing.levels.get(usize::from(level))?)),
        TileLevel::Entries => None,
    }))
    .map(|(path, hashes)| async move {
        Ok::<_, CouldNotCheck>((path, hashes, fetch.tile(&log.register, path).await?))
    })
    .buffered(AHEAD);
    while let Some((path, hashes, tile)) = tiles.try_next().await? {
        let start = usize::try_from(path.index).unwrap_or(usize::MAX).saturating_mul(usize::from(TILE_WIDTH));
        let hashes = hashes.iter().skip(start).take(usize::from(path.width));
        let served = tile.as_deref().unwrap_or_default();
        let differs =
            hashes.clone().zip(served.chunks(32)).position(|(hash, served)| hash.as_bytes() != served);
        if differs.is_some() || served.len() != hashes.len() * 32 {
            let first = start + differs.unwrap_or((served.len() / 32).min(hashes.len()));
            // Above level 0 a hash stands for many entries: the path says which.
            let index = (path.level == TileLevel::Hash(0)).then_some(first as u64);
            let detail = format!("{path} does not hold the hashes of the leaves");
            report.fault(Fault { index, record: None, rule: "tile", detail });
        }
    }
    Ok(())
}
