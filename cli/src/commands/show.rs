//! `reestr show`: a record, an account or a register of the local store, now or as of a time.

use api::accesses::{self, Disclosure, Endpoint, Looker, Purpose};
use api::past::{self, AsOfItem, Of, PastError};
use api::registry::Knowledge;
use api::routes::v1::account::records::AccountRecordItem;
use api::routes::v1::registers::records::list::RecordItem;
use clap::{Args, Subcommand};
use domain::asof::{AsOf, Moment, Past};
use domain::platform::PERSONS;
use eventstore::Clock as _;
use projections::account::Holder;
use projections::{PAGE_ROWS_MAX, PageRequest};
use proofs::slug::Slug;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::system::SystemClock;
use crate::wire::{self, Opened};

/// `reestr show …`.
#[derive(Subcommand)]
pub enum Show {
    /// A record of a register.
    Record {
        /// The register.
        #[arg(value_name = "REGISTER")]
        register: Slug,
        /// The record.
        #[arg(value_name = "RECORD")]
        record: Uuid,
        /// When, why and how.
        #[command(flatten)]
        how: How,
    },
    /// The records that concern a person.
    Account {
        /// The person: their record in `persons`.
        #[arg(value_name = "PERSON")]
        person: Uuid,
        /// When, why and how.
        #[command(flatten)]
        how: How,
    },
    /// A register: its definition in force, its size, and its records by status.
    Register {
        /// The register.
        #[arg(value_name = "REGISTER")]
        register: Slug,
        /// When, why and how.
        #[command(flatten)]
        how: How,
    },
}

/// When, why and how.
#[derive(Args)]
pub struct How {
    /// What was recorded by then: YYYY-MM-DD, which is the end of the day in UTC, or a moment of RFC 3339.
    #[arg(long, value_name = "TIME")]
    recorded_at: Option<Moment>,
    /// What has effect by then, written the same way. Without it, also what has effect later.
    #[arg(long, value_name = "TIME")]
    effective_at: Option<Moment>,
    /// Show what is not public too, for this purpose: whom it concerns will see it among their accesses.
    #[arg(long, value_name = "TEXT", requires = "legal_basis")]
    purpose: Option<String>,
    /// By which law it is shown.
    #[arg(long, value_name = "TEXT", requires = "purpose")]
    legal_basis: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Shows a record, an account or a register.
pub async fn run(show: Show) -> Result<(), Failure> {
    let (Show::Record { how, .. } | Show::Account { how, .. } | Show::Register { how, .. }) = &show;
    let as_of = AsOf::new(how.recorded_at, how.effective_at, SystemClock.now())
        .map_err(|error| Failure::usage(format!("--recorded-at: {error}")))?;
    let opened = wire::open(&how.store).await?;
    let shown = Shown { knowledge: &opened.registry.knowledge(), opened: &opened, how, as_of };
    let done = match &show {
        Show::Record { register, record, .. } => shown.record(register, *record).await,
        Show::Account { person, .. } => shown.account(*person).await,
        Show::Register { register, .. } => shown.register(register).await,
    };
    opened.store.close().await;
    done
}

struct Shown<'a> {
    opened: &'a Opened,
    knowledge: &'a Knowledge,
    how: &'a How,
    as_of: AsOf,
}

/// A record as it is printed.
#[derive(Serialize)]
struct RecordShown {
    #[serde(flatten)]
    item: RecordItem,
    content: Option<Value>,
    as_of: AsOfItem,
}

/// An account as it is printed.
#[derive(Serialize)]
struct AccountShown {
    person: Uuid,
    profile: Option<Value>,
    items: Vec<AccountRecordItem>,
    as_of: AsOfItem,
}

fn cannot(error: &PastError) -> Failure {
    Failure::because("the past cannot be read", error)
}

