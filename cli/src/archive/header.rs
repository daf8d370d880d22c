//! The header before each file of an archive: one form, so that there is nothing in it to argue about.
//!
//! A reader does not interpret what it finds: it makes the header that must stand there, and compares. Links, sparse files, long
//! names, owners, times and every other thing that a tar may say fall to that.

use tar::{EntryType, Header};

/// Headers and contents begin at multiples of this.
pub const BLOCK: usize = 512;
/// What ends an archive: two blocks of zeros.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Where a header has the size, and how it is written (`tar` reads it).
pub fn size(block: &[u8; BLOCK]) -> Option<u64> {
    Header::from_byte_slice(block).entry_size().ok()
}

/// The header of a file of this name and size. `None` for a name that does not fit one, which no file of ours has.
pub fn encode(name: &str, size: u64) -> Option<[u8; BLOCK]> {
    let mut header = Header::new_ustar();
    header.set_path(name).ok()?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Some(*header.as_bytes())
}

/// The zeros that fill the last block of a file's contents.
pub fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    // Less than a block, so that it fits.
    usize::try_from((block - size % block) % block).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte for byte, so that another version of a library cannot change what an archive is.
    #[test]
    fn a_header_has_one_form() {
        let bytes = encode("departments/tile/entries/000.p/7", 1234).unwrap();
        let mut expected = [0; BLOCK];
        let mut put = |at: usize, text: &[u8]| expected[at..at + text.len()].copy_from_slice(text);
        put(0, b"departments/tile/entries/000.p/7");
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, b"00000002322\0");
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, b"0");
        put(257, b"ustar\x0000");
        let sum: u32 = expected.iter().map(|byte| u32::from(*byte)).sum();
        expected[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        let differs = bytes.iter().zip(&expected).position(|(one, other)| one != other);
        assert_eq!(differs, None, "{:?}", differs.map(|at| (&bytes[at..], &expected[at..])));
    }

    #[test]
    fn a_large_size_is_in_base_256() {
        let size = 9_u64 << 30;
        let bytes = encode("bodies.ndjson", size).unwrap();
        assert_eq!(bytes[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0x40, 0, 0, 0]);
        assert_eq!(super::size(&bytes), Some(size));
        assert_eq!((padding(0), padding(1), padding(512), padding(513)), (0, 511, 0, 511));
    }
}
