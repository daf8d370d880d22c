//! A disk that gets full, and has room again.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Bytes beyond which processes cannot write into any file, where no small disk can be had.
const LIMIT_BYTES: &str = "4096";

/// A directory, and a way to leave no room in it.
pub struct Disk {
    directory: TempDir,
    mounted: bool,
}

impl Disk {
    /// A file system of its own in memory; nothing where this user may not mount one.
    pub fn mounted(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let size = format!("size={mebibytes}m,mode=755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Self { directory, mounted })
    }

    /// An ordinary directory: processes are held to files so short that they can write nothing.
    pub fn limited() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), mounted: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// How it is made full.
    pub fn kind(&self) -> &'static str {
        if self.mounted { "a full file system" } else { "a limit on files" }
    }

    /// Takes all the room that is left, from these processes where it is an ordinary directory.
    pub fn fill(&self, processes: &[u32]) {
        if !self.mounted {
            return limit(processes, LIMIT_BYTES);
        }
        let mut filler = std::fs::File::create(self.path().join("filler")).expect("a file");
        let mut block = vec![0; 1024 * 1024];
        while !block.is_empty() {
            if filler.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
    }

    /// Gives it back.
    pub fn make_room(&self, processes: &[u32]) {
        if self.mounted {
            std::fs::remove_file(self.path().join("filler")).expect("the filler is there");
        } else {
            limit(processes, "unlimited");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // What still uses it goes on until it ends.
            let done = Command::new("umount").arg("-l").arg(self.directory.path()).status();
            assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
        }
    }
}

/// The soft limit alone, which may be raised again.
fn limit(processes: &[u32], bytes: &str) {
    for process in processes {
        let set = Command::new("prlimit")
            .args(["--pid", &process.to_string(), &format!("--fsize={bytes}:")])
            .status();
        // One that has ended meanwhile writes nothing.
        assert!(set.is_ok(), "prlimit is missing: it is part of util-linux");
    }
}
