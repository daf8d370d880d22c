//! cqrs-es over the journal: our own `execute`, and cqrs-es's framework, unchanged, on the same entries.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateError, CqrsFramework, DomainEvent, EventStore};
use eventstore::{
    AppendError, Clock, Codec, CodecError, Conditions, Entropy, ExecuteError, Guard, Idempotency,
    JournalEventStore, NewEntry, StoredEntry, execute, load,
};
use proofs::body::{Salt, digest};
use proofs::key::PrivateKey;
use proofs::statement::Statement;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fixture::{Fixture, on_both_stores, places, slug};

on_both_stores!(
    the_framework_runs_unchanged,
    a_loser_of_a_race_is_told,
    execute_answers_with_what_was_appended,
    execute_keeps_its_conditions,
);

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Account {
    opened: bool,
    balance: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Opened,
    Deposited { amount: i64 },
    Withdrawn { amount: i64 },
}

enum Command {
    Open { deposit: i64 },
    Withdraw { amount: i64 },
    Nothing,
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum Refusal {
    #[error("not enough money")]
    NotEnough,
    #[error("open already")]
    Open,
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::Opened => "opened",
            Self::Deposited { .. } => "deposited",
            Self::Withdrawn { .. } => "withdrawn",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;
    type Error = Refusal;
    type Services = ();

    async fn handle(&mut self, command: Command, (): &(), sink: &EventSink<Self>) -> Result<(), Refusal> {
        match command {
            Command::Open { .. } if self.opened => return Err(Refusal::Open),
            Command::Open { deposit } => {
                sink.write(Event::Opened, self).await;
                sink.write(Event::Deposited { amount: deposit }, self).await;
            }
            Command::Withdraw { amount } if amount > self.balance => return Err(Refusal::NotEnough),
            Command::Withdraw { amount } => sink.write(Event::Withdrawn { amount }, self).await,
            Command::Nothing => {}
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Opened => self.opened = true,
            Event::Deposited { amount } => self.balance += amount,
            Event::Withdrawn { amount } => self.balance -= amount,
        }
    }
}

/// Entries of the register `accounts`, signed by one key, effective when the clock says.
#[derive(Clone)]
struct Accounts {
    key: PrivateKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Accounts {
    fn new(fixture: &Fixture) -> Self {
        let options = fixture.options();
        Self { key: fixture.key.clone(), clock: options.clock, entropy: options.entropy }
    }
}

impl Codec<Account> for Accounts {
    fn decode(&self, entry: &StoredEntry) -> Result<Event, CodecError> {
        let body = entry.body.as_deref().ok_or_else(|| CodecError("withheld".into()))?;
        serde_json::from_slice(body).map_err(|error| CodecError(error.to_string()))
    }

