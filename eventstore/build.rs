//! Lists the files of `migrations/sqlite` and `migrations/postgres`, so that a new migration is a new file and nothing else.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let migrations = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../migrations");
    let mut code = String::new();
    for dialect in ["sqlite", "postgres"] {
        let directory = migrations.join(dialect);
        println!("cargo::rerun-if-changed={}", directory.display());
        let mut files: Vec<_> = fs::read_dir(&directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .collect();
        files.sort();
        let _ = writeln!(code, "const {}: &[(i64, &str, &str)] = &[", dialect.to_uppercase());
        for file in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (version, name) = stem.split_once('_').ok_or_else(|| io::Error::other(stem.clone()))?;
            let version: i64 = version.parse().map_err(io::Error::other)?;
            let _ =
                writeln!(code, "    ({version}, {name:?}, include_str!({:?})),", file.display().to_string());
        }
        let _ = writeln!(code, "];");
    }
    // Renamed into place: what an earlier build wrote may be a link to a file that others build from.
    let out = variable("OUT_DIR")?;
    let (new, made) = (Path::new(&out).join("migrations.new"), Path::new(&out).join("migrations.rs"));
    fs::write(&new, code)?;
    fs::rename(&new, &made)
}

#[expect(clippy::disallowed_methods, reason = "cargo speaks to a build script through the environment only")]
fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}
