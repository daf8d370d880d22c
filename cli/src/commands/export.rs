//! `reestr export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use crate::args::Export;
use crate::failure::Failure;
use crate::{rsf, wire};

/// Exports, and says what went out.
pub async fn run(args: Export) -> Result<(), Failure> {
    let Export::Rsf { register, output, store } = args;
    let opened = wire::open(&store).await?;
    let out: Box<dyn Write> = match &output {
        None => Box::new(io::stdout().lock()),
        Some(path) => Box::new(
            File::create(path)
                .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?,
        ),
    };
    let exported = rsf::export::export(&opened.store, &opened.registry, &register, BufWriter::new(out)).await;
    opened.store.close().await;
    let exported = exported?;
    eprintln!("{register}: {} entries, root sha-256:{}", exported.entries, exported.root);
    Ok(())
}
