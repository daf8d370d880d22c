//! Stores to measure on: made here, with departments, registers and people, and removed at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use api::registry::{Actor, AppendRequest, EntryRequest, Registry};
use eventstore::Entropy as _;
use proofs::slug::Slug;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::cpu;
use super::entries::Generator;
use crate::args::StoreArgs;
use crate::failure::{Failure, chain, refused};
use crate::fixtures;
use crate::system::OsEntropy;
use crate::wire::{self, Opened};

/// The department whose registers are measured.
pub const DEPARTMENT: &str = "bench";
/// The register whose records have numbers and concern people.
pub const NUMBERED: &str = "bench-numbered";
/// Registers defined, and people added, in one list.
const LIST: usize = 100;
/// One server in one process: no client is told to wait.
const SETTINGS: &str = "requests_per_second = 1000000000\nrequests_burst = 1000000000\nlog = \"error\"\n";

/// Where stores are made, and what has been made there.
#[derive(Clone)]
pub struct Places {
    server: Option<PgConnectOptions>,
    directory: Option<PathBuf>,
    shards: u32,
    databases: Arc<Mutex<Vec<String>>>,
}

impl Places {
    /// On that PostgreSQL server, or in that directory; of so many shards each.
    pub fn new(server: Option<&str>, directory: Option<PathBuf>, shards: u32) -> Result<Self, Failure> {
        let server = server.map(PgConnectOptions::from_str).transpose();
        let server =
            server.map_err(|error| Failure::usage(format!("--database is no PostgreSQL URL: {error}")))?;
        Ok(Self { server, directory, shards, databases: Arc::default() })
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        if self.server.is_some() { "postgres" } else { "sqlite" }
    }

    /// An empty directory, gone with its value.
    pub fn directory(&self) -> Result<TempDir, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("reestr-bench-");
        let made = match &self.directory {
            Some(directory) => builder.tempdir_in(directory),
            None => builder.tempdir(),
        };
        made.map_err(|error| Failure::usage(format!("no temporary directory can be made: {error}")))
    }

    /// A new database on the server. Its name is random, and one that exists is never taken.
    pub async fn database(&self) -> Result<Option<Database>, Failure> {
        let Some(server) = &self.server else { return Ok(None) };
        let mut random = [0; 8];
        OsEntropy.fill(&mut random);
        let name = format!("reestr_bench_{:016x}", u64::from_be_bytes(random));
        let failed =
            |error: sqlx::Error| Failure::because("a database cannot be made on that server", &error);
        let mut connection = PgConnection::connect_with(server).await.map_err(failed)?;
        // From here on it is dropped, even when the answer to this gets lost.
        self.databases.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        let options = server.clone().database(&name);
        Ok(Some(Database { url: options.to_url_lossy().to_string(), options, name }))
    }

    /// Drops the databases that were made, but one that is kept.
    pub async fn clean(&self, keep: Option<&str>) -> Result<(), Failure> {
        let made = std::mem::take(&mut *self.databases.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(server) = self.server.as_ref().filter(|_| !made.is_empty()) else { return Ok(()) };
        let left = made.join(", ");
        let failed = |error: sqlx::Error| {
            Failure::failed(format!("a database of {left} may be left; drop it by hand: {}", chain(&error)))
        };
        let mut connection = PgConnection::connect_with(server).await.map_err(failed)?;
        for name in made.iter().filter(|name| keep != Some(name.as_str())) {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            connection.execute(AssertSqlSafe(drop)).await.map_err(failed)?;
        }
        connection.close().await.map_err(failed)
    }
}

/// A database that was made here.
#[derive(Clone)]
pub struct Database {
    /// Where it is.
    pub url: String,
    /// How to connect to it.
    pub options: PgConnectOptions,
    /// What it is called.
    pub name: String,
}

/// What is read of the store before and after a measurement.
#[derive(Clone)]
pub struct Gauges {
    /// The bytes of the write-ahead log that PostgreSQL has made, its other databases' too.
    pub wal_bytes: Option<u64>,
    /// The bytes that this process has written, where it writes the store itself.
    pub written_bytes: Option<u64>,
    /// Processor time.
    pub cpu: cpu::Seconds,
}

/// A store made for measuring.
pub struct Bench {
    /// Its parts.
    pub opened: Opened,
    /// Its plain registers.
    pub registers: Vec<Slug>,
    /// Its database, on PostgreSQL.
    pub database: Option<Database>,
    postgres: Option<cpu::Postgres>,
    directory: TempDir,
}

