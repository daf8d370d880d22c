//! One register's log: its checkpoint, and its leaves hashed into the root.

use std::num::NonZero;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use proofs::hash::{Hash, leaf_hash};
use proofs::merkle::Frontier;
use proofs::slug::Slug;
use proofs::tile::{LEVEL_MAX, TILE_WIDTH, TileLevel, TilePath, bundle_decode, bundle_paths, tile_root};
use tokio::sync::Semaphore;

use super::fetch::{CouldNotCheck, Listing};
use super::head::Head;
use super::log_fault;
use super::report::{Fault, RegisterReport};
use super::source::Source;
use super::state::{Pin, Pins};

/// Bundles read ahead: enough to hide a network's latency, and two for each core that checks them.
fn ahead_max(cores: usize) -> usize {
    (2 * cores).clamp(16, 64)
}

/// Bytes of bundles and bodies read ahead, going by those of the last bundle. Usual ones have half a megabyte.
const AHEAD_BYTES: usize = 32 << 20;

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
struct Hashing {
    tree: Frontier,
    /// Above the leaves' own, of each level the tile that is being filled.
    levels: Vec<Filling>,
    kept: Option<(u64, Hash)>,
    root_at_kept: Option<Hash>,
}

/// A hash tile that is being filled.
#[derive(Default)]
struct Filling {
    index: u64,
    hashes: Vec<Hash>,
}

/// A hash tile as the leaves make it.
struct Made {
    path: TilePath,
    hashes: Vec<Hash>,
}

impl Hashing {
    fn new(log: &Log) -> Self {
        let kept = log.kept.as_ref().map(|pin| (pin.checkpoint.size, pin.checkpoint.root));
        let tree = Frontier::new();
        let root_at_kept = kept.filter(|(size, _)| *size == 0).map(|_| tree.root());
        Self { tree, levels: Vec::new(), kept, root_at_kept }
    }

    /// Takes in the hashes of a bundle's leaves; gives the tiles above them that are full now.
    fn push(&mut self, leaves: &[Hash]) -> Vec<Made> {
        for hash in leaves {
            self.tree.push(*hash);
            if self.kept.is_some_and(|(size, _)| size == self.tree.size()) {
                self.root_at_kept = Some(self.tree.root());
            }
        }
        let mut made = Vec::new();
        let mut root = (leaves.len() == usize::from(TILE_WIDTH)).then(|| tile_root(leaves));
        for level in 1..=LEVEL_MAX {
            let Some(hash) = root.take() else { break };
            if self.levels.len() < usize::from(level) {
                self.levels.push(Filling::default());
            }
            let filling = &mut self.levels[usize::from(level) - 1];
            filling.hashes.push(hash);
            if filling.hashes.len() == usize::from(TILE_WIDTH) {
                let hashes = std::mem::take(&mut filling.hashes);
                root = Some(tile_root(&hashes));
                let (level, index, width) = (TileLevel::Hash(level), filling.index, TILE_WIDTH);
                made.push(Made { path: TilePath { level, index, width }, hashes });
                filling.index += 1;
            }
        }
        made
    }

    /// The tiles above the leaves' own that are not full at the end.
    fn rest(&mut self) -> Vec<Made> {
        let made = (1..=LEVEL_MAX).zip(self.levels.drain(..)).filter_map(|(level, filling)| {
            let width = u16::try_from(filling.hashes.len()).ok().filter(|width| *width > 0)?;
            let path = TilePath { level: TileLevel::Hash(level), index: filling.index, width };
            Some(Made { path, hashes: filling.hashes })
        });
        made.collect()
    }
}

/// The leaves of a bundle, as they were read, with what is shown of their bodies.
pub struct Leaves {
    /// Index of the first.
    pub first: u64,
    /// Their bytes.
    pub bytes: Vec<Vec<u8>>,
    /// Their bodies.
    pub bodies: Bodies,
}

/// What is shown of the bodies of some entries.
pub enum Bodies {
    /// They were not asked for.
    Unasked,
    /// None may be seen.
    Refused,
    /// These.
    Shown(Listing),
}

/// A bundle that was read, and what was made of it.
enum Worked<T> {
    /// It holds what it must.
    Sound { hashes: Vec<Hash>, tile: Option<Fault>, found: T },
    /// It does not.
    Broken { path: TilePath, detail: String },
}

/// Reads a log's leaves and hands each bundle to `work`, several at once, off the async threads; hands what came of it to `each`, in
/// the order of the log; compares root and hash tiles.
///
/// Faults go to the report. Returns false when the leaves could not be trusted to be the log's.
pub async fn walk<T: Send + 'static>(
    source: &Source,
    log: &Log,
    report: &mut RegisterReport,
    work: impl Fn(Leaves) -> Result<T, CouldNotCheck> + Clone + Send + 'static,
    mut each: impl FnMut(T, &mut RegisterReport) -> Result<Asks, CouldNotCheck>,
) -> Result<bool, CouldNotCheck> {
    let Some(head) = &log.head else { return Ok(false) };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    // One for each core, and one that waits for it, so that no core waits for this task to be woken: more would only take memory.
    let free = Semaphore::new(2 * cores);
    let mut hashing = Hashing::new(log);
    let mut paths = bundle_paths(head.checkpoint.size);
    let mut under_way = FuturesOrdered::new();
    // The first alone: it tells how large bundles are, and whether bodies are shown at all.
    let (mut ahead, mut asks) = (1, Asks::Bodies);
    loop {
        while under_way.len() < ahead
            && let Some(path) = paths.next()
        {
            under_way.push_back(bundle((source, &free), &log.register, path, asks, work.clone()));
        }
        let Some(done) = under_way.next().await else { break };
        let (bytes, worked) = done?;
        ahead = (AHEAD_BYTES / bytes.max(1)).clamp(1, ahead_max(cores));
        let (hashes, tile, found) = match worked {
            Worked::Sound { hashes, tile, found } => (hashes, tile, found),
            Worked::Broken { path, detail } => {
                let index = first_unserved(source, log, &path).await?;
                report.fault(Fault { index: Some(index), record: None, rule: "bundle", detail });
                return Ok(false);
            }
        };
        if let Some(fault) = tile {
            report.fault(fault);
        }
        for made in hashing.push(&hashes) {
            compare_tile(source, &log.register, &made, report).await?;
        }
        asks = each(found, report)?;
    }
    compare_roots(head, &hashing, report);
    for made in hashing.rest() {
        compare_tile(source, &log.register, &made, report).await?;
    }
    Ok(true)
}

