//! The fixtures, built into the binary: it needs no other file to make a store or a demo.

use include_dir::{Dir, include_dir};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;

static DEPARTMENTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/departments");
static REGISTERS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/registers");
static TRIGGERS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/triggers");
static SAMPLES: Dir = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/samples");
static PEOPLE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/people");
static REAL: Dir = include_dir!("$CARGO_MANIFEST_DIR/../fixtures/real");

/// Departments, by slug.
pub fn departments() -> Result<Vec<Value>, Failure> {
    all(&DEPARTMENTS)
}

/// Definitions of registers, by slug.
pub fn registers() -> Result<Vec<Value>, Failure> {
    all(&REGISTERS)
}

/// Proactive rules, by slug.
pub fn triggers() -> Result<Vec<Value>, Failure> {
    all(&TRIGGERS)
}

/// One department.
pub fn department(slug: &str) -> Result<Value, Failure> {
    one(&DEPARTMENTS, slug)
}

/// One definition.
pub fn register(slug: &str) -> Result<Value, Failure> {
    one(&REGISTERS, slug)
}

/// The sample stories of a register, if it has any.
pub fn sample<T: DeserializeOwned>(register: &str) -> Result<Option<T>, Failure> {
    if SAMPLES.get_file(format!("{register}.json")).is_none() {
        return Ok(None);
    }
    one(&SAMPLES, register).map(Some)
}

/// A list that people are drawn from.
pub fn people<T: DeserializeOwned>(name: &str) -> Result<T, Failure> {
    one(&PEOPLE, name)
}

/// Real registers in RSF: slug and text.
pub fn real() -> impl Iterator<Item = (String, &'static str)> {
    REAL.files().filter_map(|file| {
        let path = file.path();
        let slug = path.file_stem()?.to_str()?.to_owned();
        (path.extension()? == "rsf").then(|| Some((slug, file.contents_utf8()?)))?
    })
}

fn one<T: DeserializeOwned>(from: &Dir, name: &str) -> Result<T, Failure> {
    let path = format!("{name}.json");
    let file = from.get_file(&path).ok_or_else(|| Failure::failed(format!("there is no fixture {path}")))?;
    serde_json::from_slice(file.contents())
        .map_err(|error| Failure::failed(format!("fixtures/{}/{path}: {error}", from.path().display())))
}

fn all(from: &Dir) -> Result<Vec<Value>, Failure> {
    let documents = from.files().map(include_dir::File::path);
    let documents = documents.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let names = documents.filter_map(|path| path.file_stem()?.to_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.into_iter().map(|name| one(from, name)).collect()
}
