//! A mirror holds what another store signed, and nothing that the other would not have.

use eventstore::{
    AppendError, LogHead, MirrorError, MirroredEntry, MirroredLog, Options, Store, StoreError, StoredEntry,
    Submission, Withhold,
};
use proofs::merkle::verify_inclusion;

use uuid::Uuid;

use crate::fixture::{Fixture, Kind, LOG_NAME, on_both_stores, slug};

on_both_stores!(
    a_mirror_has_the_same_trees_and_takes_no_entry,
    a_mirror_is_extended_where_time_allows,
    what_is_withheld_goes_from_the_mirror_too,
    what_does_not_fit_is_refused_and_leaves_nothing,
);

const REGISTERS: [&str; 2] = ["licences", "permits"];

/// A store to mirror, of the other kind or the same: always SQLite.
async fn source(sizes: [u128; 2]) -> (Fixture, Store) {
    let fixture = Fixture::new(Kind::Sqlite).await;
    let store = fixture.with_logs(&REGISTERS).await;
    grow(&fixture, &store, 0, sizes).await;
    (fixture, store)
}

/// Appends to both registers, in turns, a second apart.
async fn grow(fixture: &Fixture, store: &Store, from: u128, sizes: [u128; 2]) {
    for (register, (count, first)) in REGISTERS.into_iter().zip(sizes.into_iter().zip([1_000_000, 2_000_000]))
    {
        for done in (0..count).step_by(500) {
            fixture.clock.advance(1_000);
            let some = fixture.many(register, first + from + done, (count - done).min(500));
            store.submit(some).await.unwrap();
        }
    }
}

async fn logs(store: &Store) -> Vec<MirroredLog> {
    let logs = store.logs().await.unwrap().into_iter();
    let of = |log: LogHead| MirroredLog {
        keys: log.keys().cloned().collect(),
        register: log.register,
        checkpoint: log.checkpoint,
    };
    logs.map(of).collect()
}

