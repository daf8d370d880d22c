//! What an append costs as the store grows.

use std::sync::Arc;

use proofs::slug::Slug;
use tokio::runtime::Handle;

use super::append::{Door as _, InProcess};
use super::load::{Driven, Until, drive, lanes};
use super::report::{Measurement, Records, Report};
use super::store::Bench;
use super::{Context, blocking, storage};
use crate::failure::Failure;

/// Entries made at once: at about 1.5 KB each, 75 MB.
const CHUNK: u64 = 50_000;
/// The first step; then twice, five times and ten times as many.
const FIRST: u64 = 10_000;

/// Ends of the steps up to a number of entries: 10,000, 20,000, 50,000, 100,000 and so on, and the number itself.
fn steps(entries: u64) -> Vec<u64> {
    let decades = (0..).map(|power| FIRST * 10_u64.pow(power));
    let all = decades.flat_map(|decade| [decade, 2 * decade, 5 * decade]);
    let mut steps: Vec<u64> = all.take_while(|step| *step < entries).collect();
    steps.push(entries);
    steps
}

/// Appends so many entries in process; a measurement for each step. Gives the store.
pub async fn measure(context: &Context, report: &mut Report, entries: u64) -> Result<Bench, Failure> {
    let registers = context.registers.first().copied().unwrap_or(1);
    let callers = context.callers.last().copied().unwrap_or(1);
    let bench = Bench::make(&context.places, &context.generator, registers).await?;
    let door = InProcess::new(&bench)?;
    let names: Arc<[Slug]> = bench.registers.clone().into();
    let mut done = 0;
    for end in steps(entries) {
        context.say(&format!("growth: from {done} to {end} entries"));
        let mut step = Driven::none();
        let before = bench.gauges().await?;
        let mut making = super::cpu::Seconds::new();
        while done < end {
            let count = CHUNK.min(end - done);
            let (generator, names) = (Arc::clone(&context.generator), Arc::clone(&names));
            let began = bench.gauges().await?.cpu;
            let made = blocking(move || generator.fresh("growth", done, count, &names)).await?;
            for (part, spent) in super::cpu::spent(&began, &bench.gauges().await?.cpu) {
                *making.entry(part).or_default() += spent;
            }
            let call = {
                let door = door.clone();
                move |call| {
                    let door = door.clone();
                    async move { door.call(call).await }
                }
            };
            let calls = lanes(made.into_iter().map(|entry| vec![entry]), callers);
            step.add(drive(&Handle::current(), calls, Until::Done, call).await?);
            done += count;
        }
        let after = bench.gauges().await?;
        let mut measured =
            Measurement::new("growth", step, callers).between(&before, &after).of(format!("to {end}"));
        // What it took to make the entries is not what it takes to append them.
        for (part, spent) in &mut measured.cpu_seconds {
            *spent = (*spent - making.get(part).copied().unwrap_or_default()).max(0.0);
        }
        measured.registers = Some(registers);
        measured.records = Some(Records::New);
        report.measurements.push(measured);
    }
    report.storage.push(storage("growth", &bench).await?);
    Ok(bench)
}

#[cfg(test)]
mod tests {
    use super::steps;

    #[test]
    fn steps_end_where_the_entries_do() {
        assert_eq!(steps(5), [5]);
        assert_eq!(steps(10_000), [10_000]);
        assert_eq!(steps(150_000), [10_000, 20_000, 50_000, 100_000, 150_000]);
    }
}
