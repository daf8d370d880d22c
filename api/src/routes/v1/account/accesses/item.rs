//! An access as the person whom it concerns sees it.

use domain::platform::ACCESSES;
use domain::subject::Subject;
use projections::accesses::Access;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::AppState;
use crate::problem::Problem;
use crate::registry::{Folded, Knowledge};
use crate::routes::words::Title;

/// Someone looked at what concerns the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessItem {
    /// The access: its record in `accesses`.
    pub record: Uuid,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who looked.
    pub by: LookerItem,
    /// For whom: `department`, or whom a representative acts for: `person` or `organisation`. Null for auditors.
    #[schema(value_type = Option<Object>)]
    pub on_behalf_of: Option<Value>,
    /// By which kind of question: record, entries, receipt, account, …
    pub endpoint: String,
    /// What for, in the looker's words.
    pub purpose: Option<String>,
    /// By which law, in the looker's words.
    pub legal_basis: Option<String>,
    /// The record that let them: a consent, a birth, a power of attorney.
    pub grounds: Option<LookedAt>,
    /// What was looked at.
    pub records: Vec<LookedAt>,
    /// recorded, questioned, answered.
    pub status: String,
    /// The status in words.
    pub status_title: Title,
    /// The department that answers for it.
    pub department: String,
    /// What it is called.
    pub department_title: Option<Title>,
    /// What the person asked.
    pub question: Option<String>,
    /// What the department answered.
    pub answer: Option<String>,
}

/// Who looked. An official is told by post, not by name: a person has a right to know which body processes their data, and
/// not who works there (Federal Law 152-FZ, article 14 part 7 item 4); the department can tell by `official` who it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookerItem {
    /// official, department, auditor, operator, third-party, representative.
    pub role: String,
    /// The department of an official or a system.
    pub department: Option<String>,
    /// What it is called.
    pub department_title: Option<Title>,
    /// Their post at that time, where it was an official.
    pub post: Option<String>,
    /// Names the official, so that what one person looked at can be told apart.
    pub official: Option<Uuid>,
    /// The representative.
    pub person: Option<Uuid>,
    /// The client: of a system, an auditor, a third party.
    pub client: Option<String>,
}

/// A record that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookedAt {
    /// Its register.
    pub register: String,
    /// What the register is called.
    pub register_title: Option<Title>,
    /// The record.
    pub record: Uuid,
}

impl AccessItem {
    /// With the words for it.
    pub fn of(access: Access, knowledge: &Knowledge) -> Self {
        let content = &access.content;
        let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let department = text("/department").unwrap_or_default();
        let accesses = definition(knowledge, ACCESSES);
        let status_title = accesses.as_ref().and_then(|register| register.status(&access.status));
        let looked_at = |value: &Value| looked_at(value, knowledge);
        let records = content["records"].as_array().into_iter().flatten();
        Self {
            record: access.record,
            at: access.at,
            by: looker(content, access.at, knowledge),
            on_behalf_of: content.get("on_behalf_of").cloned(),
            endpoint: text("/endpoint").unwrap_or_default(),
            purpose: text("/purpose"),
            legal_basis: text("/legal_basis"),
            grounds: content.get("grounds").and_then(looked_at),
            records: records.filter_map(looked_at).collect(),
            status_title: status_title.map_or_else(|| plain(&access.status), |rule| (&rule.title).into()),
            status: access.status,
            department_title: title_of(knowledge, &department),
            department,
            question: text("/question"),
            answer: text("/answer"),
        }
    }
}

fn plain(word: &str) -> Title {
    Title { ru: word.into(), en: word.into() }
}

fn definition(
    knowledge: &Knowledge,
    register: &str,
) -> Option<std::sync::Arc<domain::definition::Definition>> {
    let slug: Slug = register.parse().ok()?;
    knowledge.definitions.current(&slug).map(|current| std::sync::Arc::clone(&current.definition))
}

fn title_of(knowledge: &Knowledge, department: &str) -> Option<Title> {
    let slug: Slug = department.parse().ok()?;
    knowledge.departments.get(&slug).map(|found| (&found.title).into())
}

fn looked_at(value: &Value, knowledge: &Knowledge) -> Option<LookedAt> {
    let register = value["register"].as_str()?;
    Some(LookedAt {
        register: register.to_owned(),
        register_title: definition(knowledge, register).map(|found| (&found.title).into()),
        record: value["record"].as_str()?.parse().ok()?,
    })
}

fn looker(content: &Value, at: Timestamp, knowledge: &Knowledge) -> LookerItem {
    let by = &content["by"];
    let text = |name: &str| by[name].as_str().map(str::to_owned);
    let role = text("role").unwrap_or_default();
    let person = by["person"].as_str().and_then(|person| person.parse::<Uuid>().ok());
    let (official, person) = if role == "official" { (person, None) } else { (None, person) };
    let department = text("department");
    let slug: Option<Slug> = department.as_deref().and_then(|slug| slug.parse().ok());
    let office = slug.as_ref().and_then(|slug| knowledge.departments.get(slug));
    let post = office.zip(official).and_then(|(office, official)| {
        let mut then =
            office.officials.iter().filter(|one| one.official == official && one.appointed_at <= at);
        then.next_back().map(|one| one.position.clone())
    });
    LookerItem {
        role,
        department_title: office.map(|office| (&office.title).into()),
        department,
        post,
        official,
        person,
        client: text("client"),
    }
}

/// An access as its entries tell it, with whom it concerns; nothing where there is no such.
pub async fn current(
    state: &AppState,
    knowledge: &Knowledge,
    record: Uuid,
) -> Result<Option<Access>, Problem> {
    let entries = state.store().read_record(record).await?;
    let Some(first) = entries.first().filter(|first| first.register == *ACCESSES) else { return Ok(None) };
    let folded = Folded::fold(&entries, knowledge).map_err(|error| Problem::internal(&error))?;
    let found = folded.record.record();
    Ok(Some(Access {
        record,
        position: first.position,
        at: first.recorded_at,
        status: found.state.status.clone(),
        version: found.state.version,
        person: found.state.subjects.iter().find_map(Subject::person),
        content: found.content.to_json(),
    }))
}
