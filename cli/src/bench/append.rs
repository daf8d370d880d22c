//! Appending, through each of the doors that there are.

use std::sync::Arc;
use std::time::Duration;

use api::registry::{Actor, AppendRequest, EntryRequest, Registry};
use eventstore::{NewEntry, Store, Submission};
use proofs::key::PublicKey;
use proofs::slug::Slug;
use proofs::statement::SignedStatement;
use tokio::runtime::Handle;

use super::entries::{Generator, Signed};
use super::load::{Driven, Until, drive, lanes};
use super::report::{Measurement, Records};
use super::store::{Bench, DEPARTMENT};
use super::{Context, blocking};
use crate::failure::{Failure, refused};

/// Entries made before a measurement at most: at about 1.5 KB each, 6 GB. A measurement that has used them up ends early.
const POOL_ENTRIES_MAX: u64 = 4_000_000;
/// Calls of each caller with which everything is warmed up.
const WARM_CALLS: u64 = 4;
/// How long the second warm-up takes, which tells how many entries the measurement needs.
const WARM_UP: Duration = Duration::from_secs(1);
/// Entries beyond what the warm-up foretells.
const SPARE: f64 = 1.3;
/// Records that later entries continue are made in lists of so many.
const LIST: usize = 500;

/// A way in.
pub trait Door: Clone + Send + Sync + 'static {
    /// What is ready before the clock runs.
    type Call: Send + 'static;
    /// Makes it ready.
    fn prepare(&self, entries: Vec<Signed>) -> Self::Call;
    /// Appends; answers how many entries are durable now.
    fn call(&self, call: Self::Call) -> impl Future<Output = Result<u64, Failure>> + Send;
    /// Where the callers run.
    fn callers(&self) -> Handle;
}

/// The engine's whole path, from signed bytes to durable: the API without HTTP.
#[derive(Clone)]
pub struct InProcess {
    registry: Registry,
    department: Slug,
}

impl InProcess {
    /// The way into a store's registry.
    pub fn new(bench: &Bench) -> Result<Self, Failure> {
        Ok(Self { registry: bench.opened.registry.clone(), department: department()? })
    }
}

/// The department that issues everything.
pub fn department() -> Result<Slug, Failure> {
    DEPARTMENT.parse().map_err(|error| Failure::because(DEPARTMENT, &error))
}

impl Door for InProcess {
    type Call = Vec<Signed>;

    fn prepare(&self, entries: Vec<Signed>) -> Vec<Signed> {
        entries
    }

    async fn call(&self, call: Vec<Signed>) -> Result<u64, Failure> {
        let register = call.first().map(|entry| entry.register.clone());
        let register = register.ok_or_else(|| Failure::failed("a call without entries"))?;
        let read = |entry: Signed| {
            let body = proofs::jcs::parse(&entry.body).map_err(|error| Failure::because("a body", &error))?;
            Ok(EntryRequest::Signed { statement: entry.statement, body, salt: entry.salt })
        };
        let entries = call.into_iter().map(read).collect::<Result<_, Failure>>()?;
        let request = AppendRequest::new(register, Actor::local(self.department.clone()), entries);
        let made = self.registry.append(request).await;
        made.map(|made| made.len() as u64).map_err(|refusal| Failure::failed(refused(&refusal)))
    }

    fn callers(&self) -> Handle {
        Handle::current()
    }
}

/// The journal alone: the signature is checked, and no rule of any register is asked. What event stores without such rules do.
#[derive(Clone)]
pub struct Journal {
    store: Store,
    key: PublicKey,
}

impl Journal {
    /// The way into a store's journal.
    pub fn new(bench: &Bench, generator: &Generator) -> Self {
        Self { store: bench.opened.store.clone(), key: generator.key().public() }
    }
}

impl Door for Journal {
    type Call = Vec<Signed>;

    fn prepare(&self, entries: Vec<Signed>) -> Vec<Signed> {
        entries
    }

    async fn call(&self, call: Vec<Signed>) -> Result<u64, Failure> {
        let read = |entry: Signed| {
            let statement = SignedStatement::parse(&entry.statement);
            let statement = statement.map_err(|error| Failure::because("a statement", &error))?;
            statement.verify(&self.key).map_err(|error| Failure::because("a statement", &error))?;
            Ok(NewEntry { statement, body: entry.body, salt: entry.salt, number: None })
        };
        let entries = call.into_iter().map(read).collect::<Result<_, Failure>>()?;
        let appended = self.store.submit(Submission { entries, ..Submission::default() }).await;
        appended.map(|made| made.len() as u64).map_err(|error| Failure::because("the journal", &error))
    }

    fn callers(&self) -> Handle {
        Handle::current()
    }
}

/// What is measured.
#[derive(Clone, Copy)]
pub struct Case {
    /// Under which name.
    pub section: &'static str,
    /// How many call at once.
    pub callers: usize,
    /// Over how many registers the entries are spread.
    pub registers: usize,
    /// Whose records.
    pub records: Records,
    /// Entries in a call.
    pub list: usize,
}

