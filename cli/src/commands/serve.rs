//! `reestr serve`.

use crate::args::Serve;
use crate::config::Config;
use crate::failure::Failure;
use crate::serving::{Serving, log};
use crate::wire;

/// Serves a store until it is told to end.
pub async fn run(args: Serve) -> Result<(), Failure> {
    log(&Config::read(&args.store)?)?;
    let opened = wire::open(&args.store).await?;
    Serving::prepare(opened, args.listen).await?.run("").await
}
