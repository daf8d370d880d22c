//! An account as of a time: the person sees what concerned them then, and whoever acts for them what they may see of it.

use domain::asof::{AsOf, Past};
use domain::definition::Group;
use domain::platform::PERSONS;
use proofs::slug::Slug;
use uuid::Uuid;

use super::overview::{AccountDocument, groups};
use super::record::AccountRecordDocument;
use super::records::{AccountQuery, AccountRecordItem, shown};
use crate::accesses::{Disclosure, Endpoint, Purpose, disclose};
use crate::http::{Acting, AppState, Page, PageQuery};
use crate::past::{self, AsOfItem, Of};
use crate::problem::Problem;
use crate::registry::Knowledge;
use crate::routes::words::WithheldVersion;

/// Who asks for the past of whose account.
pub struct Asked<'a> {
    pub knowledge: &'a Knowledge,
    pub acting: &'a Acting,
    pub as_of: AsOf,
}

/// What the list is narrowed to: as things stood then.
struct Filter {
    group: Option<Group>,
    register: Option<Slug>,
    status: Option<String>,
    role: Option<String>,
    in_force: Option<bool>,
}

impl Asked<'_> {
    /// One record.
    pub async fn record(&self, state: &AppState, record: Uuid) -> Result<AccountRecordDocument, Problem> {
        let mut found = past::records(state.store(), self.knowledge, &[record], self.as_of).await?;
        let past = found.remove(&record).filter(|past| self.sees(past)).ok_or_else(Problem::not_found)?;
        let item = self.item(&past);
        self.disclosed(state, &shown(self.acting, std::slice::from_ref(&item))?).await?;
        let content = Some(past.record.content.to_json());
        let withheld = WithheldVersion::list(past.withheld.iter().copied());
        Ok(AccountRecordDocument { item, content, withheld, as_of: Some(AsOfItem::from(self.as_of)) })
    }

    /// A page of records.
    pub async fn records(
        &self,
        state: &AppState,
        query: AccountQuery,
    ) -> Result<Page<AccountRecordItem>, Problem> {
        let page = self.read(state, query).await?;
        self.disclosed(state, &shown(self.acting, &page.items)?).await?;
        Ok(page)
    }

    /// The account: profile, counts and a page.
    pub async fn account(&self, state: &AppState, query: AccountQuery) -> Result<AccountDocument, Problem> {
        let (store, holder) = (state.store(), self.acting.holder());
        let person = self.acting.person().ok();
        let persons: Slug = PERSONS.parse().map_err(|error| Problem::internal(&error))?;
        let profile = match person.filter(|_| self.acting.sees(&persons)) {
            Some(person) => past::profile(store, self.knowledge, person, self.as_of).await?,
            None => None,
        };
        let sees = |register: &Slug| self.acting.sees(register);
        let counts = past::groups(store, self.knowledge, &holder, self.as_of, sees).await?;
        let page = self.read(state, query).await?;
        let mut shown = shown(self.acting, &page.items)?;
        if let (Some(_), Some(person)) = (&profile, person) {
            shown.push(Disclosure::new(&persons, person, vec![person]));
        }
        self.disclosed(state, &shown).await?;
        Ok(AccountDocument {
            person,
            organisation: self.acting.organisation().map(str::to_owned),
            profile,
            groups: groups(counts),
            items: page.items,
            next: page.next,
            as_of: Some(AsOfItem::from(self.as_of)),
        })
    }

    async fn read(&self, state: &AppState, query: AccountQuery) -> Result<Page<AccountRecordItem>, Problem> {
        if query.former.is_some() {
            return Err(Problem::invalid(
                "`former` is of the present: as of a time, records are those that concerned the person then.",
            ));
        }
        let group = query.group.map(|group| group.parse()).transpose();
        let register = query.register.map(|register| register.parse()).transpose();
        let filter = Filter {
            group: group.map_err(|error| Problem::invalid(format!("`group` is {error}.")))?,
            register: register.map_err(|_| Problem::invalid("`register` is no slug."))?,
            status: query.status,
            role: query.role,
            in_force: query.in_force,
        };
        let page = PageQuery { cursor: query.cursor, limit: query.limit }.request()?;
        let of = Of::Holder(self.acting.holder(), filter.register.as_ref());
        let keeps = |past: &Past| self.sees(past) && filter.keeps(&self.item(past));
        let found = past::walk(state.store(), self.knowledge, of, self.as_of, page, keeps).await?;
        Ok(Page::of(found, |past| self.item(&past)))
    }

    /// Did it concern the person, and may whoever asks see it? The person's own record is their profile, and none of these.
    fn sees(&self, past: &Past) -> bool {
        let Some(register) = &past.record.state.register else { return false };
        past::seen_by(past, &self.acting.holder()) && *register != *PERSONS && self.acting.sees(register)
    }

    fn item(&self, past: &Past) -> AccountRecordItem {
        past::account_item(past, &self.acting.holder(), &self.knowledge.definitions, self.as_of)
    }

    async fn disclosed(&self, state: &AppState, shown: &[Disclosure]) -> Result<(), Problem> {
        disclose(state, self.acting, &Purpose::default(), Endpoint::AsOf, shown).await
    }
}

impl Filter {
    fn keeps(&self, item: &AccountRecordItem) -> bool {
        let group = self.group.map(Group::as_str);
        group.is_none_or(|group| item.group == Some(group))
            && self.status.as_ref().is_none_or(|status| *status == item.status)
            && self.role.as_ref().is_none_or(|role| item.roles.contains(role))
            && self.in_force.is_none_or(|in_force| in_force == item.in_force)
    }
}
