//! Tamper drills: each way to rewrite, hide, back-date or fork that we could think of, one at a time, and what the audit says of it.
//!
//! A drill changes one thing in an honest copy. The audit must end with 1, and name the rule that is broken at the register and
//! entry that were tampered with; it must accuse no other register, unless what was changed is what the others rest on.
//! `docs/drills.md` lists them all; a test keeps it fresh, and every run prints the verdicts.
//!
//! To add a drill: a line in the table of its layer; then write the list anew, as the test says that compares it.

mod archive;
pub mod forge;
mod honest;
mod keys;
mod operator;
mod python;
pub mod served;
pub mod site;
mod store;
mod withholding;
mod witnessing;

use std::fmt::Write as _;
use std::path::Path;

use reestr_tests::store::copy_files;
use serde_json::Value;
use tempfile::TempDir;

use crate::shared::audit;

/// Where the tampering must be found.
#[derive(Clone, Copy)]
pub enum Place {
    /// In a register as a whole.
    Log(&'static str),
    /// At an entry of a register.
    Entry(&'static str, u64),
    /// By the server, which refuses to open the store, and says which column and row is wrong.
    Start(&'static str),
}

/// One way to tamper.
pub struct Drill<T> {
    /// What is done.
    pub what: &'static str,
    /// The rule that the audit must name.
    pub rule: &'static str,
    /// Where.
    pub place: Place,
    /// Is it found only by what was kept at an earlier audit?
    pub kept: bool,
    /// The deed.
    pub deed: T,
}

impl<T> Drill<T> {
    /// A drill that one audit finds.
    pub const fn new(what: &'static str, rule: &'static str, place: Place, deed: T) -> Self {
        Self { what, rule, place, kept: false, deed }
    }

    /// A drill that is found by whoever kept the state of an earlier audit.
    pub const fn kept(what: &'static str, rule: &'static str, place: Place, deed: T) -> Self {
        Self { what, rule, place, kept: true, deed }
    }

    /// Whether the report names the rule at the place, and accuses nobody else.
    fn judge(&self, (code, report): &(i32, Value)) -> Result<(), String> {
        let (register, index) = match self.place {
            Place::Log(register) => (register, None),
            Place::Entry(register, index) => (register, Some(index)),
            Place::Start(..) => return Err("the server opened the store".to_owned()),
        };
        let faults = || {
            let registers = report["registers"].as_array().into_iter().flatten();
            registers.flat_map(|one| {
                one["faults"].as_array().into_iter().flatten().map(move |f| (&one["register"], f))
            })
        };
        // The first few tell enough.
        let told = || {
            let some: Vec<_> =
                faults().take(3).map(|(named, fault)| format!("\n    {named} {fault}")).collect();
            some.concat()
        };
        if *code != 1 {
            return Err(format!("not found: the audit ended with {code}{}", told()));
        }
        let here = |(named, fault): (&Value, &Value)| {
            *named == register && fault["rule"] == self.rule && fault["index"].as_u64() == index
        };
        if !faults().any(here) {
            return Err(format!("`{}` in {} is not named{}", self.rule, self.place, told()));
        }
        let rested_on = ["departments", "registers"].contains(&register);
        if faults().any(|(named, _)| *named != register) && !rested_on {
            return Err(format!("another register is accused too{}", told()));
        }
        Ok(())
    }

    fn line(&self, list: &mut String) {
        let kept = if self.kept { "kept state" } else { "" };
        let _ = writeln!(list, "| {} | `{}` | {} | {kept} |", self.what, self.rule, self.place);
    }
}

/// The verdicts of a layer, each printed as it comes.
struct Verdicts {
    layer: String,
    failed: Vec<String>,
}

impl Verdicts {
    fn of(layer: impl Into<String>) -> Self {
        Self { layer: layer.into(), failed: Vec::new() }
    }

    fn note<T>(&mut self, drill: &Drill<T>, verdict: Result<(), String>) {
        match verdict {
            Ok(()) => println!("{}: {}: {} in {}", self.layer, drill.what, drill.rule, drill.place),
            Err(failed) => self.failed.push(format!("{}: {}: {failed}", self.layer, drill.what)),
        }
    }

    /// Fails if a drill was not found as it should be.
    fn conclude(self) {
        assert!(self.failed.is_empty(), "{} failed:\n{}", self.failed.len(), self.failed.join("\n"));
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(register) => write!(f, "`{register}`"),
            Self::Entry(register, index) => write!(f, "`{register}` {index}"),
            Self::Start(row) => write!(f, "{row}"),
        }
    }
}

/// What an auditor kept of the honest copy, given out as a copy for each audit.
struct Kept(TempDir);

impl Kept {
    /// Audits what is honest, twice: the first time nothing is known of it.
    async fn of(url: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = directory.path().join("state");
        for _ in 0..2 {
            let (code, report) = audit(url, &["--state", text(&state)]).await;
            assert_eq!(code, 0, "an honest copy: {report}");
        }
        Self(directory)
    }

    /// Audits with what was kept, or as one who knows nothing.
    async fn audit(&self, url: &str, kept: bool, more: &[&str]) -> (i32, Value) {
        if !kept {
            return audit(url, more).await;
        }
        let copy = tempfile::tempdir().expect("a temporary directory");
        copy_files(&self.0.path().join("state"), copy.path());
        audit(url, &[&["--state", text(copy.path())], more].concat()).await
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

const HEAD: &str = "# Tamper drills
Generated from the drills that `tests/e2e/drills` runs; a test compares the two.

Each line is one thing done to an honest copy, the rule of [auditors.md](auditors.md) that `reestr audit` must name, and where: the register, and the
entry if one entry is at fault. *Kept state* says that the copy is sound in itself, so that only `--state` of an earlier audit can show it. Where the rule is
`start`, no server opens such a store, and it says which column and row is wrong. No drill may accuse a register that was not touched, and the honest
copies at the end must raise no alarm.
";

/// A layer's part of the list.
fn layer<T>(list: &mut String, title: &str, drills: &[Drill<T>]) -> usize {
    let _ =
        write!(list, "\n## {title}\n| what is done | rule | where | needs |\n| --- | --- | --- | --- |\n");
    for drill in drills {
        drill.line(list);
    }
    drills.len()
}

fn list() -> String {
    let mut list = HEAD.to_owned();
    let mut count = layer(&mut list, "The store, by whoever has the database", store::DRILLS);
    count += layer(&mut list, "Tiles and checkpoints, on the server or on their way", served::TILES);
    count += layer(&mut list, "Other answers of the server", served::ANSWERS);
    count += layer(&mut list, "An archive, on its way, file by file and byte by byte", archive::DRILLS);
    count += layer(&mut list, "An operator who holds every key, and seals each lie anew", operator::DRILLS);
    count += layer(&mut list, "The same operator, on the history of keys", keys::DRILLS);
    count += layer(
        &mut list,
        "The same, before an auditor who asks for two of three witnesses",
        witnessing::DRILLS,
    );
    count +=
        layer(&mut list, "The same, on bodies that are withheld or only said to be", withholding::DRILLS);
    list.push_str("\n## Honest copies\n");
    for (what, _) in honest::COPIES {
        let _ = writeln!(list, "- {what}");
    }
    let _ = write!(list, "\n{count} drills.\n");
    list
}

#[test]
fn the_list_of_drills_is_fresh() {
    let file = reestr_tests::server::root().join("docs/drills.md");
    let list = list();
    print!("{list}");
    if std::fs::read_to_string(&file).is_ok_and(|written| written == list) {
        return;
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drills.md");
    std::fs::write(&fresh, &list).expect("the list is written");
    panic!("docs/drills.md is stale: `cp {} docs/drills.md`", fresh.display());
}