impl Bench {
    /// Makes a store with so many plain registers, and the numbered one.
    pub async fn make(places: &Places, generator: &Generator, registers: usize) -> Result<Self, Failure> {
        let directory = places.directory()?;
        let settings = directory.path().join("reestr.toml");
        std::fs::write(&settings, format!("{SETTINGS}shards = {}\n", places.shards))
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", settings.display())))?;
        let database = places.database().await?;
        let url = database.as_ref().map(|database| database.url.clone());
        let args = StoreArgs { data: directory.path().to_owned(), database: url, config: None };
        let opened = wire::open(&args).await?;
        let registers = define(&opened.registry, generator, registers).await?;
        let postgres = match &database {
            Some(database) => {
                let row =
                    opened.store.db().fetch_optional("SELECT pg_backend_pid()::bigint AS pid", vec![]).await;
                let pid = row.and_then(|row| row.map(|row| row.uint("pid")).transpose());
                let pid = pid.map_err(|error| Failure::because("the database", &error))?;
                pid.and_then(|pid| u32::try_from(pid).ok())
                    .and_then(|pid| cpu::Postgres::local(pid, &database.name))
            }
            None => None,
        };
        Ok(Self { opened, registers, database, postgres, directory })
    }

    /// Has PostgreSQL look at its tables, now that something is in them, as it does by itself within a minute: until then it plans for
    /// tables that are empty.
    pub async fn analyse(&self) -> Result<(), Failure> {
        let Some(database) = &self.database else { return Ok(()) };
        let failed = |error: sqlx::Error| Failure::because("the statistics of tables", &error);
        let mut connection = PgConnection::connect_with(&database.options).await.map_err(failed)?;
        connection.execute("ANALYZE").await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    /// What is read before and after.
    pub async fn gauges(&self) -> Result<Gauges, Failure> {
        let wal_bytes = match &self.database {
            Some(_) => {
                let lsn = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS bytes";
                let row = self.opened.store.db().fetch_optional(lsn, vec![]).await;
                row.and_then(|row| row.map(|row| row.uint("bytes")).transpose())
                    .map_err(|error| Failure::because("the write-ahead log", &error))?
            }
            None => None,
        };
        let written_bytes = if self.database.is_none() { cpu::written_bytes() } else { None };
        Ok(Gauges { wal_bytes, written_bytes, cpu: cpu::seconds(self.postgres.as_ref()) })
    }

    /// Bytes of each table with its indexes.
    pub async fn tables(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let query = match &self.database {
            Some(_) => {
                "SELECT relname::text AS name, pg_total_relation_size(oid)::bigint AS bytes FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            }
            None => {
                "SELECT s.tbl_name AS name, SUM(d.pgsize) AS bytes FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name \
                 WHERE d.aggregate = TRUE GROUP BY s.tbl_name"
            }
        };
        let failed = |error: eventstore::StoreError| Failure::because("the sizes of tables", &error);
        let rows = self.opened.store.db().fetch_all(query, vec![]).await.map_err(failed)?;
        rows.iter()
            .map(|row| Ok((row.text("name")?, row.uint("bytes")?)))
            .collect::<Result<_, _>>()
            .map_err(failed)
    }

    /// Closes it, for another process to serve: its directory, and its database on PostgreSQL.
    pub async fn hand_over(self) -> (TempDir, Option<String>) {
        self.opened.store.close().await;
        (self.directory, self.database.map(|database| database.url))
    }

    /// Closes it; its files go.
    pub async fn close(self) {
        self.opened.store.close().await;
    }

    /// Closes it and keeps its files.
    pub async fn keep(self) -> Kept {
        self.opened.store.close().await;
        let data = self.directory.keep();
        let mut arguments = format!("--data {}", data.display());
        if let Some(database) = &self.database {
            arguments.push_str(" --database ");
            arguments.push_str(&database.url);
        }
        Kept { arguments, database: self.database.map(|database| database.name) }
    }
}

/// A store that is not removed.
pub struct Kept {
    /// What other commands open it with.
    pub arguments: String,
    /// Its database, on PostgreSQL.
    pub database: Option<String>,
}

fn title(text: &str) -> Value {
    json!({ "ru": text, "en": text })
}

fn definition(slug: &str, numbered: bool) -> Value {
    let text = |max: u32| json!({ "type": "string", "minLength": 1, "maxLength": max });
    let mut schema = json!({
        "type": "object",
        "required": ["holder", "issued_on", "decision", "note"],
        "additionalProperties": false,
        "properties": {
            "holder": {
                "type": "object",
                "required": ["name", "address"],
                "additionalProperties": false,
                "properties": { "name": text(200), "address": text(300) },
            },
            "issued_on": { "type": "string", "format": "date" },
            "decision": {
                "type": "object",
                "required": ["ground", "fee"],
                "additionalProperties": false,
                "properties": { "ground": text(200), "fee": { "type": "integer", "minimum": 0 } },
            },
            "note": text(200_000),
            "basis": { "$ref": "#/$defs/basis" },
            "reason": { "$ref": "#/$defs/reason" },
        },
    });
    let mut subjects = json!([]);
    if numbered {
        schema["properties"]["number"] = json!({ "type": "string", "pattern": "^[0-9]{2}-[0-9]{8}$" });
        schema["properties"]["subjects"] = json!({ "$ref": "#/$defs/subjects" });
        subjects =
            json!([{ "role": "holder", "title": title("Holder"), "kinds": ["person"], "min": 1, "max": 1 }]);
    }
    let entry_type = |name: &str, from: Value, to: Value| json!({ "type": name, "title": title(name), "from": from, "to": to, "effect": "sets", "schema": schema });
    let mut definition = json!({
        "slug": slug,
        "title": title(slug),
        "owner": DEPARTMENT,
        "kind": "permit",
        "visibility": "status-public",
        "group": "other",
        "subjects": subjects,
        "statuses": [{ "status": "valid", "title": title("Valid"), "in_force": true }],
        "types": [
            entry_type("issued", Value::Null, json!("valid")),
            entry_type("amended", json!(["valid"]), Value::Null),
        ],
        "legal_basis": [{ "title": title("For measuring only"), "citation": "reestr bench" }],
    });
    if numbered {
        definition["number"] = json!({
            "member": "number", "pattern": "^[0-9]{2}-[0-9]{8}$", "example": "99-00000000", "title": title("Number"),
        });
    }
    definition
}

async fn define(registry: &Registry, generator: &Generator, count: usize) -> Result<Vec<Slug>, Failure> {
    let mut department = json!({ "slug": DEPARTMENT, "title": title("Measuring"), "level": "federal" });
    department["key"] = json!(generator.key().public().jwk());
    let made = registry.establish_department(department).await;
    made.map_err(|refusal| Failure::failed(format!("the department: {}", refused(&refusal))))?;
    let slugs: Vec<String> = (1..=count).map(|number| format!("bench-{number:04}")).collect();
    let all = slugs.iter().map(|slug| (slug.as_str(), false)).chain([(NUMBERED, true)]);
    let bodies =
        all.map(|(slug, numbered)| (None, json!({ "slug": slug, "definition": definition(slug, numbered) })));
    append(registry, "registers", "defined", bodies.collect()).await?;
    slugs.iter().map(|slug| slug.parse().map_err(|error| Failure::because(slug, &error))).collect()
}

/// Opens accounts; gives their records.
pub async fn people(registry: &Registry, generator: &Generator, count: u64) -> Result<Vec<Uuid>, Failure> {
    let records: Vec<Uuid> = (0..count).map(|number| generator.record("person", number)).collect();
    let body = |record: &Uuid| {
        let name = json!({ "family": "Замеров", "given": "Образец" });
        (Some(*record), json!({ "name": name, "birth_date": "1990-01-01", "sex": "male", "sample": true }))
    };
    append(registry, "persons", "opened", records.iter().map(body).collect()).await?;
    Ok(records)
}

async fn append(
    registry: &Registry,
    register: &str,
    entry_type: &str,
    bodies: Vec<(Option<Uuid>, Value)>,
) -> Result<(), Failure> {
    let wrong = |error: &dyn std::error::Error| Failure::failed(format!("{register}: {error}"));
    let platform: Slug = fixtures::department("platform")?["slug"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .map_err(|error| wrong(&error))?;
    let slug: Slug = register.parse().map_err(|error| wrong(&error))?;
    for list in bodies.chunks(LIST) {
        let entry = |(record, body): &(Option<Uuid>, Value)| {
            let (record, version) = (*record, record.map(|_| 1));
            let entry_type = entry_type.parse().map_err(|error| wrong(&error))?;
            Ok(EntryRequest::Platform { record, version, entry_type, effective_at: None, body: body.clone() })
        };
        let entries = list.iter().map(entry).collect::<Result<_, Failure>>()?;
        let request = AppendRequest::new(slug.clone(), Actor::local(platform.clone()), entries);
        let made = registry.append(request).await;
        made.map_err(|refusal| Failure::failed(format!("{register}: {}", refused(&refusal))))?;
    }
    Ok(())
}
