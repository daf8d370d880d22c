//! Counts a person's records as they would look for them: by group and register.

use std::collections::BTreeMap;

use domain::{
    definition::{Group, Title},
    definitions::Definitions,
};
use eventstore::sql::Db;
use proofs::slug::Slug;

use super::holder::Holder;
use crate::{ProjectionError, words};

/// How many records of one register concern someone now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCount {
    /// The group that the account shows the register in.
    pub group: Option<Group>,
    /// The register.
    pub register: Slug,
    /// Its title.
    pub title: Title,
    /// Records in any status.
    pub records: u64,
    /// Of them those in force.
    pub in_force: u64,
}

/// The registers that hold something about someone, by group and name. Former subjects are left out.
pub async fn overview(
    db: &Db,
    definitions: &Definitions,
    holder: impl Into<Holder>,
) -> Result<Vec<GroupCount>, ProjectionError> {
    let mut select = holder.into().select("register, status, COUNT(*) AS records");
    select.and("former_version IS NULL AND 1 = {}", 1_i64);
    let (sql, args) = select.end("GROUP BY register, status");
    let mut counts: BTreeMap<(Option<Group>, Slug), GroupCount> = BTreeMap::new();
    for row in db.fetch_all(&sql, args).await? {
        let register: Slug = row.parse("register")?;
        let status = row.text("status")?;
        let records = row.uint("records")?;
        let now = words::current(definitions, &register);
        let group = now.as_ref().map(|now| now.group);
        let count = counts.entry((group, register.clone())).or_insert_with(|| GroupCount {
            group,
            title: words::register_title(now.as_deref(), &register),
            records: 0,
            in_force: 0,
            register: register.clone(),
        });
        count.records += records;
        if now.is_some_and(|now| now.in_force(&status)) {
            count.in_force += records;
        }
    }
    Ok(counts.into_values().collect())
}
