//! `reestr import`.

use std::fs;

use crate::args::Import;
use crate::failure::Failure;
use crate::output::line;
use crate::progress::Progress;
use crate::{rsf, wire};

/// Imports, and says what came in.
pub async fn run(args: Import) -> Result<(), Failure> {
    let Import::Rsf { file, register, department, store } = args;
    let text = fs::read_to_string(&file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    // A file that does not keep its promises does not even open a store.
    rsf::parse::parse(&text)
        .map_err(|error| Failure::failed(format!("{}: {error}; nothing was imported", file.display())))?;
    let opened = wire::open(&store).await?;
    let imported =
        rsf::import::import(&opened.registry, &text, &register, &department, Progress::detect()).await;
    opened.store.close().await;
    let imported = imported?;
    line(&format!("{register}: {} entries, root sha-256:{}", imported.entries, imported.root));
    Ok(())
}
