//! How much memory the process has had.

use std::fs;

/// The most memory that the process ever had at once, in bytes; nothing where the system does not say.
pub fn peak_bytes() -> Option<u64> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmHWM:` of Linux's account of a process, which is in KiB.
fn peak_of(status: &str) -> Option<u64> {
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// Says it, to whoever watches progress.
pub fn tell() {
    if let Some(peak) = peak_bytes() {
        eprintln!("peak memory: {} MiB", peak >> 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_the_account() {
        assert_eq!(peak_of("Name:\treestr\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12345 * 1024));
        assert_eq!(peak_of("Name:\treestr\n"), None);
        assert!(peak_bytes().is_none_or(|peak| peak > 1 << 20));
    }
}
