//! `reestr trigger backtest`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::backtest::BacktestError;
use chrono::NaiveDate;
use clap::Args;
use domain::trigger::CompiledRule;
use domain::trigger::backtest::{Asked, Backtest, Report, Snapshot};
use eventstore::Clock as _;

use super::{read, shown};
use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::system::SystemClock;
use crate::wire::{self, Opened};

/// The state is put down every so many entries: some seconds of work.
const KEEP_EVERY_ENTRIES: u64 = 100_000;

/// `reestr trigger backtest`.
#[derive(Args)]
pub struct BacktestArgs {
    /// The rule, or its new version: a JSON file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Compare with this version: a JSON file, or the slug of a published rule. It is the old one.
    #[arg(long, value_name = "FILE|SLUG")]
    against: Option<String>,
    /// First day on which causes count. Without it, from the beginning.
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// Last day on which causes count. Without it, the day of the last entry.
    #[arg(long, value_name = "DATE")]
    to: Option<NaiveDate>,
    /// Count causes only while the rule is in force; otherwise it is tried as if it always had been.
    #[arg(long)]
    in_force: bool,
    /// Go by the time of effect, as if each entry had been recorded when it took effect and each account opened at birth.
    #[arg(long, conflicts_with = "state")]
    by_effect: bool,
    /// File that keeps the state, so that a backtest that was stopped goes on. It has personal data in it.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// So many examples of each kind, by their records.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1000))]
    examples: u16,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Runs a rule over the whole history, or two versions of one.
pub async fn run(args: BacktestArgs) -> Result<(), Failure> {
    let (_, rule) = read::rule(&args.file)?;
    let opened = wire::open(&args.store).await?;
    let report = report(&args, &opened, rule).await;
    opened.store.close().await;
    let report = report?;
    if args.json {
        return shown::json(&report);
    }
    shown::report(&report);
    Ok(())
}

async fn report(args: &BacktestArgs, opened: &Opened, rule: Arc<CompiledRule>) -> Result<Report, Failure> {
    let against = match &args.against {
        Some(against) => Some(version(opened, against).await?),
        None => None,
    };
    let (last, day) = api::backtest::end(&opened.registry).await.map_err(cannot)?;
    let asked = Asked {
        from: args.from,
        to: args.to.or(day).unwrap_or_else(|| SystemClock.now().date()),
        in_force_only: args.in_force,
        examples: args.examples.into(),
    };
    if asked.from.is_some_and(|from| from > asked.to) {
        return Err(Failure::usage(format!("--from must not be after the last day, {}", asked.to)));
    }
    let backtest = match against {
        Some(before) => Backtest::compare(before, rule, asked),
        None => Backtest::of(rule, asked),
    };
    let run = Run { args, opened, last };
    let done =
        if args.by_effect { run.by_effect(backtest).await? } else { run.by_recording(backtest).await? };
    // Evaluating what falls due until the last day is work too.
    tokio::task::spawn_blocking(move || done.finish())
        .await
        .map_err(|_| Failure::failed("the backtest ended before its time"))
}

/// A file, or a published rule.
async fn version(opened: &Opened, against: &str) -> Result<Arc<CompiledRule>, Failure> {
    let path = Path::new(against);
    if path.is_file() {
        return read::rule(path).map(|(_, rule)| rule);
    }
    let rules = read::rules(&opened.registry).await?;
    let found = rules.find(against).map(|found| Arc::clone(&found.rule));
    found.ok_or_else(|| {
        Failure::usage(format!("--against: there is neither a file nor a published rule {against}"))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a function of `map_err`")]
fn cannot(error: BacktestError) -> Failure {
    Failure::because("the history cannot be read", &error)
}

struct Run<'a> {
    args: &'a BacktestArgs,
    opened: &'a Opened,
    last: u64,
}

impl Run<'_> {
    async fn by_effect(&self, backtest: Backtest) -> Result<Backtest, Failure> {
        let registry = &self.opened.registry;
        let total = api::backtest::entries_to_read(registry, &backtest, self.last).await.map_err(cannot)?;
        let bar = Progress::detect().bar("entries read", total);
        let done =
            api::backtest::run_by_effect(registry, backtest, self.last, |entries| bar.add(entries)).await;
        bar.finish();
        done.map_err(cannot)
    }

    async fn by_recording(&self, backtest: Backtest) -> Result<Backtest, Failure> {
        let registry = &self.opened.registry;
        let backtest = self.resumed(backtest)?;
        let total = api::backtest::entries_to_read(registry, &backtest, self.last).await.map_err(cannot)?;
        let bar = Progress::detect().bar("entries judged", total);
        let stop = stop_on_interrupt(self.args.state.is_some());
        let (mut since_kept, mut failed) = (0, None);
        let watch = |backtest: &Backtest, entries: u64| {
            bar.add(entries);
            since_kept += entries;
            let stops = stop.load(Ordering::Relaxed);
            if (stops || since_kept >= KEEP_EVERY_ENTRIES)
                && let Some(file) = &self.args.state
            {
                since_kept = 0;
                failed = keep(file, backtest).err();
            }
            if stops || failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let done = api::backtest::run(registry, backtest, self.last, watch).await.map_err(cannot)?;
        bar.finish();
        if let Some(failure) = failed {
            return Err(failure);
        }
        if stop.load(Ordering::Relaxed) {
            let message = "stopped; the same command goes on from where it was";
            return Err(Failure::failed(format!("{message} (position {})", done.position())));
        }
        if let Some(file) = &self.args.state {
            keep(file, &done)?;
        }
        Ok(done)
    }

    /// From the state, when there is one.
    fn resumed(&self, backtest: Backtest) -> Result<Backtest, Failure> {
        let Some(file) = self.args.state.as_ref().filter(|file| file.exists()) else { return Ok(backtest) };
        let bytes = fs::read(file)
            .map_err(|error| Failure::usage(format!("--state: cannot read {}: {error}", file.display())))?;
        // serde's message could quote the file, which has personal data.
        let snapshot: Snapshot = serde_json::from_slice(&bytes)
            .map_err(|_| Failure::usage(format!("--state: {} is no state of a backtest", file.display())))?;
        backtest
            .resume(snapshot)
            .map_err(|error| Failure::usage(format!("--state: {}: {error}", file.display())))
    }
}

/// True once SIGINT came, so that a backtest with a state puts it down before it ends.
fn stop_on_interrupt(keeps: bool) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    if keeps {
        let told = Arc::clone(&stop);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                told.store(true, Ordering::Relaxed);
            }
        });
    }
    stop
}

/// Puts the state down: whole or not at all, and readable by its owner alone.
fn keep(file: &Path, backtest: &Backtest) -> Result<(), Failure> {
    let cannot =
        |error: std::io::Error| Failure::failed(format!("--state: cannot write {}: {error}", file.display()));
    let bytes =
        serde_json::to_vec(&backtest.snapshot()).map_err(|error| Failure::because("--state", &error))?;
    let beside = file.with_extension("part");
    let mut part = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(cannot)?;
    part.write_all(&bytes).and_then(|()| part.sync_all()).map_err(cannot)?;
    fs::rename(&beside, file).map_err(cannot)
}