impl Case {
    /// What entries are derived from: no two measurements of a store make the same record.
    fn label(&self, part: &str) -> String {
        format!(
            "{}/{}/{}/{:?}/{}/{part}",
            self.section, self.callers, self.registers, self.records, self.list
        )
    }
}

/// The entries of a case, a call each, dealt out to the callers.
type Lanes = Vec<Vec<Vec<Signed>>>;

/// Measures a case.
pub async fn measure<D: Door>(
    context: &Context,
    bench: &Bench,
    door: &D,
    case: Case,
) -> Result<Measurement, Failure> {
    context.say(&format!(
        "{}: {} callers, {} registers, {} records",
        case.section,
        case.callers,
        case.registers,
        case.records.word()
    ));
    let on = door.callers();
    let run = async |lanes: Lanes, until: Until| -> Result<Driven, Failure> {
        let ready = |lane: Vec<Vec<Signed>>| lane.into_iter().map(|entries| door.prepare(entries)).collect();
        let lanes: Vec<Vec<D::Call>> = lanes.into_iter().map(ready).collect();
        let door = door.clone();
        let call = move |call| {
            let door = door.clone();
            async move { door.call(call).await }
        };
        drive(&on, lanes, until, call).await
    };
    let smallest = (case.callers * case.list) as u64 * if case.list == 1 { WARM_CALLS } else { 1 };
    let first = run(pool(context, bench, case, "first", smallest).await?, Until::Done).await?;
    let warm_up = WARM_UP.min(context.seconds);
    let second = wanted(first.rate(), warm_up, smallest);
    let second = run(pool(context, bench, case, "second", second).await?, Until::Time(warm_up)).await?;
    let count = wanted(second.rate(), context.seconds, smallest);
    let lanes = pool(context, bench, case, "measured", count).await?;
    bench.analyse().await?;
    let before = bench.gauges().await?;
    let driven = run(lanes, Until::Time(context.seconds)).await?;
    let after = bench.gauges().await?;
    let mut measurement = Measurement::new(case.section, driven, case.callers).between(&before, &after);
    measurement.registers = Some(case.registers);
    measurement.records = Some(case.records);
    measurement.entries_per_call = Some(case.list);
    Ok(measurement)
}

/// Entries for that time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative, and the pool is bounded"
)]
fn wanted(rate: f64, time: Duration, smallest: u64) -> u64 {
    let wanted = (rate * time.as_secs_f64() * SPARE).ceil() as u64;
    wanted.max(smallest).min(POOL_ENTRIES_MAX)
}

/// Makes entries for a case, and the records that they continue.
async fn pool(
    context: &Context,
    bench: &Bench,
    case: Case,
    part: &str,
    count: u64,
) -> Result<Lanes, Failure> {
    let registers: Arc<[Slug]> = bench.registers.iter().take(case.registers).cloned().collect();
    let (generator, label, list) = (Arc::clone(&context.generator), case.label(part), case.list as u64);
    let callers = case.callers;
    match case.records {
        Records::New => {
            blocking(move || {
                if list == 1 {
                    let entries = generator.fresh(&label, 0, count, &registers)?;
                    return Ok(lanes(entries.into_iter().map(|entry| vec![entry]), callers));
                }
                let made = (0..count.div_ceil(list)).map(|at| {
                    let register = usize::try_from(at).unwrap_or(0) % registers.len();
                    generator.fresh(&label, at * list, list, &registers[register..=register])
                });
                Ok(lanes(made.collect::<Result<Vec<_>, _>>()?, callers))
            })
            .await
        }
        Records::Existing => {
            // Each caller has records of its own, so that none of them finds that another was faster.
            let records = Generator::records_for(count).max(callers as u64 * 2);
            let made = blocking(move || {
                let base = generator.fresh(&label, 0, records, &registers)?;
                let later = generator.later(&label, records, count, &registers)?;
                Ok((base, later))
            });
            let (base, later) = made.await?;
            fill(&InProcess::new(bench)?, base).await?;
            Ok(lanes(later, callers).into_iter().map(versions_in_turn).collect())
        }
    }
}

/// The second entries of all of a caller's records, then the third ones, and so on.
fn versions_in_turn(records: Vec<Vec<Signed>>) -> Vec<Vec<Signed>> {
    let mut rest: Vec<_> = records.into_iter().map(Vec::into_iter).collect();
    let mut calls = Vec::new();
    loop {
        let before = calls.len();
        calls.extend(rest.iter_mut().filter_map(Iterator::next).map(|entry| vec![entry]));
        if calls.len() == before {
            return calls;
        }
    }
}

/// Appends entries in long lists, without measuring.
pub async fn fill(door: &InProcess, entries: Vec<Signed>) -> Result<(), Failure> {
    let mut sorted = entries;
    sorted.sort_by(|one, other| one.register.cmp(&other.register));
    let of_one_register = sorted.chunk_by(|one, next| one.register == next.register);
    let calls: Vec<Vec<Signed>> =
        of_one_register.flat_map(|entries| entries.chunks(LIST).map(<[Signed]>::to_vec)).collect();
    let door = door.clone();
    let call = move |call| {
        let door = door.clone();
        async move { door.call(call).await }
    };
    drive(&Handle::current(), lanes(calls, 2), Until::Done, call).await.map(drop)
}
