//! `reestr replay`.

use crate::args::Replay;
use crate::failure::Failure;
use crate::output::line;
use crate::progress::Progress;
use crate::wire;

/// Rebuilds a projection from nothing, and says whether it came out as it was.
pub async fn run(args: Replay) -> Result<(), Failure> {
    let names: Vec<&str> = projections::projectors().iter().map(|projector| projector.name()).collect();
    if !names.contains(&args.projection.as_str()) {
        return Err(Failure::usage(format!("--projection is one of {}", names.join(", "))));
    }
    let opened = wire::open(&args.store).await?;
    let position = opened.store.position().await.map_err(|error| Failure::because("the store", &error))?;
    let bar = Progress::detect().bar("entries replayed", position);
    let mut done = 0;
    let rebuilt = projections::rebuild(&opened.store, &args.projection, |progress| {
        bar.add(progress.position.saturating_sub(done));
        done = progress.position;
    })
    .await;
    opened.store.close().await;
    let rebuilt = rebuilt.map_err(|error| Failure::because("the replay failed", &error))?;
    bar.finish();
    line(&format!("{}: {} entries, digest {}", args.projection, rebuilt.entries, rebuilt.digest));
    if rebuilt.equal() {
        return Ok(());
    }
    Err(Failure::failed(format!("{} was not what its entries make of it; it is now", args.projection)))
}
