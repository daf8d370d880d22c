//! Five commands to try, which work when pasted.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use eventstore::Store;
use proofs::slug::Slug;
use serde_json::json;

use super::load::{Cast, REGISTER, morning};
use crate::failure::Failure;

/// Why the example reads a person's licence, which the person will see.
const PURPOSE: &str = "question of the holder about their licence";
/// By which law.
const LEGAL_BASIS: &str = "Federal Law 196-FZ, article 25";

/// What the examples refer to: an entry of a licence that is in the store.
struct Example {
    number: String,
    index: u64,
}

/// Writes `try/entry.json` and `try/commands.txt`, and gives the text of the latter.
pub async fn write(store: &Store, data: &Path, url: &str, cast: &Cast) -> Result<String, Failure> {
    let data = fs::canonicalize(data).map_err(|error| Failure::because("the data directory", &error))?;
    let here = data.join("try");
    fs::create_dir_all(&here).map_err(|error| Failure::because("the directory try", &error))?;
    let (entry, number) = licence(cast)?;
    super::tokens::private(&here.join("entry.json"), &format!("{entry:#}\n"))?;
    let example = find(store, number).await?;
    let text = commands(&data, url, &example)?;
    super::tokens::private(&here.join("commands.txt"), &text)?;
    Ok(text)
}

/// A new licence for the demo's citizen, and the number of one that the samples have.
fn licence(cast: &Cast) -> Result<(serde_json::Value, String), Failure> {
    let lists = &cast.samples.lists;
    let story = cast.samples.stories.iter().find(|(register, _, _)| register.as_ref() == REGISTER);
    let (register, _, sample) =
        story.ok_or_else(|| Failure::failed("there is no sample of driving licences"))?;
    let entries =
        sample.entries(register.as_ref(), lists, &cast.household, cast.today).map_err(Failure::failed)?;
    let issued = entries.iter().find(|entry| entry.version == 1);
    let issued = issued.ok_or_else(|| Failure::failed("no sample person has a driving licence"))?;
    let number = issued.body["number"].as_str().unwrap_or_default().to_owned();
    let mut body = issued.body.clone();
    body["number"] = json!("99 99 000001");
    body["subjects"] = json!([{ "role": "holder", "person": cast.citizen.record }]);
    let effective_at = morning(cast.today).to_string();
    Ok((json!({ "type": issued.entry_type, "effective_at": effective_at, "body": body }), number))
}

async fn find(store: &Store, number: String) -> Result<Example, Failure> {
    let register: Slug = REGISTER.parse().map_err(|error| Failure::because(REGISTER, &error))?;
    let failed = |error| Failure::because("the store", &error);
    let record = store.number(&register, &number).await.map_err(failed)?;
    let record = record.ok_or_else(|| Failure::failed("the sample licence is not in the store"))?;
    let entries = store.read_record(record).await.map_err(failed)?;
    let index = entries.first().map(|entry| entry.index).unwrap_or_default();
    Ok(Example { number, index })
}

fn commands(data: &Path, url: &str, example: &Example) -> Result<String, Failure> {
    let header = |role: &str| quoted(&format!("@{}", data.join("headers").join(role).display()));
    let entry = quoted(&format!("@{}", data.join("try/entry.json").display()));
    let program = std::env::current_exe().map_err(|error| Failure::because("this program", &error))?;
    let program = quoted(&program.display().to_string());
    let registers = format!("{url}/v1/registers/{REGISTER}");
    let number = example.number.replace(' ', "%20");
    let list = [
        (
            "append an entry to a register, as the department that owns it",
            format!(
                "curl -sS -H {} -H 'Content-Type: application/json' -H 'Idempotency-Key: try-1' \
                 --data {entry} {registers}/entries",
                header("department")
            ),
        ),
        (
            "read an account, as a citizen",
            format!("curl -sS -H {} {url}/v1/account/records", header("citizen")),
        ),
        ("look up a licence by its number, as anyone", format!("curl -sS {registers}/numbers/{number}")),
        (
            "follow an entry to its receipt, as the department",
            format!(
                "curl -sS -H {} -H 'Purpose: {PURPOSE}' -H 'Legal-Basis: {LEGAL_BASIS}' \
                 {registers}/entries/{}/receipt",
                header("department"),
                example.index
            ),
        ),
        ("audit everything, as anyone", format!("{program} audit --url {url}")),
    ];
    let mut text = String::from("try, in another terminal:\n");
    for ((what, command), number) in list.into_iter().zip(1..) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {number}. {what}\n     {command}\n");
    }
    Ok(text)
}

/// Quoted for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
