//! The platform's own registers, which say whose keys and which definitions were in force when.
//!
//! `departments` is folded entry by entry, and each statement is checked against the keys that the entries before it
//! put in force: a forged enrolment cannot vouch for itself. Only entry 0 does, and it is the root of trust: it
//! establishes the platform's own department. Whoever keeps state from audit to audit pins it.

use std::collections::HashMap;

use domain::EntryView;
use domain::audit::{StepChecker, StepView};
use domain::definitions::Definitions;
use domain::departments::Departments;
use domain::register_keys::declares_future;
use proofs::slug::Slug;
use serde_json::Value;
use uuid::Uuid;

use super::fetch::CouldNotCheck;
use super::homes::Homes;
use super::log::{Asks, Bodies, Leaves, Log, walk};
use super::register::{Along, Checked, check_bodies, check_signatures, note_doubts, parse};
use super::report::{Fault, RegisterReport};
use super::source::Source;
use super::state::Pins;
use super::{Outcome, PAUSE, Trust, head, log_fault};
use crate::progress::Progress;

/// Definitions of registers.
const REGISTERS: &str = "registers";
/// Departments, their keys and their officials.
const DEPARTMENTS: &str = "departments";
/// Tries to see both registers at rest; each costs three small requests.
const TRIES: usize = 5;

/// Whether this is one of the two registers that the others rest on.
pub fn is_root(register: &Slug) -> bool {
    [REGISTERS, DEPARTMENTS].contains(&register.as_str())
}

/// One of the two registers, as read.
struct Read {
    log: Log,
    report: RegisterReport,
    entries: Vec<Checked>,
    bodies: HashMap<u64, Value>,
}

/// Verifies both registers, and gives what they say with the outcome of each.
pub async fn verify(
    fetch: &Source,
    pins: &Pins,
    homes: &mut Homes,
    progress: Progress,
) -> Result<(Trust, Vec<Outcome>), CouldNotCheck> {
    let mut tries = TRIES;
    let (departments, registers, trust) = loop {
        let (departments, registers, trust) = folded(fetch, pins, progress).await?;
        tries -= 1;
        if tries == 0 || !head::is_stale(&departments.log, &trust) {
            break (departments, registers, trust);
        }
        tokio::time::sleep(PAUSE).await;
    };
    let mut outcomes = Vec::with_capacity(2);
    let mut begun = HashMap::new();
    for mut root in [departments, registers] {
        let pin = head::check(&root.log, &trust, &mut root.report);
        note_doubts(&root.entries, &trust.departments, &mut root.report);
        steps(&mut root, &trust, &mut begun);
        for entry in &root.entries {
            homes.note(entry, &root.log.register).map_err(|error| CouldNotCheck::temporary(&error))?;
        }
        outcomes.push(Outcome::of(root.report, pin));
    }
    Ok((trust, outcomes))
}

/// Checks the steps of all records of a root, which are few: nothing rests on one with a fault, so that it is told at once. `begun`
/// says where records began.
fn steps(root: &mut Read, trust: &Trust, begun: &mut HashMap<Uuid, Slug>) {
    let register = &root.log.register;
    let mut along = Along::new(register.clone());
    let mut steps = StepChecker::new(&trust.definitions);
    for entry in &root.entries {
        along.check(entry, &mut root.report);
        let statement = entry.leaf.statement.statement();
        let mut fault = |rule, detail| {
            let record = Some(statement.record);
            root.report.fault(Fault { index: Some(entry.index), record, rule, detail });
        };
        let step = StepView {
            register,
            record: statement.record,
            version: statement.version,
            entry_type: &statement.entry_type,
            recorded_at: entry.leaf.recorded_at,
            issuer: &statement.issuer,
        };
        if let Err(broken) = steps.check(&step) {
            fault(broken.rule(), broken.to_string());
        }
        if statement.version == 1 {
            let home = begun.entry(statement.record).or_insert_with(|| register.clone());
            if home != register {
                fault("one-register", format!("the record has entries in register {home} too"));
            }
        }
    }
    root.report.records = steps.records() as u64;
}