    fn encode(
        &self,
        record: Uuid,
        version: u64,
        event: &Event,
        metadata: &HashMap<String, String>,
    ) -> Result<NewEntry, CodecError> {
        let mut salt = Salt([0; 16]);
        self.entropy.fill(&mut salt.0);
        let body = serde_json::to_vec(event).map_err(|error| CodecError(error.to_string()))?;
        let issuer = metadata.get("issuer").map_or("bank", String::as_str);
        let statement = Statement {
            register: slug("accounts"),
            record,
            version,
            entry_type: event.event_type().parse().map_err(|_| CodecError("entry type".into()))?,
            effective_at: self.clock.now(),
            issuer: issuer.parse().map_err(|_| CodecError("issuer".into()))?,
            body: digest(&salt, &body),
        };
        Ok(NewEntry { statement: statement.sign(&self.key), body, salt, number: None })
    }
}

async fn the_framework_runs_unchanged(fixture: &Fixture) {
    let store = fixture.with_logs(&["accounts"]).await;
    let events = JournalEventStore::new(store.clone(), Accounts::new(fixture));
    let framework = CqrsFramework::<Account, _>::new(events.clone(), vec![], ());
    let id = Uuid::from_u128(7).to_string();
    framework.execute(&id, Command::Open { deposit: 100 }).await.unwrap();
    for _ in 0..3 {
        let metadata = HashMap::from([("issuer".to_owned(), "branch".to_owned())]);
        framework.execute_with_metadata(&id, Command::Withdraw { amount: 30 }, metadata).await.unwrap();
    }
    framework.execute(&id, Command::Nothing).await.unwrap();
    let refused = framework.execute(&id, Command::Withdraw { amount: 30 }).await;
    assert!(matches!(refused, Err(AggregateError::UserError(Refusal::NotEnough))), "{refused:?}");

    let loaded: Vec<_> = EventStore::<Account>::load_events(&events, &id).await.unwrap();
    assert_eq!(loaded.iter().map(|envelope| envelope.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(loaded[1].payload, Event::Deposited { amount: 100 });
    let entries = store.read_record(Uuid::from_u128(7)).await.unwrap();
    let issuers: Vec<_> =
        entries.iter().map(|entry| entry.statement.statement().issuer.to_string()).collect();
    assert_eq!(issuers, ["bank", "bank", "branch", "branch", "branch"]);
    let account = load::<Account, _>(&store, &Accounts::new(fixture), Uuid::from_u128(7)).await.unwrap();
    assert_eq!((account.aggregate.balance, account.version), (10, 5));
    let bad_id = framework.execute("seven", Command::Nothing).await;
    assert!(matches!(bad_id, Err(AggregateError::UnexpectedError(_))), "{bad_id:?}");
    store.close().await;
}

async fn a_loser_of_a_race_is_told(fixture: &Fixture) {
    let store = fixture.with_logs(&["accounts"]).await;
    let events = JournalEventStore::new(store.clone(), Accounts::new(fixture));
    let id = Uuid::from_u128(8).to_string();
    let first = EventStore::<Account>::load_aggregate(&events, &id).await.unwrap();
    let second = EventStore::<Account>::load_aggregate(&events, &id).await.unwrap();
    events.commit(vec![Event::Opened], first, HashMap::new()).await.unwrap();
    let lost = events.commit(vec![Event::Opened], second, HashMap::new()).await;
    assert!(matches!(lost, Err(AggregateError::AggregateConflict)), "{lost:?}");
    store.close().await;
}

async fn execute_answers_with_what_was_appended(fixture: &Fixture) {
    let store = fixture.with_logs(&["accounts"]).await;
    let (codec, record) = (Accounts::new(fixture), Uuid::from_u128(9));
    let run = |command| execute::<Account, _>(&store, &codec, record, command, &(), Conditions::default());
    assert_eq!(places(&run(Command::Open { deposit: 5 }).await.unwrap()), [(1, 0, 1), (2, 1, 2)]);
    assert_eq!(places(&run(Command::Withdraw { amount: 5 }).await.unwrap()), [(3, 2, 3)]);
    assert!(run(Command::Nothing).await.unwrap().is_empty());
    let refused = run(Command::Open { deposit: 1 }).await;
    assert!(matches!(refused, Err(ExecuteError::Refused(Refusal::Open))), "{refused:?}");
    assert_eq!(store.position().await.unwrap(), 3);
    store.close().await;
}

async fn execute_keeps_its_conditions(fixture: &Fixture) {
    let store = fixture.with_logs(&["accounts", "licences"]).await;
    let (codec, record) = (Accounts::new(fixture), Uuid::from_u128(10));
    let run = |command, conditions| execute::<Account, _>(&store, &codec, record, command, &(), conditions);
    let open = || Command::Open { deposit: 5 };
    let version = |version| Conditions { version: Some(version), ..Conditions::default() };
    let early = run(open(), version(1)).await;
    assert!(matches!(early, Err(ExecuteError::Precondition { expected: 1, found: 0, .. })), "{early:?}");
    let guards = vec![Guard { record: Uuid::from_u128(1), version: 1 }];
    let stale = run(open(), Conditions { guards, ..Conditions::default() }).await;
    assert!(matches!(stale, Err(ExecuteError::Append(AppendError::Stale { .. }))), "{stale:?}");
    let keyed = |content| {
        let idempotency = Idempotency { scope: "bank".into(), key: "k".into(), digest: [content; 32] };
        Conditions { version: Some(0), idempotency: Some(idempotency), ..Conditions::default() }
    };
    let first = run(open(), keyed(1)).await.unwrap();
    // By now the account would say that it is open, and the version is another: the key speaks first.
    let again = run(open(), keyed(1)).await.unwrap();
    assert_eq!(places(&first), places(&again));
    assert!(again[0].replayed);
    let other = run(open(), keyed(2)).await;
    assert!(matches!(other, Err(ExecuteError::Append(AppendError::Idempotency))), "{other:?}");
    store.close().await;
}
