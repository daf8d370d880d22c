//! Rows gathered by record, in the same memory however many they are: what does not fit goes to a temporary file.
//!
//! Rows are dealt out to partitions by their record. A partition that was gathered is written as a piece of the file, and when all
//! rows are there each partition is read alone. The file has no name, so that nothing is left of it, however the process ends.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use uuid::Uuid;

/// Bytes of a partition that are aimed at. Each is read whole.
const PARTITION_BYTES: usize = 1 << 20;
/// Partitions at most: what they gather is 32 MiB then. A billion rows of 64 bytes make partitions of 64 MiB.
const PARTITIONS_MAX: u64 = 1024;
/// Bytes of a partition that are gathered before they are written, in room for twice as many.
const PIECE_BYTES: usize = 16 << 10;
/// A row's record, and the length of what follows.
const HEAD_BYTES: usize = 16 + 2;

/// Rows under way.
pub struct Spill {
    partitions: Vec<Partition>,
    /// Keyed at random: nobody can choose records that all fall into one partition.
    deal: RandomState,
    file: Option<Arc<File>>,
    written: u64,
    piece_bytes: usize,
}

/// The rows of some of the records.
#[derive(Default)]
struct Partition {
    gathered: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Rows in the file.
struct Piece {
    at: u64,
    bytes: usize,
}

impl Spill {
    /// Nothing gathered yet. The better the number of rows is guessed, the less memory it takes.
    pub fn new(rows: u64, row_bytes: u64) -> Self {
        let partitions =
            rows.saturating_mul(row_bytes).div_ceil(PARTITION_BYTES as u64).clamp(1, PARTITIONS_MAX);
        // What makes one partition stays in memory.
        let piece_bytes = if partitions == 1 { 2 * PARTITION_BYTES } else { PIECE_BYTES };
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Self { partitions, deal: RandomState::new(), file: None, written: 0, piece_bytes }
    }

    /// Adds a row. Rows of a record come back in the order in which they were added.
    pub fn push(&mut self, record: Uuid, row: &[u8]) -> io::Result<()> {
        let length = u16::try_from(row.len()).map_err(io::Error::other)?;
        let place = self.deal.hash_one(record) % self.partitions.len() as u64;
        let place = usize::try_from(place).map_err(io::Error::other)?;
        let gathered = &mut self.partitions[place].gathered;
        gathered.extend_from_slice(record.as_bytes());
        gathered.extend_from_slice(&length.to_le_bytes());
        gathered.extend_from_slice(row);
        if gathered.len() < self.piece_bytes { Ok(()) } else { self.write(place) }
    }

    fn write(&mut self, place: usize) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Arc::new(tempfile::tempfile()?)),
        };
        let Partition { gathered, pieces } = &mut self.partitions[place];
        file.write_all_at(gathered, self.written)?;
        pieces.push(Piece { at: self.written, bytes: gathered.len() });
        self.written += gathered.len() as u64;
        gathered.clear();
        Ok(())
    }

    /// All rows, partition by partition.
    pub fn finish(self) -> impl Iterator<Item = Sealed> {
        let file = self.file;
        self.partitions.into_iter().map(move |partition| Sealed { partition, file: file.clone() })
    }
}

/// A partition that gets no more rows.
pub struct Sealed {
    partition: Partition,
    file: Option<Arc<File>>,
}

impl Sealed {
    /// Reads it.
    pub fn read(self) -> io::Result<Rows> {
        let Partition { gathered, pieces } = self.partition;
        let size = pieces.iter().map(|piece| piece.bytes).sum::<usize>() + gathered.len();
        let mut bytes = vec![0; size];
        let mut rest = bytes.as_mut_slice();
        for Piece { at, bytes } in pieces {
            let (piece, after) = rest.split_at_mut(bytes);
            self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.read_exact_at(piece, at)?;
            rest = after;
        }
        rest.copy_from_slice(&gathered);
        Ok(Rows::of(bytes))
    }
}

/// The rows of a partition, by record.
pub struct Rows {
    bytes: Vec<u8>,
    /// Where each row begins, and its record.
    order: Vec<(Uuid, usize)>,
}

impl Rows {
    fn of(bytes: Vec<u8>) -> Self {
        let mut order = Vec::new();
        let mut at = 0;
        while let Some((record, row)) = row(&bytes, at) {
            order.push((record, at));
            at += HEAD_BYTES + row.len();
        }
        // Stable: rows of one record stay in their order.
        order.sort_by_key(|(record, _)| *record);
        Self { bytes, order }
    }

    /// The rows of each record.
    pub fn records(&self) -> impl Iterator<Item = (Uuid, Vec<&[u8]>)> {
        self.order.chunk_by(|(one, _), (other, _)| one == other).filter_map(|rows| {
            let (record, _) = rows.first()?;
            let rows = rows.iter().filter_map(|(_, at)| row(&self.bytes, *at));
            Some((*record, rows.map(|(_, row)| row).collect()))
        })
    }
}

fn row(bytes: &[u8], at: usize) -> Option<(Uuid, &[u8])> {
    let (record, rest) = bytes.get(at..)?.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    Some((Uuid::from_bytes(*record), rest.get(..usize::from(u16::from_le_bytes(*length)))?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Everything that comes back, by record.
    fn back(spill: Spill) -> BTreeMap<Uuid, Vec<Vec<u8>>> {
        let mut found = BTreeMap::new();
        for sealed in spill.finish() {
            for (record, rows) in sealed.read().unwrap().records() {
                let rows = rows.into_iter().map(<[u8]>::to_vec).collect();
                assert!(found.insert(record, rows).is_none(), "a record is in one partition");
            }
        }
        found
    }

    #[test]
    fn rows_come_back_by_record_and_in_order_from_memory_and_from_a_file() {
        for guessed in [0, 1_000_000] {
            let mut spill = Spill::new(guessed, 64);
            let mut expected: BTreeMap<Uuid, Vec<Vec<u8>>> = BTreeMap::new();
            for number in 0..100_000_u32 {
                let record = Uuid::from_u128(u128::from(number.wrapping_mul(2_654_435_761) % 30_011));
                let row = number.to_le_bytes()[..usize::from(number % 2 == 0) * 4].to_vec();
                spill.push(record, &row).unwrap();
                expected.entry(record).or_default().push(row);
            }
            assert_eq!(spill.file.is_some(), guessed > 0, "what fits stays in memory");
            let gathered: usize = spill.partitions.iter().map(|partition| partition.gathered.len()).sum();
            assert!(guessed == 0 || gathered < spill.partitions.len() * PIECE_BYTES);
            assert!(back(spill) == expected);
        }
        assert!(back(Spill::new(u64::MAX, u64::MAX)).is_empty(), "a size that is only claimed");
    }
}
