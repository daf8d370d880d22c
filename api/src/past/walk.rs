//! Reading the past: one record, some records, or page by page those that may have existed then.

use std::collections::BTreeMap;

use domain::DomainError;
use domain::asof::{AsOf, Past, fold};
use eventstore::{Store, StoreError, StoredEntry};
use projections::account::Holder;
use projections::{Page, PageRequest, ProjectionError, past};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::problem::Problem;
use crate::registry::{Knowledge, parse_body, view};

/// Candidates that one page looks at before it is answered, empty or not: with few entries each, some ten thousand entries.
const CANDIDATES_MAX: usize = 400;

/// Records of an account that its counts of the past go over: more than anyone has, and a second's work.
pub const ACCOUNT_RECORDS_MAX: usize = 5_000;

/// Why the past could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What lists candidates failed, or refused the page.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The entries contradict their definitions.
    #[error("the entries contradict their definitions")]
    Domain(#[from] DomainError),
    /// The account has more records than are counted.
    #[error(
        "an account of more than {ACCOUNT_RECORDS_MAX} records is not counted as of a time: list its records"
    )]
    TooMany,
}

impl From<PastError> for Problem {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Store(error) => error.into(),
            PastError::Projection(error) => error.into(),
            PastError::Domain(error) => Self::internal(&error),
            PastError::TooMany => {
                let detail = format!(
                    "This account has more than {ACCOUNT_RECORDS_MAX} records, which are not counted as of a time; \
                     /v1/account/records lists them."
                );
                Self::invalid(detail)
            }
        }
    }
}

/// Whose records.
#[derive(Debug, Clone)]
pub enum Of<'a> {
    /// Of a register.
    Register(&'a Slug),
    /// That concern a person or an organisation, of one register or of all.
    Holder(Holder, Option<&'a Slug>),
}

/// A record of a register as of a time; nothing when it did not exist there then.
pub async fn record(
    store: &Store,
    knowledge: &Knowledge,
    register: &Slug,
    record: Uuid,
    as_of: AsOf,
) -> Result<Option<Past>, PastError> {
    let entries = store.read_record(record).await?;
    if entries.first().is_none_or(|entry| entry.register != *register) {
        return Ok(None);
    }
    fold_stored(&entries, knowledge, as_of)
}

/// Those of these records that existed then.
pub async fn records(
    store: &Store,
    knowledge: &Knowledge,
    ids: &[Uuid],
    as_of: AsOf,
) -> Result<BTreeMap<Uuid, Past>, PastError> {
    let mut found = BTreeMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let stored = store.read_records(ids).await?;
    for entries in stored.chunk_by(|one, next| one.record() == next.record()) {
        if let Some(past) = fold_stored(entries, knowledge, as_of)? {
            found.insert(entries[0].record(), past);
        }
    }
    Ok(found)
}

/// May whoever holds the account see this past of a record?
pub fn seen_by(past: &Past, holder: &Holder) -> bool {
    match holder {
        Holder::Person(person) => past.seen_by.contains(person),
        Holder::Organisation(ogrn) => past.seen_by_organisations.contains(ogrn),
    }
}

/// A page of the records that existed then and that `keeps` keeps, the last opened first. A page may hold fewer than were asked
/// for, even none, and yet have a next: so much is looked at, and no more, however few there were.
pub async fn walk(
    store: &Store,
    knowledge: &Knowledge,
    of: Of<'_>,
    as_of: AsOf,
    mut page: PageRequest,
    keeps: impl Fn(&Past) -> bool,
) -> Result<Page<Past>, PastError> {
    // Whoever was opened later did not exist then.
    let until = match as_of.recorded {
        Timestamp::MAX => store.position().await?,
        recorded => store.position_at(recorded).await?,
    };
    let mut examined = 0;
    loop {
        let candidates = match &of {
            Of::Register(register) => past::of_register(store.db(), register, until, &page).await?,
            Of::Holder(holder, register) => {
                past::of_holder(store.db(), holder.clone(), *register, until, &page).await?
            }
        };
        examined += candidates.items.len();
        let ids: Vec<Uuid> = candidates.items.iter().map(|candidate| candidate.record).collect();
        let mut found = records(store, knowledge, &ids, as_of).await?;
        let items: Vec<Past> = ids.iter().filter_map(|id| found.remove(id)).filter(&keeps).collect();
        if !items.is_empty() || candidates.next.is_none() || examined >= CANDIDATES_MAX {
            return Ok(Page { items, next: candidates.next });
        }
        page.cursor = candidates.next;
    }
}

fn fold_stored(
    entries: &[StoredEntry],
    knowledge: &Knowledge,
    as_of: AsOf,
) -> Result<Option<Past>, PastError> {
    let bodies = entries.iter().map(parse_body).collect::<Result<Vec<Option<Value>>, _>>()?;
    let views = entries.iter().zip(&bodies).map(|(entry, body)| view(entry, body.as_ref()));
    Ok(fold(views, &knowledge.definitions, as_of)?)
}
