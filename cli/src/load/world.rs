//! What there is to ask for: a store with people, registers and records, and who asks.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use api::auth::{Grant, Role, TokenIssuer};
use api::registry::{Actor, AppendRequest, EntryRequest, Registry};
use eventstore::Clock as _;
use proofs::slug::Slug;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::child::Child;
use super::tally::Place;
use crate::bench::entries::{Generator, Signed};
use crate::bench::store::{Bench, DEPARTMENT, NUMBERED, Places, people};
use crate::failure::{Failure, refused};
use crate::serving::token_issuer;
use crate::system::SystemClock;

/// People with accounts.
const PEOPLE: u64 = 100;
/// Registers besides the one whose records have numbers and concern people.
const REGISTERS: usize = 20;
/// Records that are there before anything is asked: two full tiles of the hot register.
pub const RECORDS: u64 = 512;
/// And of each other register, by turns.
const OTHERS: u64 = 400;
/// Bytes of a body.
const BODY_BYTES: usize = 600;
/// Entries are signed before they are due, so many in one go, and twice as many wait at most.
const SIGNED_AHEAD: u32 = 256;
/// Entries of one list.
const LIST: usize = 256;
/// A token is good for longer than any run.
const TOKEN_DAYS: i64 = 7;
/// A client waits so long for an answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(20);
/// It closes a connection that was idle for so long: sooner than the server does, which would cut a request that just begins.
const CLIENT_IDLE: Duration = Duration::from_secs(10);

/// Who and what requests are about.
pub struct World {
    /// Its client.
    pub client: reqwest::Client,
    /// Where the server is.
    pub url: String,
    /// Tokens of people, the hottest account first.
    pub citizens: Vec<Arc<str>>,
    /// The token of the department's system.
    pub department: Arc<str>,
    /// The registers, the hottest first: the one with numbers, then the others.
    pub registers: Vec<Slug>,
    /// What choices follow from.
    pub seed: u64,
    generator: Arc<Generator>,
    ahead: Mutex<mpsc::Receiver<(Signed, Place)>>,
    /// What was acknowledged.
    pub acknowledged: std::sync::Mutex<Vec<(Place, u64)>>,
    /// Seeds of requests.
    pub asked: AtomicU64,
}

impl World {
    /// Makes a store, fills it, and starts a server on it.
    pub async fn make(places: &Places, seed: u64) -> Result<(Self, Child), Failure> {
        let department: Slug = DEPARTMENT.parse().map_err(|error| Failure::because(DEPARTMENT, &error))?;
        let numbered: Slug = NUMBERED.parse().map_err(|error| Failure::because(NUMBERED, &error))?;
        let generator = Arc::new(Generator::new(seed, department.clone(), BODY_BYTES));
        let bench = Bench::make(places, &generator, REGISTERS).await?;
        let people = people(&bench.opened.registry, &generator, PEOPLE).await?;
        let registry = &bench.opened.registry;
        let records = generator.numbered("load", 0, RECORDS, (&numbered, people.as_slice()))?;
        fill(registry, &department, records).await?;
        fill(registry, &department, generator.fresh("others", 0, OTHERS, &bench.registers)?).await?;
        let issuer = token_issuer(&bench.opened).await?;
        let citizens = people.iter().map(|person| mint(&issuer, Role::Citizen, person.to_string(), None));
        let citizens = citizens.collect::<Result<_, _>>()?;
        let system = mint(&issuer, Role::Department, "load-system".to_owned(), Some(department))?;
        let registers = std::iter::once(numbered.clone()).chain(bench.registers.iter().cloned()).collect();
        let child = Child::start(bench).await?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .timeout(CLIENT_TIMEOUT)
            .pool_idle_timeout(CLIENT_IDLE)
            .build();
        let ahead = sign_ahead(Arc::clone(&generator), people, numbered);
        let world = Self {
            client: client.map_err(|error| Failure::because("the HTTP client", &error))?,
            url: child.url.clone(),
            citizens,
            department: system,
            registers,
            seed,
            generator,
            ahead: Mutex::new(ahead),
            acknowledged: std::sync::Mutex::default(),
            asked: AtomicU64::new(0),
        };
        Ok((world, child))
    }

    /// A record of the hot register that was there before: its number among them.
    pub fn record(&self, number: u64) -> (u64, Uuid) {
        let number = number % RECORDS;
        (number, self.generator.record("load", number))
    }

    /// Whom that record concerns: an index into the citizens.
    pub fn holder(number: u64) -> usize {
        usize::try_from(number % PEOPLE).unwrap_or(0)
    }

    /// An entry that nobody has appended yet, of the hot register.
    pub async fn next_entry(&self) -> Result<(Signed, Place), Failure> {
        let next = self.ahead.lock().await.recv().await;
        next.ok_or_else(|| Failure::failed("no entry could be made"))
    }
}

/// Signs entries as they are taken, until nobody takes any.
fn sign_ahead(
    generator: Arc<Generator>,
    people: Vec<Uuid>,
    register: Slug,
) -> mpsc::Receiver<(Signed, Place)> {
    let (sender, receiver) = mpsc::channel(SIGNED_AHEAD as usize);
    let people = Arc::new(people);
    tokio::spawn(async move {
        let count = u64::from(SIGNED_AHEAD);
        for first in (RECORDS..).step_by(SIGNED_AHEAD as usize) {
            let (by, people, register) = (Arc::clone(&generator), Arc::clone(&people), register.clone());
            let signing = tokio::task::spawn_blocking(move || {
                by.numbered("load", first, count, (&register, people.as_slice()))
            });
            let Ok(Ok(signed)) = signing.await else { return };
            for (entry, number) in signed.into_iter().zip(first..) {
                if sender.send((entry, generator.record("load", number))).await.is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

async fn fill(registry: &Registry, department: &Slug, entries: Vec<Signed>) -> Result<(), Failure> {
    let mut by_register = std::collections::BTreeMap::<Slug, Vec<EntryRequest>>::new();
    for entry in entries {
        let body: Value =
            serde_json::from_slice(&entry.body).map_err(|error| Failure::because("a body", &error))?;
        let request = EntryRequest::Signed { statement: entry.statement, body, salt: entry.salt };
        by_register.entry(entry.register).or_default().push(request);
    }
    for (register, entries) in by_register {
        for list in entries.chunks(LIST) {
            let request =
                AppendRequest::new(register.clone(), Actor::local(department.clone()), list.to_vec());
            let made = registry.append(request).await;
            made.map_err(|refusal| Failure::failed(format!("{register}: {}", refused(&refusal))))?;
        }
    }
    Ok(())
}

fn mint(
    issuer: &TokenIssuer,
    role: Role,
    subject: String,
    department: Option<Slug>,
) -> Result<Arc<str>, Failure> {
    let issued_at = SystemClock.now();
    let expires_at = issued_at.plus_millis(TOKEN_DAYS * 86_400_000);
    let token = issuer.mint(Grant { subject, role, department, scope: None, issued_at, expires_at });
    token.map(Arc::from).map_err(|error| Failure::because("a token", &error))
}
