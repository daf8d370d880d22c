//! Reads a person's own record: their profile.

use eventstore::{
    StoreError,
    sql::{Db, Row},
};
use proofs::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ProjectionError,
    common::{Opened, opened_of},
    select::Select,
};

const TABLE: &str = "account_person";
const SELECT: &str = "SELECT status, version, content, opened_position, opened_at, changed_position, changed_at \
     FROM account_person";

/// A person's record in `persons`, as it is now.
#[derive(Clone, PartialEq)]
pub struct Profile {
    /// The person, which is the record.
    pub person: Uuid,
    /// The status of the record.
    pub status: String,
    /// Its version.
    pub version: u64,
    /// Its content: name, birth date and the rest.
    pub content: Value,
    /// When the account was opened.
    pub opened: Opened,
    /// The position of its last entry.
    pub changed_position: u64,
    /// When that was recorded.
    pub changed_at: Timestamp,
}

/// The profile of a person; nothing when there is no such person.
pub async fn profile(db: &Db, person: Uuid) -> Result<Option<Profile>, ProjectionError> {
    let mut select = Select::live(SELECT, "account");
    select.and("person = {}", person);
    let (sql, args) = select.end("");
    let row = db.fetch_optional(&sql, args).await?;
    let of = |row: &Row| profile_of(row, person).map_err(|error| error.at(TABLE, || person.to_string()));
    Ok(row.as_ref().map(of).transpose()?)
}

fn profile_of(row: &Row, person: Uuid) -> Result<Profile, StoreError> {
    // The reason would quote the content, which is personal.
    let content = serde_json::from_str(&row.text("content")?)
        .map_err(|_| StoreError::corrupt(TABLE, "content", person, "is not JSON"))?;
    Ok(Profile {
        person,
        status: row.text("status")?,
        version: row.uint("version")?,
        content,
        opened: opened_of(row)?,
        changed_position: row.uint("changed_position")?,
        changed_at: row.time("changed_at")?,
    })
}

impl std::fmt::Debug for Profile {
    /// Without the content: a profile that is logged by mistake says nothing of the person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("person", &self.person)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