impl Shown<'_> {
    async fn record(&self, register: &Slug, record: Uuid) -> Result<(), Failure> {
        self.known(register)?;
        let found = past::record(&self.opened.store, self.knowledge, register, record, self.as_of).await;
        let past = found.map_err(|error| cannot(&error))?.ok_or_else(|| {
            Failure::failed(format!("{register} had no such record then, or none that has taken effect"))
        })?;
        let shown = self.disclose(&[disclosure(register, &past)]).await?;
        let mut item = past::record_item(&past, &self.knowledge.definitions, self.as_of);
        let public = self.is_public(register);
        if !(shown || public) {
            item.number = None;
        }
        let content = (shown || public).then(|| past.record.content.to_json());
        if self.how.json {
            return json_line(&RecordShown { item, content, as_of: self.as_of.into() });
        }
        line(&format!("record      {record} of {register}"));
        self.times();
        line(&format!("status      {} ({}), {}", item.status, item.status_title.en, force(item.in_force)));
        line(&format!("number      {}", item.number.as_deref().unwrap_or("-")));
        line(&format!("valid       {} to {}", day(item.valid_from), day(item.valid_until)));
        line(&format!("version     {}, opened {}", item.version, item.opened_at));
        let changed = &item.changed;
        line(&format!(
            "last entry  {} by {}, recorded {}, effective {}",
            changed.entry_type, changed.issuer, changed.recorded_at, changed.effective_at
        ));
        for (version, order) in &past.withheld {
            line(&format!("withheld    the body of version {version}, by the order that is version {order}"));
        }
        match content {
            Some(content) => line(&format!("content     {content}")),
            None => {
                line("content     not shown: --purpose and --legal-basis show it, and record that it was");
            }
        }
        Ok(())
    }

    async fn account(&self, person: Uuid) -> Result<(), Failure> {
        if self.how.purpose.is_none() {
            return Err(Failure::usage(
                "an account concerns a person: say what for with --purpose and by which law with --legal-basis",
            ));
        }
        let store = &self.opened.store;
        let caught_up = projections::catch_up(store, "account").await;
        caught_up.map_err(|error| Failure::because("the projection account cannot catch up", &error))?;
        let profile =
            past::profile(store, self.knowledge, person, self.as_of).await.map_err(|error| cannot(&error))?;
        let persons: Slug = PERSONS.parse().map_err(|error| Failure::because(PERSONS, &error))?;
        let mut items = Vec::new();
        let mut disclosed =
            Vec::from_iter(profile.is_some().then(|| Disclosure::new(&persons, person, vec![person])));
        let mut page = PageRequest::first(PAGE_ROWS_MAX);
        loop {
            let keeps = |past: &Past| past.concerned.contains(&person) && past.record.state.record != person;
            let of = Of::Holder(Holder::Person(person), None);
            let found = past::walk(store, self.knowledge, of, self.as_of, page, keeps)
                .await
                .map_err(|error| cannot(&error))?;
            for past in &found.items {
                items.push(past::account_item(
                    past,
                    &Holder::Person(person),
                    &self.knowledge.definitions,
                    self.as_of,
                ));
                let register = past.record.state.register.as_ref();
                disclosed.extend(
                    register.map(|register| {
                        Disclosure::new(register, items[items.len() - 1].record, vec![person])
                    }),
                );
            }
            match found.next {
                None => break,
                next => page = PageRequest { cursor: next, limit: PAGE_ROWS_MAX },
            }
        }
        self.disclose(&disclosed).await?;
        if self.how.json {
            return json_line(&AccountShown { person, profile, items, as_of: self.as_of.into() });
        }
        line(&format!("account     {person}"));
        self.times();
        line(&format!("profile     {}", profile.unwrap_or(json!(null))));
        for item in &items {
            line(&format!(
                "{:<24} {}  {:<12} {:<12} {:<10} {} to {}  {}",
                item.register,
                item.record,
                item.status,
                force(item.in_force),
                item.roles.join(","),
                day(item.valid_from),
                day(item.valid_until),
                item.number.as_deref().unwrap_or("-"),
            ));
        }
        line(&format!("{} records", items.len()));
        Ok(())
    }

    async fn register(&self, register: &Slug) -> Result<(), Failure> {
        self.known(register)?;
        let store = &self.opened.store;
        let then = past::register_at(store, self.knowledge, register, self.as_of)
            .await
            .map_err(|error| cannot(&error))?;
        let then = then.ok_or_else(|| Failure::failed(format!("there was no register {register} then")))?;
        let document =
            past::register_document(store, &then, self.as_of).await.map_err(|error| cannot(&error))?;
        let caught_up = projections::catch_up(store, "history").await;
        caught_up.map_err(|error| Failure::because("the projection history cannot catch up", &error))?;
        let definitions = &self.knowledge.definitions;
        let counts = projections::past::counts(store.db(), definitions, register, self.as_of).await;
        let counts = counts.map_err(|error| Failure::because("the counts", &error))?;
        let by_status = counts.map(|counts| counts.by_status);
        if self.how.json {
            let mut json =
                serde_json::to_value(&document).map_err(|error| Failure::because("the register", &error))?;
            let pairs = by_status.iter().flatten().map(|count| (count.code.clone(), json!(count.n)));
            json["by_status"] = by_status.as_ref().map_or(Value::Null, |_| Value::Object(pairs.collect()));
            return json_line(&json);
        }
        let item = &document.item;
        line(&format!("register    {register} ({}), {}", item.title.en, item.title.ru));
        self.times();
        line(&format!("owner       {}; {}, {}", item.owner, item.kind, item.visibility));
        line(&format!("definition  version {}, recorded {}", document.version, document.recorded_at));
        line(&format!("entries     {}, root {}", item.size, document.root.as_deref().unwrap_or("-")));
        match by_status {
            Some(counts) if counts.is_empty() => line("records     none"),
            Some(counts) => {
                for count in counts {
                    line(&format!("  {:<20} {}", count.code, count.n));
                }
            }
            None => line("records     not counted: the register is too large"),
        }
        Ok(())
    }

    fn known(&self, register: &Slug) -> Result<(), Failure> {
        let known = self.knowledge.definitions.current(register).is_some();
        if known { Ok(()) } else { Err(Failure::usage(format!("there is no register {register}"))) }
    }

    fn is_public(&self, register: &Slug) -> bool {
        let current = self.knowledge.definitions.current(register);
        current.is_some_and(|current| current.definition.visibility == domain::definition::Visibility::Public)
    }

    /// Records that bodies are about to be shown, where a purpose is named; false where none is.
    async fn disclose(&self, shown: &[Disclosure]) -> Result<bool, Failure> {
        let (Some(purpose), Some(legal_basis)) = (&self.how.purpose, &self.how.legal_basis) else {
            return Ok(false);
        };
        let purpose = Purpose { purpose: Some(purpose.clone()), legal_basis: Some(legal_basis.clone()) };
        let registry = &self.opened.registry;
        let told = accesses::disclose_in(registry, Looker::local(), &purpose, Endpoint::AsOf, shown).await;
        told.map_err(|problem| Failure::failed(format!("nothing is shown: {}", problem.detail())))?;
        Ok(true)
    }

    fn times(&self) {
        let AsOfItem { recorded_at, effective_at } = self.as_of.into();
        let told = |time: Option<proofs::time::Timestamp>, none: &str| {
            time.map_or_else(|| none.to_owned(), |time| time.to_string())
        };
        line(&format!(
            "as of       recorded {}, effective {}",
            told(recorded_at, "now"),
            told(effective_at, "any time")
        ));
    }
}

fn disclosure(register: &Slug, past: &Past) -> Disclosure {
    Disclosure::new(register, past.record.state.record, past.concerned.clone())
}

fn force(in_force: bool) -> &'static str {
    if in_force { "in force" } else { "not in force" }
}

fn day(day: Option<chrono::NaiveDate>) -> String {
    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
}

fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::because("the answer", &error))?;
    line(&text);
    Ok(())
}
