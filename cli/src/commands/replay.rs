//! `reestr replay`.

use clap::Args;
use projections::Difference;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::memory;
use crate::output::line;
use crate::progress::Progress;
use crate::wire::{self, Opened};

/// `reestr replay`.
#[derive(Args)]
pub struct Replay {
    /// The projection, one of those that `reestr projection status` names.
    #[arg(long, value_name = "P", required_unless_present = "all", conflicts_with = "all")]
    pub projection: Option<String>,
    /// Every projection, one after another.
    #[arg(long)]
    pub all: bool,
    /// Compare only: the rows that are read stay as they are. Exit 0 when they are what the entries make
    /// of them, 1 when they are not, 2 when it could not be found out.
    #[arg(long)]
    pub check: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Makes projections again from nothing, and says whether they came out as they were.
pub async fn run(args: Replay) -> Result<(), Failure> {
    let known: Vec<&str> = projections::projectors().iter().map(|projector| projector.name()).collect();
    let names = match &args.projection {
        None => known,
        Some(name) if known.contains(&name.as_str()) => vec![name.as_str()],
        Some(_) => return Err(Failure::usage(format!("--projection is one of {}", known.join(", ")))),
    };
    let opened = wire::open(&args.store).await?;
    let mut differing = Vec::new();
    let mut failed = None;
    for name in names {
        match one(&opened, name, args.check).await {
            Ok(true) => {}
            Ok(false) => differing.push(name),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    opened.store.close().await;
    memory::tell();
    if let Some(failure) = failed {
        return Err(failure);
    }
    if differing.is_empty() {
        return Ok(());
    }
    let (were, now) = if args.check { ("is", "; it is left as it is") } else { ("was", "; it is now") };
    Err(Failure::failed(format!("{} {were} not what its entries make of it{now}", differing.join(", "))))
}

/// Makes one projection again; false when what is read differed.
async fn one(opened: &Opened, name: &str, check: bool) -> Result<bool, Failure> {
    let position = opened.store.position().await.map_err(|error| Failure::because("the store", &error))?;
    let bar = Progress::detect().bar("entries replayed", position);
    let mut done = 0;
    let progress = |progress: projections::Progress| {
        bar.add(progress.position.saturating_sub(done));
        done = progress.position;
    };
    // Of a check, 1 says that something differs; that it could not be made is another thing.
    let cannot = |error: projections::ProjectionError| {
        let failure = Failure::because(&format!("the replay of {name} failed"), &error);
        if check { Failure::usage(failure.to_string()) } else { failure }
    };
    let (entries, digest, equal, difference, stale) = if check {
        let checked = projections::check(&opened.store, name, progress).await.map_err(cannot)?;
        (checked.entries, checked.digest, checked.digest == checked.live, checked.difference, checked.stale)
    } else {
        let rebuilt = projections::rebuild(&opened.store, name, progress).await.map_err(cannot)?;
        (rebuilt.entries, rebuilt.digest, rebuilt.equal(), rebuilt.difference, rebuilt.stale)
    };
    bar.finish();
    line(&format!("{name}: {entries} entries, digest {digest}{}", if equal { "" } else { ", differs" }));
    if let Some(difference) = difference {
        tell(&difference);
    }
    if stale {
        line("  it still counted what an order withheld: a running server makes it again by itself");
    }
    // What the law took away since is no fault of the rows.
    Ok(equal || stale)
}

/// Table, key and columns: no value of a row, which may be about a person.
fn tell(difference: &Difference) {
    line(&format!("  first row that differs: {difference}"));
}
