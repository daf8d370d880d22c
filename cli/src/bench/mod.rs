//! `reestr bench`: what this machine does with the engine, each figure beside what the machine could do at most.
//!
//! In scope: a store made for it, entries that follow from a seed and are signed before any clock runs, callers, gauges, and
//! the report. Not in scope: anything that a server would need. What is measured is the code that is served: nothing here has a
//! way of its own around it.
//! To add a measurement: a function that gives a [`Measurement`], its section in [`Section`], and the limits that bear on it
//! in `report.rs`.

mod append;
mod behind;
mod cpu;
pub mod entries;
mod growth;
mod http;
mod limits;
pub mod load;
mod reads;
mod report;
pub mod store;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;

use crate::failure::Failure;
use crate::progress::{Bar, Progress};
use append::{Case, InProcess, Journal};
use entries::Generator;
use http::{Callers, Http, Server, Who};
use reads::Filled;
pub use report::Report;
use report::{Records, Storage};
use store::{Bench, Kept, Places};

/// What can be measured.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    /// Appending in process: from signed bytes to durable, by the rules of the register.
    Append,
    /// Appending to the journal alone: signature, tree and commit, without rules.
    Journal,
    /// Appending over HTTP, an entry a request, each with its receipt.
    Http,
    /// Appending over HTTP in lists of 1,000.
    Batch,
    /// Projections: all from nothing, then each again.
    Projections,
    /// Reading over HTTP: an account, a number, a receipt, tiles.
    Read,
    /// The full audit, over HTTP and of archives.
    Audit,
    /// What the machine could do at most.
    Limits,
}

/// Entries in a list: what the API takes.
const LIST: usize = 1_000;
/// Entries whose digest the report has.
const DIGESTED: u64 = 1_000;
/// With all numbers of registers one number of callers is measured, and the other way round for HTTP.
const HTTP_REGISTERS: usize = 50;

/// What to measure.
pub struct Request {
    /// The server on which a database is made; without it, a file of SQLite.
    pub database: Option<String>,
    /// Where temporary files are made.
    pub directory: Option<PathBuf>,
    /// For how long each.
    pub seconds: Duration,
    /// What.
    pub only: Vec<Section>,
    /// By how many at once.
    pub callers: Vec<usize>,
    /// In how many registers.
    pub registers: Vec<usize>,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Shards of the store.
    pub shards: u32,
    /// What entries follow from.
    pub seed: u64,
    /// Entries of the store that is read.
    pub fill: u64,
    /// Instead of all that: so many entries, and what each step costs.
    pub growth: Option<u64>,
    /// Is the store of that to be kept?
    pub keep: bool,
}

/// What every measurement needs.
pub struct Context {
    places: Places,
    generator: Arc<Generator>,
    seconds: Duration,
    cores: usize,
    callers: Vec<usize>,
    registers: Vec<usize>,
    progress: Bar,
}

impl Context {
    fn say(&self, what: &str) {
        self.progress.say(what);
        self.progress.add(1);
    }

    fn most_registers(&self) -> usize {
        self.registers.iter().copied().max().unwrap_or(1)
    }
}

/// Measures, and removes what it made; also when it is interrupted. Gives the report, and how to open the store that was kept.
pub async fn run(request: Request, progress: Progress) -> Result<(Report, Option<String>), Failure> {
    let places = Places::new(request.database.as_deref(), request.directory.clone(), request.shards)?;
    let interrupted = crate::serving::shutdown()?;
    let measured = tokio::select! {
        measured = measure(request, places.clone(), progress) => measured,
        () = interrupted => Err(Failure::failed("interrupted; what was made is removed")),
    };
    let kept = measured.as_ref().ok().and_then(|(_, kept)| kept.as_ref());
    let cleaned = places.clean(kept.and_then(|kept| kept.database.as_deref())).await;
    let (report, kept) = measured?;
    cleaned.map(|()| (report, kept.map(|kept| kept.arguments)))
}