/// Whether bodies are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// They are.
    Bodies,
    /// They were refused.
    Nothing,
}

/// Reads a bundle, the hashes of its leaves and their bodies; gives what was made of them, and how many bytes it all was.
async fn bundle<T: Send + 'static>(
    (source, free): (&Source, &Semaphore),
    register: &Slug,
    path: TilePath,
    asks: Asks,
    work: impl Fn(Leaves) -> Result<T, CouldNotCheck> + Send + 'static,
) -> Result<(usize, Worked<T>), CouldNotCheck> {
    let bundle = source.tile(register, &path).await?;
    let hashes = TilePath { level: TileLevel::Hash(0), ..path };
    let served = source.tile(register, &hashes).await?.unwrap_or_default();
    let (first, count) = (path.index * u64::from(TILE_WIDTH), u64::from(path.width));
    let bodies = match asks {
        Asks::Nothing => Bodies::Unasked,
        Asks::Bodies => source.entries(register, first, count).await?.map_or(Bodies::Refused, Bodies::Shown),
    };
    let shown = if let Bodies::Shown(listing) = &bodies { listing.bytes() } else { 0 };
    let bytes = bundle.as_ref().map_or(0, Vec::len) + served.len() + shown;
    let worked = move || {
        let leaves = match bundle.as_deref().map(bundle_decode) {
            Some(Ok(leaves)) if leaves.len() == usize::from(path.width) => leaves,
            broken => {
                let detail = match broken {
                    Some(Ok(leaves)) => format!("{path} holds {} entries, not {}", leaves.len(), path.width),
                    Some(Err(error)) => format!("{path}: {error}"),
                    None => format!("{path} is not served, though the checkpoint covers it"),
                };
                return Ok(Worked::Broken { path, detail });
            }
        };
        let made: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let tile = differs(&hashes, &made, &served);
        let found = work(Leaves { first, bytes: leaves, bodies })?;
        Ok(Worked::Sound { hashes: made, tile, found })
    };
    let core = free.acquire().await;
    let worked = tokio::task::spawn_blocking(worked).await;
    drop(core);
    Ok((bytes, worked.map_err(|error| CouldNotCheck::Broken(error.to_string()))??))
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
async fn compare_tile(
    source: &Source,
    register: &Slug,
    made: &Made,
    report: &mut RegisterReport,
) -> Result<(), CouldNotCheck> {
    let served = source.tile(register, &made.path).await?.unwrap_or_default();
    if let Some(fault) = differs(&made.path, &made.hashes, &served) {
        report.fault(fault);
    }
    Ok(())
}

fn differs(path: &TilePath, made: &[Hash], served: &[u8]) -> Option<Fault> {
    let differs = made.iter().zip(served.chunks(32)).position(|(hash, served)| hash.as_bytes() != served);
    if differs.is_none() && served.len() == made.len() * 32 {
        return None;
    }
    let place = differs.unwrap_or((served.len() / 32).min(made.len())) as u64;
    // Above level 0 a hash stands for many entries: the path says which.
    let index = (path.level == TileLevel::Hash(0)).then(|| path.index * u64::from(TILE_WIDTH) + place);
    let detail = format!("{path} does not hold the hashes of the leaves");
    Some(Fault { index, record: None, rule: "tile", detail })
}

#[cfg(test)]
mod tests {
    use proofs::tile::paths;

    use super::*;

    #[test]
    fn each_hash_tile_above_the_leaves_is_made_once_and_no_more_than_one_of_a_level_is_kept() {
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 131_072 + 300] {
            let log = Log { register: "permits".parse().unwrap(), head: None, kept: None, faults: vec![] };
            let mut hashing = Hashing::new(&log);
            let leaves: Vec<Hash> = (0..size).map(|leaf: u64| leaf_hash(&leaf.to_be_bytes())).collect();
            let mut made = Vec::new();
            for leaves in leaves.chunks(usize::from(TILE_WIDTH)) {
                made.extend(hashing.push(leaves));
                assert!(hashing.levels.iter().all(|tile| tile.hashes.len() < usize::from(TILE_WIDTH)));
            }
            made.extend(hashing.rest());
            let above = |path: &TilePath| matches!(path.level, TileLevel::Hash(1..));
            let mut expected: Vec<TilePath> = paths(size).filter(above).collect();
            expected.sort_unstable();
            made.sort_unstable_by_key(|made| made.path);
            assert_eq!(made.iter().map(|made| made.path).collect::<Vec<_>>(), expected, "{size}");
            assert!(made.iter().all(|made| made.hashes.len() == usize::from(made.path.width)));
            assert_eq!(hashing.tree.root(), proofs::merkle::root(&leaves));
        }
    }
}
