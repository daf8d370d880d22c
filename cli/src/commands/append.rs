//! `reestr append`.

use std::fs;
use std::io::Read;
use std::path::Path;

use futures_util::{StreamExt, stream};

use crate::append::line::{Line, Prepared};
use crate::append::target::Target;
use crate::args::Append;
use crate::failure::Failure;
use crate::keyfile;
use crate::output::line;
use crate::progress::Progress;
use crate::system::OsEntropy;

/// Lines sent at once. A line that names its record waits for those before it.
const CONCURRENT: usize = 16;

/// Signs and appends each line of a file. Every line that was acknowledged stays, whatever happens to the next.
pub async fn run(args: Append) -> Result<(), Failure> {
    let key = keyfile::read(&args.key, args.passphrase_file.as_deref())?;
    let lines = Line::read_all(&text(&args.file)?, &args.register)?;
    let target = Target::open(&args).await?;
    let bar = Progress::detect().bar("entries appended", lines.len() as u64);
    let (mut made, mut found) = (0_u64, 0_u64);
    let mut rest = lines.as_slice();
    let mut failed = None;
    while !rest.is_empty() && failed.is_none() {
        let (run, after) = rest.split_at(Line::independent(rest));
        rest = after;
        let mut sent = stream::iter(run)
            .map(|line| {
                let prepared = line.prepare(&args.register, &args.department, &key, &OsEntropy);
                send(&target, line.number, prepared)
            })
            .buffered(CONCURRENT);
        while let Some(outcome) = sent.next().await {
            match outcome {
                Ok(true) => found += 1,
                Ok(false) => made += 1,
                Err(failure) => {
                    failed.get_or_insert(failure);
                }
            }
            bar.add(1);
        }
    }
    bar.finish();
    target.close().await;
    line(&format!("{made} appended, {found} there already"));
    failed.map_or(Ok(()), Err)
}

/// Sends one line; true when it was there already.
async fn send(target: &Target, number: usize, prepared: Result<Prepared, String>) -> Result<bool, Failure> {
    let at = |what: String| Failure::failed(format!("line {number}: {what}"));
    target.append(prepared.map_err(at)?).await.map_err(at)
}

fn text(file: &Path) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", file.display()));
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(cannot)?;
        return Ok(text);
    }
    fs::read_to_string(file).map_err(cannot)
}
