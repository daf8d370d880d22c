//! Records of a register as of a time, for whoever may see them: that is decided by what the reader is now, and, for a
//! person, by whom the past state concerned.

use domain::asof::{AsOf, Past};
use projections::PageRequest;
use uuid::Uuid;

use super::list::RecordItem;
use super::record::RecordDocument;
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::auth::Caller;
use crate::http::{AppState, Page};
use crate::past::{self, AsOfItem, Filter, Of};
use crate::problem::Problem;
use crate::registry::{InForce, Knowledge};
use crate::routes::words::WithheldVersion;

/// Who asks for the past of which register.
pub struct Asked<'a> {
    pub knowledge: &'a Knowledge,
    pub in_force: &'a InForce,
    pub caller: Option<&'a Caller>,
    pub as_of: AsOf,
}

impl Asked<'_> {
    /// One record.
    pub async fn record(
        &self,
        state: &AppState,
        record: Uuid,
        purpose: &Purpose,
    ) -> Result<RecordDocument, Problem> {
        let register = &self.in_force.definition.slug;
        let found = past::record(state.store(), self.knowledge, register, record, self.as_of).await?;
        let past = found.ok_or_else(Problem::not_found)?;
        let mut item = past::record_item(&past, &self.knowledge.definitions, self.as_of);
        let reader = AppState::reader(self.caller, self.in_force);
        let (mut content, mut withheld) = (None, Vec::new());
        if reader.sees_body(&past.seen_by) {
            let shown = [self.disclosed(&past)];
            disclose(state, self.caller, purpose, Endpoint::AsOf, &shown).await?;
            content = Some(past.record.content.to_json());
            withheld = WithheldVersion::list(past.withheld.iter().copied());
        } else {
            if !reader.looks_up_numbers() {
                return Err(Problem::not_found());
            }
            item.number = None;
        }
        Ok(RecordDocument { item, content, withheld, as_of: Some(AsOfItem::from(self.as_of)) })
    }

    /// A page of records, for those who see all of the register.
    pub async fn records(
        &self,
        state: &AppState,
        filter: Filter,
        page: PageRequest,
        purpose: &Purpose,
    ) -> Result<Page<RecordItem>, Problem> {
        let of = Of::Register(&self.in_force.definition.slug);
        let keeps = |past: &Past| filter.keeps(past);
        let found = past::walk(state.store(), self.knowledge, of, self.as_of, page, keeps).await?;
        // Of what a list shows, numbers alone are of bodies.
        let numbered = found.items.iter().filter(|past| past.record.state.number.is_some());
        let shown: Vec<Disclosure> = numbered.map(|past| self.disclosed(past)).collect();
        disclose(state, self.caller, purpose, Endpoint::AsOf, &shown).await?;
        let definitions = &self.knowledge.definitions;
        Ok(Page::of(found, |past| past::record_item(&past, definitions, self.as_of)))
    }

    fn disclosed(&self, past: &Past) -> Disclosure {
        Disclosure::new(&self.in_force.definition.slug, past.record.state.record, past.concerned.clone())
    }
}
