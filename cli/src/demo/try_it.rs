//! Commands to try, which work when pasted.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use eventstore::Store;
use eventstore::sql::Dialect;
use proofs::slug::Slug;
use serde_json::{Value, json};

use super::load::{Cast, REGISTER, morning};
use crate::failure::Failure;

/// Why the example reads a person's licence, which the person will see.
const PURPOSE: &str = "question of the holder about their licence";
/// By which law.
const LEGAL_BASIS: &str = "Federal Law 196-FZ, article 25";

/// The register of the fine that is to be tried.
const FINES: &str = "fines";

/// What the examples refer to: an entry of a licence that is in the store.
struct Example {
    number: String,
    index: u64,
}

/// Writes `try/entry.json` and `try/commands.txt`, and gives the text of the latter.
pub async fn write(store: &Store, data: &Path, url: &str, cast: &Cast) -> Result<String, Failure> {
    let embedded = store.db().dialect() == Dialect::Sqlite;
    let data = fs::canonicalize(data).map_err(|error| Failure::because("the data directory", &error))?;
    let here = data.join("try");
    fs::create_dir_all(&here).map_err(|error| Failure::because("the directory try", &error))?;
    let (entry, number) = licence(cast)?;
    let files = [("entry.json", entry), ("fine.json", fine(cast)), ("search.json", search(cast))];
    for (name, content) in files {
        super::tokens::private(&here.join(name), &format!("{content:#}\n"))?;
    }
    let example = find(store, number).await?;
    let text = commands(&data, embedded, url, cast, &example)?;
    super::tokens::private(&here.join("commands.txt"), &text)?;
    Ok(text)
}

/// A new licence for the demo's citizen, and the number of one that the samples have.
fn licence(cast: &Cast) -> Result<(Value, String), Failure> {
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

/// A fine for the demo's citizen, of which a rule proposes to pay less in time.
fn fine(cast: &Cast) -> Value {
    let day = |days| (cast.today + chrono::Days::new(days)).to_string();
    json!({ "type": "issued", "body": {
        "number": "18810177999999000001",
        "subjects": [{ "role": "offender", "person": cast.citizen.record }],
        "issued_on": day(0),
        "offence": { "at": morning(cast.today).to_string(), "place": "улица Образцовая, дом 1", "recorded_by": "camera" },
        "article": { "article": "12.9", "part": "2", "title": "Превышение установленной скорости движения" },
        "amount": { "amount": "750.00", "currency": "RUB" },
        "discounted_amount": { "amount": "562.50", "currency": "RUB" },
        "discount_until": day(30), "appeal_until": day(10), "pay_until": day(70),
        "issued_by": { "unit": "ЦАФАП ОДД ГИБДД (образец)" },
    } })
}

/// The fines of the demo's citizen, by name.
fn search(cast: &Cast) -> Value {
    let words: Vec<String> = ["family", "given"].iter().filter_map(|name| cast.citizen.field(name)).collect();
    json!({ "query": words.join(" "), "registers": [FINES] })
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

fn commands(
    data: &Path,
    embedded: bool,
    url: &str,
    cast: &Cast,
    example: &Example,
) -> Result<String, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::because("this program", &error))?;
    let program = quoted(&program.display().to_string());
    let curl = |role: &str| {
        format!("curl -sS -H {}", quoted(&format!("@{}", data.join("headers").join(role).display())))
    };
    let file = |name: &str| {
        let path = quoted(&format!("@{}", data.join("try").join(name).display()));
        format!("-H 'Content-Type: application/json' --data {path}")
    };
    let why = format!("-H 'Purpose: {PURPOSE}' -H 'Legal-Basis: {LEGAL_BASIS}'");
    let (department, official, citizen) = (curl("department"), curl("official"), curl("citizen"));
    let (entry, penalty, search) = (file("entry.json"), file("fine.json"), file("search.json"));
    let (number, index) = (example.number.replace(' ', "%20"), example.index);
    let (v1, person) = (format!("{url}/v1"), cast.citizen.record);
    let store = quoted(&data.display().to_string());
    let mut list = vec![
        (
            "append an entry to a register, as the department that owns it",
            format!("{department} -H 'Idempotency-Key: try-1' {entry} {v1}/registers/{REGISTER}/entries"),
        ),
        ("read an account, as a citizen", format!("{citizen} {v1}/account/records")),
        (
            "look up a licence by its number, as anyone",
            format!("curl -sS {v1}/registers/{REGISTER}/numbers/{number}"),
        ),
        (
            "follow an entry to its receipt, as the department, which says why",
            format!("{department} {why} {v1}/registers/{REGISTER}/entries/{index}/receipt"),
        ),
        (
            "fine the citizen, as the department: a rule proposes to pay less in time",
            format!("{department} -H 'Idempotency-Key: try-2' {penalty} {v1}/registers/{FINES}/entries"),
        ),
        ("read what is proposed and why, as the citizen", format!("{citizen} {v1}/account/offers")),
        ("look for the citizen by name, as an official", format!("{official} {why} {search} {v1}/search")),
        ("read who looked, as the citizen", format!("{citizen} {v1}/account/accesses")),
        (
            "ask rule by rule why the citizen has or lacks an offer, as the operator",
            format!(
                "{program} trigger explain --person {person} --rule fine-discount --purpose 'question of the person' --legal-basis 'Federal Law 210-FZ, article 7.3' --data {store}"
            ),
        ),
        ("audit everything, as anyone", format!("{program} audit --url {url}")),
    ];
    if !embedded {
        // A database's URL may hold a password, which is not to be printed.
        list.retain(|(_, command)| !command.contains(" trigger explain "));
    }
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