async fn measure(
    request: Request,
    places: Places,
    progress: Progress,
) -> Result<(Report, Option<Kept>), Failure> {
    let generator = Arc::new(Generator::new(request.seed, append::department()?, request.body_bytes));
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let digested = Arc::clone(&generator);
    let department = [append::department()?];
    let digested = blocking(move || digested.fresh("digest", 0, DIGESTED, &department)).await?;
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        optimised: !cfg!(debug_assertions),
        store: places.kind(),
        cores,
        shards: request.shards,
        seed: request.seed,
        entries_digest: entries::fingerprint(&digested),
        seconds: request.seconds.as_secs_f64(),
        body_bytes: request.body_bytes,
        measurements: Vec::new(),
        storage: Vec::new(),
    };
    let context = Context {
        places,
        generator,
        seconds: request.seconds,
        cores,
        callers: request.callers,
        registers: request.registers,
        progress: progress.bar("measurements", 0),
    };
    let mut kept = None;
    if let Some(entries) = request.growth {
        let bench = growth::measure(&context, &mut report, entries).await?;
        if request.keep {
            kept = Some(bench.keep().await);
        } else {
            bench.close().await;
        }
        report.measurements.extend(limits::measure(&context).await?);
    } else {
        sections(&context, &mut report, request.only, request.fill).await?;
    }
    context.progress.finish();
    report.conclude();
    Ok((report, kept))
}

/// Measures what was asked for, in an order of its own: the limits last.
async fn sections(
    context: &Context,
    report: &mut Report,
    only: Vec<Section>,
    fill: u64,
) -> Result<(), Failure> {
    let has = |section: Section| only.contains(&section);
    if has(Section::Append) {
        in_process(context, report).await?;
    }
    if has(Section::Journal) {
        journal(context, report).await?;
    }
    if has(Section::Http) {
        over_http(context, report, "http", 1).await?;
    }
    if has(Section::Batch) {
        over_http(context, report, "batch", LIST).await?;
    }
    if has(Section::Projections) {
        let filled = Filled::make(context, fill).await?;
        report.measurements.extend(filled.projections(context).await?);
        report.storage.push(storage("projections", &filled.bench).await?);
        filled.bench.close().await;
    }
    // A server closes its store when it ends, so that each has one of its own.
    if has(Section::Read) {
        let filled = Filled::make(context, fill).await?;
        report.measurements.extend(filled.reads(context).await?);
    }
    if has(Section::Audit) {
        let filled = Filled::make(context, fill).await?;
        report.measurements.extend(filled.audits(context).await?);
    }
    if has(Section::Limits) {
        report.measurements.extend(limits::measure(context).await?);
    }
    Ok(())
}

/// Makes a store, measures on it, notes what it takes, and closes it.
async fn in_process(context: &Context, report: &mut Report) -> Result<(), Failure> {
    let bench = Bench::make(&context.places, &context.generator, context.most_registers()).await?;
    let door = InProcess::new(&bench)?;
    for records in [Records::New, Records::Existing] {
        for &registers in &context.registers {
            for &callers in &context.callers {
                let case = Case { section: "append", callers, registers, records, list: 1 };
                report.measurements.push(append::measure(context, &bench, &door, case).await?);
            }
        }
    }
    report.storage.push(storage("append", &bench).await?);
    bench.close().await;
    Ok(())
}

async fn journal(context: &Context, report: &mut Report) -> Result<(), Failure> {
    let bench = Bench::make(&context.places, &context.generator, 1).await?;
    let door = Journal::new(&bench, &context.generator);
    for &callers in &context.callers {
        let case = Case { section: "journal", callers, registers: 1, records: Records::New, list: 1 };
        report.measurements.push(append::measure(context, &bench, &door, case).await?);
    }
    report.storage.push(storage("journal", &bench).await?);
    bench.close().await;
    Ok(())
}

/// The server does with its entries what servers do: projections and proposals run beside.
async fn over_http(
    context: &Context,
    report: &mut Report,
    section: &'static str,
    list: usize,
) -> Result<(), Failure> {
    let registers = context.most_registers().min(HTTP_REGISTERS);
    let bench = Bench::make(&context.places, &context.generator, registers).await?;
    let server = Server::start(&bench).await?;
    let callers = Callers::start(context.cores)?;
    let door = Http::new(&bench, &server, &callers, Who::Department).await?;
    for &callers in context.callers.iter().filter(|callers| list == 1 || **callers <= 32) {
        let case = Case { section, callers, registers, records: Records::New, list };
        let measuring = Box::pin(append::measure(context, &bench, &door, case));
        let (mut measured, behind) = behind::during(&bench.opened.store, measuring).await?;
        measured.projections_behind_seconds = Some(behind.as_secs_f64());
        report.measurements.push(measured);
    }
    report.storage.push(storage(section, &bench).await?);
    server.stop().await
}

async fn storage(section: &'static str, bench: &Bench) -> Result<Storage, Failure> {
    let entries =
        bench.opened.store.position().await.map_err(|error| Failure::because("the store", &error))?;
    Ok(Storage::new(section, entries, bench.tables().await?))
}

/// Runs what takes long on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::because("a task has ended", &error))?
}