async fn entries(store: &Store) -> Vec<StoredEntry> {
    let mut all = Vec::new();
    loop {
        let page = store.read_after(all.len() as u64, 5_000).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// In these tests whatever follows the first entry of a record withholds that.
fn orders(entry: &StoredEntry) -> Vec<u64> {
    (1..entry.version()).collect()
}

fn mirrored(entry: &StoredEntry) -> MirroredEntry {
    MirroredEntry {
        leaf: entry.leaf(),
        body: entry.body.clone().zip(entry.salt),
        number: None,
        withholds: orders(entry),
    }
}

async fn open(fixture: &Fixture) -> Store {
    Store::open_mirror(fixture.options()).await.unwrap()
}

/// Takes everything over.
async fn take(mirror: &Store, source: &Store) -> Result<u64, MirrorError> {
    let mut mirroring = mirror.mirror(logs(source).await).await?;
    for entry in entries(source).await {
        mirroring.push(mirrored(&entry)).await?;
    }
    mirroring.commit().await
}

async fn a_mirror_has_the_same_trees_and_takes_no_entry(fixture: &Fixture) {
    // Sizes at which tiles are full, about to be, and just were.
    for (at, sizes) in [[0, 1], [256, 257], [65_536, 511]].into_iter().enumerate() {
        if at > 0 && sizes[0] > 60_000 && fixture.is_postgres() {
            continue;
        }
        let (other, source) = source(sizes).await;
        let target = Fixture::new(if fixture.is_postgres() { Kind::Postgres } else { Kind::Sqlite }).await;
        let mirror = open(&target).await;
        let position = take(&mirror, &source).await.unwrap();
        assert_eq!(position, u64::try_from(sizes[0] + sizes[1]).unwrap());
        assert_eq!(*mirror.watch().borrow(), position, "whoever follows is told");
        assert!(entries(&mirror).await == entries(&source).await);
        for log in source.logs().await.unwrap() {
            let copy = mirror.log(&log.register).await.unwrap().unwrap();
            assert_eq!((copy.size, copy.root, &copy.checkpoint), (log.size, log.root, &log.checkpoint));
            assert_eq!(copy.recorded_at, log.recorded_at);
            for path in proofs::tile::paths(log.size) {
                if let proofs::tile::TileLevel::Hash(level) = path.level {
                    let tile = mirror.tile(&log.register, level, path.index, path.width).await.unwrap();
                    assert!(tile.is_some());
                    assert!(tile == source.tile(&log.register, level, path.index, path.width).await.unwrap());
                }
            }
            if log.size > 0 {
                let path = mirror.inclusion(&log.register, log.size - 1, log.size).await.unwrap().unwrap();
                let leaf = mirror.entry(&log.register, log.size - 1).await.unwrap().unwrap().leaf().hash();
                verify_inclusion(&leaf, log.size - 1, log.size, &path, &log.root).unwrap();
            }
        }
        let refused = mirror.submit(other.one("licences", 77, 1)).await;
        assert!(matches!(refused, Err(AppendError::Mirror)), "{refused:?}");
        mirror.close().await;
        // Opened as any store, under whatever name is configured, it is the mirror it was.
        let options = Options { log_name: "another.example".to_owned(), ..target.options() };
        let mirror = Store::open(options).await.unwrap();
        assert!(mirror.is_mirror() && mirror.log_name() == LOG_NAME);
        assert!(matches!(mirror.submit(Submission::default()).await, Err(AppendError::Mirror)));
        mirror.close().await;
        source.close().await;
        target.drop_store().await;
    }
}

async fn a_mirror_is_extended_where_time_allows(fixture: &Fixture) {
    let (other, source) = source([300, 10]).await;
    let mirror = open(fixture).await;
    take(&mirror, &source).await.unwrap();
    assert_eq!(take(&mirror, &source).await.unwrap(), 310, "again is nothing new");
    grow(&other, &source, 1_000, [300, 700]).await;
    assert_eq!(take(&mirror, &source).await.unwrap(), 1_310);
    assert!(entries(&mirror).await == entries(&source).await);

    // A log that the mirror never had, and whose entries are older than what it has.
    let only = Fixture::new(Kind::Sqlite).await;
    let late = only.with_logs(&["late"]).await;
    only.clock.set("2026-02-01T00:00:00.000Z".parse().unwrap());
    late.submit(only.one("late", 5, 1)).await.unwrap();
    let refused = take(&mirror, &late).await;
    assert!(matches!(&refused, Err(MirrorError::Order { .. })), "{refused:?}");
    assert_eq!(mirror.log(&slug("late")).await.unwrap().map(|log| log.size), None, "nothing is left of it");
    assert_eq!(mirror.position().await.unwrap(), 1_310);
}

async fn what_is_withheld_goes_from_the_mirror_too(fixture: &Fixture) {
    let (other, source) = source([300, 10]).await;
    let mirror = open(fixture).await;
    take(&mirror, &source).await.unwrap();
    for record in [1_000_003_u128, 1_000_299] {
        let withholds = vec![Withhold { record: Uuid::from_u128(record), by: 2, versions: vec![1] }];
        let order = Submission { withholds, ..other.one("licences", record, 2) };
        source.submit(order).await.unwrap();
    }
    let before = entries(&mirror).await;
    take(&mirror, &source).await.unwrap();
    assert!(entries(&mirror).await == entries(&source).await);
    assert!(entries(&mirror).await.iter().filter(|entry| entry.body.is_none()).count() == 2);
    assert_eq!(mirror.withheld_after(0).await.unwrap(), source.withheld_after(0).await.unwrap());
    // An older copy, which still has them, does not bring them back.
    let mut mirroring = mirror.mirror(logs(&source).await).await.unwrap();
    let newer = entries(&source).await;
    for entry in before.iter().chain(&newer[before.len()..]) {
        mirroring.push(mirrored(entry)).await.unwrap();
    }
    mirroring.commit().await.unwrap();
    assert!(entries(&mirror).await == entries(&source).await);
}

async fn what_does_not_fit_is_refused_and_leaves_nothing(fixture: &Fixture) {
    let (other, source) = source([300, 10]).await;
    let all = entries(&source).await;
    let heads = logs(&source).await;
    let mirror = open(fixture).await;
    let push = async |changed: Vec<MirroredEntry>| -> Result<u64, MirrorError> {
        let mut mirroring = mirror.mirror(heads.clone()).await?;
        for entry in changed {
            mirroring.push(entry).await?;
        }
        mirroring.commit().await
    };
    let whole: Vec<MirroredEntry> = all.iter().map(mirrored).collect();
    let mut short = whole.clone();
    short.pop();
    assert!(matches!(push(short).await, Err(MirrorError::Root { .. })), "an entry is missing");
    let mut swapped = whole.clone();
    swapped[3].body.clone_from(&whole[4].body);
    assert!(matches!(push(swapped).await, Err(MirrorError::Entry { index: 3, .. })), "another's body");
    let mut twice = whole.clone();
    for entry in &mut twice {
        entry.number = Some("1".to_owned());
    }
    assert!(matches!(push(twice).await, Err(MirrorError::Number)), "one number for two records");
    let mut foreign = heads.clone();
    foreign[0].keys.clone_from(&heads[1].keys);
    let refused = mirror.mirror(foreign).await.err();
    assert!(matches!(refused, Some(MirrorError::Checkpoint { .. })), "{refused:?}");
    assert_eq!((mirror.position().await.unwrap(), mirror.logs().await.unwrap().len()), (0, 0));

    assert_eq!(push(whole).await.unwrap(), 310);
    // Another history under the same key: the mirror has the first, and finds out.
    let forked = Fixture::new(Kind::Sqlite).await;
    let fork = forked.with_logs(&REGISTERS).await;
    forked.clock.advance(1_000_000);
    fork.submit(forked.many("licences", 9_000_000, 310)).await.unwrap();
    fork.submit(forked.many("permits", 9_500_000, 20)).await.unwrap();
    let refused = take(&mirror, &fork).await;
    assert!(matches!(refused, Err(MirrorError::Fork { .. })), "{refused:?}");
    let smaller = Fixture::new(Kind::Sqlite).await;
    let shorter = smaller.with_logs(&REGISTERS).await;
    shorter.submit(smaller.many("licences", 1_000_000, 5)).await.unwrap();
    let refused = take(&mirror, &shorter).await;
    assert!(matches!(refused, Err(MirrorError::Older { .. })), "{refused:?}");
    assert_eq!(mirror.position().await.unwrap(), 310);

    // A store that has taken one entry of its own is nobody's mirror.
    let refused = Store::open_mirror(other.options()).await.err();
    assert!(matches!(refused, Some(StoreError::NotMirror(_))), "{refused:?}");
}
