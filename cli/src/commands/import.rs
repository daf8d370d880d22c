//! `reestr import`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use proofs::slug::Slug;

use crate::archive::import::{self, Sources};
use crate::args::{Import, StoreArgs};
use crate::audit::{self, Request, Target};
use crate::failure::{Failure, chain};
use crate::output::line;
use crate::progress::Progress;
use crate::{memory, rsf, wire};

/// Imports, and says what came in.
pub async fn run(args: Import) -> Result<ExitCode, Failure> {
    let code = match args {
        Import::Archive { files, store } => archives(files, &store).await?,
        Import::Rsf { file, register, department, store } => {
            rsf(&file, &register, &department, &store).await.map(|()| ExitCode::SUCCESS)?
        }
    };
    memory::tell();
    Ok(code)
}

/// Verifies archives, and only then opens a store.
async fn archives(files: Vec<PathBuf>, store: &StoreArgs) -> Result<ExitCode, Failure> {
    let sources = Sources::open(&files)?;
    let request = Request { target: Target::Archives(files), register: None, state: None, policy: None };
    let report = audit::run(&request, Progress::detect()).await;
    let report = report.map_err(|error| Failure::usage(format!("could not check: {}", chain(&error))))?;
    if !report.verified {
        line(&report.to_string());
        return Err(Failure::failed("the archives are not what they claim to be; nothing was imported"));
    }
    let mirror = wire::open_mirror(store, &sources.log_name).await?;
    let imported = import::import(&mirror, &sources, Progress::detect()).await;
    mirror.close().await;
    let import::Imported { registers, new_entries } = imported?;
    line(&format!("mirror of {}: {registers} registers, {new_entries} new entries", sources.log_name));
    Ok(ExitCode::SUCCESS)
}

async fn rsf(file: &Path, register: &Slug, department: &Slug, store: &StoreArgs) -> Result<(), Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    // A file that does not keep its promises does not even open a store.
    rsf::parse::parse(&text)
        .map_err(|error| Failure::failed(format!("{}: {error}; nothing was imported", file.display())))?;
    let opened = wire::open(store).await?;
    let imported =
        rsf::import::import(&opened.registry, &text, register, department, Progress::detect()).await;
    opened.store.close().await;
    let imported = imported?;
    line(&format!("{register}: {} entries, root sha-256:{}", imported.entries, imported.root));
    Ok(())
}