/// Both registers as of one moment, folded.
async fn folded(
    fetch: &Source,
    pins: &Pins,
    progress: Progress,
) -> Result<(Read, Read, Trust), CouldNotCheck> {
    let (departments, registers) = at_rest(fetch, pins).await?;
    let bar = progress.bar("platform entries", departments.size() + registers.size());
    let mut departments = read(fetch, departments).await?;
    let mut registers = read(fetch, registers).await?;
    bar.add(departments.report.entries + registers.report.entries);
    bar.finish();

    let keys = fold_departments(&mut departments);
    check_signatures(&registers.entries, &keys, &mut registers.report);
    let definitions = fold_definitions(&mut registers);
    let log_name = registers.log.log_name().map(str::to_owned);
    Ok((departments, registers, Trust { departments: keys, definitions, log_name }))
}

/// Both logs as of one moment: an entry of either may rest on an entry of the other.
async fn at_rest(fetch: &Source, pins: &Pins) -> Result<(Log, Log), CouldNotCheck> {
    let named = |name: &str| name.parse::<Slug>().map_err(|_| CouldNotCheck::NoSuchRegister(name.to_owned()));
    let (departments, registers) = (named(DEPARTMENTS)?, named(REGISTERS)?);
    let mut before = Log::open(fetch, &departments, pins).await?;
    for _ in 0..TRIES {
        let between = Log::open(fetch, &registers, pins).await?;
        let after = Log::open(fetch, &departments, pins).await?;
        if before.size() == after.size() {
            // The earlier one: every key that signed it is known to `registers`, which was fetched after it.
            return Ok((before, between));
        }
        before = after;
    }
    Err(CouldNotCheck::Restless)
}

async fn read(fetch: &Source, mut log: Log) -> Result<Read, CouldNotCheck> {
    let mut report = RegisterReport::new(log.register.clone());
    for fault in log.faults.drain(..) {
        report.fault(fault);
    }
    let (mut entries, mut bodies) = (Vec::new(), HashMap::new());
    let register = log.register.clone();
    let work = move |leaves: Leaves| {
        let mut report = RegisterReport::new(register.clone());
        report.entries = leaves.bytes.len() as u64;
        let checked = parse(leaves.first, &leaves.bytes, &mut report);
        let mut bodies = HashMap::new();
        if let Bodies::Shown(listing) = leaves.bodies {
            let served = listing.read(&mut report)?;
            bodies = check_bodies(&checked, served, |_| true, &mut report).kept;
        } else {
            let detail = "the entries of this register are for anyone, and are not shown";
            report.fault(log_fault("listing", detail));
        }
        Ok((report, checked, bodies))
    };
    walk(fetch, &log, &mut report, work, |(part, checked, shown), report| {
        report.merge(part);
        entries.extend(checked);
        bodies.extend(shown);
        Ok(Asks::Bodies)
    })
    .await?;
    Ok(Read { log, report, entries, bodies })
}

fn fold_departments(read: &mut Read) -> Departments {
    let mut departments = Departments::default();
    for entry in &read.entries {
        let statement = entry.leaf.statement.statement();
        let known =
            departments.key_in_force(&statement.issuer, entry.leaf.statement.kid(), entry.leaf.recorded_at);
        if entry.index > 0 {
            let mut report = RegisterReport::new(read.log.register.clone());
            check_signatures(std::slice::from_ref(entry), &departments, &mut report);
            if known.is_none() || !report.faults.is_empty() {
                report.faults.into_iter().for_each(|fault| read.report.fault(fault));
                continue;
            }
        }
        let taken = view(entry, &read.bodies, |view| {
            // A second department of the name would take the keys of the first away.
            once(view, "established", slug_of(view, "/slug"), |slug| departments.get(slug).is_some())?;
            not_future(view)?;
            departments.apply(view).map(drop).map_err(|error| error.to_string())
        });
        take(entry, taken, &mut read.report);
    }
    if let Some(first) = read.entries.first().filter(|entry| entry.index == 0) {
        check_signatures(std::slice::from_ref(first), &departments, &mut read.report);
    }
    departments
}

fn fold_definitions(read: &mut Read) -> Definitions {
    let mut definitions = Definitions::default();
    for entry in &read.entries {
        let taken = view(entry, &read.bodies, |view| {
            let slug = slug_of(view, "/definition/slug");
            once(view, "defined", slug.clone(), |slug| definitions.current(slug).is_some())?;
            if definitions
                .register_of(view.record)
                .is_some_and(|known| slug.is_some_and(|slug| slug != *known))
            {
                return Err("it redefines another register than its record is of".to_owned());
            }
            not_future(view)?;
            definitions.apply(view).map(drop).map_err(|error| error.to_string())
        });
        take(entry, taken, &mut read.report);
    }
    definitions
}

