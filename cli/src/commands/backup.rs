//! `reestr backup`.

use std::path::PathBuf;

use clap::Args;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::wire::STORE_FILE;

/// `reestr backup`.
#[derive(Args)]
pub struct Backup {
    /// File to make; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Copies an embedded store, and says what the copy has.
pub async fn run(args: Backup) -> Result<(), Failure> {
    if args.store.database.is_some() {
        return Err(Failure::usage(
            "a PostgreSQL database is backed up by its own means: see docs/operators/backup.md",
        ));
    }
    let from = args.store.data.join(STORE_FILE);
    if !from.exists() {
        return Err(Failure::usage(format!("there is no store in {}", args.store.data.display())));
    }
    let copied = eventstore::backup(&from, &args.to).await;
    let copied = copied.map_err(|error| Failure::because("the store is not backed up", &error))?;
    line(&format!(
        "{}: {} entries in {} registers, each tree checked",
        args.to.display(),
        copied.entries,
        copied.registers
    ));
    Ok(())
}