/// Refuses a declaration of compromise since a time that had not come.
fn not_future(view: &EntryView<'_>) -> Result<(), String> {
    if declares_future(view) {
        return Err("it declares a key compromised since a time after its own".to_owned());
    }
    Ok(())
}

/// The slug that a body names.
fn slug_of(view: &EntryView<'_>, pointer: &str) -> Option<Slug> {
    view.body?.pointer(pointer)?.as_str()?.parse().ok()
}

/// Refuses an entry that founds what is there already: a slug is taken once, for ever.
fn once(
    view: &EntryView<'_>,
    founding: &str,
    slug: Option<Slug>,
    taken: impl Fn(&Slug) -> bool,
) -> Result<(), String> {
    match slug.filter(|slug| view.entry_type.as_str() == founding && taken(slug)) {
        Some(slug) => Err(format!("`{slug}` was {founding} before, by another record")),
        None => Ok(()),
    }
}

/// Hands an entry with its verified body to a fold; `None` where no such body was served.
fn view<E>(
    entry: &Checked,
    bodies: &HashMap<u64, Value>,
    fold: impl FnOnce(&EntryView) -> Result<(), E>,
) -> Option<Result<(), E>> {
    let body = bodies.get(&entry.index)?;
    Some(fold(&entry_view(entry, Some(body))))
}

/// An entry as the domain sees it.
pub(super) fn entry_view<'a>(entry: &'a Checked, body: Option<&'a Value>) -> EntryView<'a> {
    let statement = entry.leaf.statement.statement();
    EntryView {
        register: &statement.register,
        record: statement.record,
        version: statement.version,
        entry_type: &statement.entry_type,
        effective_at: statement.effective_at,
        recorded_at: entry.leaf.recorded_at,
        issuer: &statement.issuer,
        // Outside the store nobody knows positions; the order of one register is that of its leaf indexes.
        position: 0,
        body,
    }
}

fn take<E: ToString>(entry: &Checked, taken: Option<Result<(), E>>, report: &mut RegisterReport) {
    let detail = match taken {
        Some(Ok(())) => return,
        Some(Err(error)) => error.to_string(),
        None => "its body is not served, and without it nothing that rests on it can be checked".to_owned(),
    };
    let record = Some(entry.leaf.statement.statement().record);
    report.fault(Fault { index: Some(entry.index), record, rule: "platform-entry", detail });
}

#[cfg(test)]
mod tests {
    use proofs::body::BodyDigest;
    use proofs::key::PrivateKey;
    use proofs::leaf::Leaf;
    use proofs::statement::Statement;
    use proofs::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn established(index: u64, key: &PrivateKey) -> (Checked, Value) {
        let statement = Statement {
            register: DEPARTMENTS.parse().unwrap(),
            record: Uuid::from_u128(u128::from(index) + 1),
            version: 1,
            entry_type: "established".parse().unwrap(),
            effective_at: Timestamp::from_millis(0),
            issuer: "platform".parse().unwrap(),
            body: BodyDigest([0; 32]),
        };
        let statement = statement.sign(&PrivateKey::from_seed(&[1; 32]));
        let leaf = Leaf { recorded_at: Timestamp::from_millis(0), statement };
        let title = json!({"ru": "Платформа", "en": "Platform"});
        let jwk = serde_json::to_value(key.public().jwk()).unwrap();
        let body = json!({"slug": "platform", "title": title, "level": "federal", "key": jwk});
        (Checked { index, leaf }, body)
    }

    #[test]
    fn a_department_established_again_keeps_its_keys_and_is_a_fault() {
        let [first, second] = [[1; 32], [2; 32]].map(|seed| PrivateKey::from_seed(&seed));
        let (entries, bodies): (Vec<_>, Vec<_>) =
            [established(0, &first), established(1, &second)].into_iter().unzip();
        let register: Slug = DEPARTMENTS.parse().unwrap();
        let log = Log { register: register.clone(), head: None, kept: None, faults: Vec::new() };
        let report = RegisterReport::new(register);
        let mut read = Read { log, report, entries, bodies: (0..).zip(bodies).collect() };
        let departments = fold_departments(&mut read);
        let found: Vec<_> = read.report.faults.iter().map(|fault| (fault.index, fault.rule)).collect();
        assert_eq!(found, [(Some(1), "platform-entry")]);
        let platform = "platform".parse().unwrap();
        let kids: Vec<_> = departments.keys_now(&platform).iter().map(|term| term.kid.clone()).collect();
        assert_eq!(kids, [first.kid()]);
    }
}
