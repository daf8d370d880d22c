//! Asks the index: over the registers that somebody may read whole, or over one person's records.

use std::collections::BTreeMap;

use domain::definitions::Definitions;
use eventstore::{
    args,
    sql::{self, Arg, Col, Db, Dialect, RowSet},
};
use proofs::slug::Slug;
use uuid::Uuid;

use super::{
    document::Document,
    expression::expression,
    query::{Node, Query, Term},
};
use crate::{
    Page, PageRequest, ProjectionError,
    account::{self, AccountRecord, Holder},
    cursor::List,
    view::{self, ViewRecord},
    words,
};

/// Where is looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// In these registers. Whoever calls has asked what of them may be seen.
    pub registers: Vec<Slug>,
    /// Among records in this status.
    pub status: Option<String>,
}

/// What PostgreSQL compares a question with. Of a person's own records the names are left out.
fn document(own: bool) -> String {
    let names = if own { "" } else { " || ' ' || d.names" };
    format!("array_to_tsvector(array_remove(string_to_array(d.words || ' ' || d.extras{names}, ' '), ''))")
}

/// What `search_record_words` indexes, to the letter.
const INDEXED: &str = "array_to_tsvector(array_remove(string_to_array(d.extras || ' ' || d.names, ' '), ''))";

/// A record's place in the order of a result: what it matches by, then when it was made.
const RANK: u64 = 1 << 60;

/// Records of registers, with the names of those whom they concern. First the record whose official number is the whole
/// question, then those that have the words as they were written, then the others; in each the newest first.
pub async fn records(
    db: &Db,
    definitions: &Definitions,
    query: &Query,
    scope: &Scope,
    page: &PageRequest,
) -> Result<Page<ViewRecord>, ProjectionError> {
    let hits = hits(db, definitions, query, scope, None, page).await?;
    let found = view::records(db, definitions, &ids(&hits)).await?;
    let by_id: BTreeMap<Uuid, ViewRecord> = found.into_iter().map(|item| (item.record, item)).collect();
    Ok(in_order(hits, by_id))
}

/// The records that concern someone now. The names of others whom they concern find nothing: whose account it is could
/// otherwise ask for them letter by letter.
pub async fn account_records(
    db: &Db,
    definitions: &Definitions,
    query: &Query,
    holder: &Holder,
    scope: &Scope,
    page: &PageRequest,
) -> Result<Page<AccountRecord>, ProjectionError> {
    let hits = hits(db, definitions, query, scope, Some(holder), page).await?;
    let found = account::records(db, definitions, holder.clone(), &ids(&hits)).await?;
    let now = found.into_iter().filter(|item| item.former.is_none());
    let by_id: BTreeMap<Uuid, AccountRecord> = now.map(|item| (item.record, item)).collect();
    Ok(in_order(hits, by_id))
}

/// A record found, and its key in the list.
struct Hit {
    record: Uuid,
    key: u64,
}

fn ids(hits: &Page<Hit>) -> Vec<Uuid> {
    hits.items.iter().map(|hit| hit.record).collect()
}

/// The rows of another projection, in the order of the hits. A row that is not there yet is left out.
fn in_order<T>(hits: Page<Hit>, mut rows: BTreeMap<Uuid, T>) -> Page<T> {
    let items = hits.items.iter().filter_map(|hit| rows.remove(&hit.record)).collect();
    Page { items, next: hits.next }
}

async fn hits(
    db: &Db,
    definitions: &Definitions,
    query: &Query,
    scope: &Scope,
    holder: Option<&Holder>,
    page: &PageRequest,
) -> Result<Page<Hit>, ProjectionError> {
    let (limit, after) = page.open(List::Search)?;
    let groups = groups(definitions, query, &scope.registers);
    if groups.is_empty() {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let mut sql = Sql { dialect: db.dialect(), args: Vec::new() };
    let subject = holder.map(|holder| match holder {
        Holder::Person(person) => sql.bind(person.to_string()),
        Holder::Organisation(ogrn) => sql.bind(ogrn),
    });
    let status = scope.status.clone().map(|status| sql.bind(status));
    let arms: Vec<String> = groups
        .iter()
        .map(|(terms, registers)| {
            let mut arm = sql.arm(query, terms, registers, subject.as_deref());
            if let Some(status) = &status {
                arm.extend([" AND d.status = ", status]);
            }
            arm
        })
        .collect();
    let beyond = after.map(|after| format!(" WHERE rank < {}", sql.bind(after))).unwrap_or_default();
    let most = sql.bind(limit + 1);
    let text = format!(
        "SELECT record, rank FROM ({}) AS found{beyond} ORDER BY rank DESC LIMIT {most}",
        arms.join(" UNION ALL ")
    );
    let rows = db.fetch_all(&text, sql.args).await?;
    let hits = rows.iter().map(|row| Ok(Hit { record: row.uuid("record")?, key: row.uint("rank")? }));
    Ok(Page::cut(hits.collect::<Result<_, ProjectionError>>()?, limit, List::Search, |hit| hit.key))
}

/// Registers by what their records must have of what is wanted: what their titles have need not be in their records. The titles
/// are those of the definition in force now, so that a register that was renamed is found by its name at once. A register whose
/// title has an unwanted word is left out.
fn groups(definitions: &Definitions, query: &Query, registers: &[Slug]) -> BTreeMap<Vec<Term>, Vec<Slug>> {
    let mut groups: BTreeMap<Vec<Term>, Vec<Slug>> = BTreeMap::new();
    for register in registers {
        let now = words::current(definitions, register);
        let title = Document::of_title(&words::register_title(now.as_deref(), register));
        if query.unwanted.iter().any(|node| node.found_in(&title)) {
            continue;
        }
        let terms = query.wanted.iter().filter_map(|term| term.beyond(&title)).collect();
        groups.entry(terms).or_default().push(register.clone());
    }
    groups
}

/// A statement being put together. Values only ever travel as arguments.
struct Sql {
    dialect: Dialect,
    args: Vec<Arg>,
}

impl Sql {
    fn bind(&mut self, value: impl Into<Arg>) -> String {
        self.args.push(value.into());
        format!("${}", self.args.len())
    }

    /// `SELECT` of the records of these registers that have what is wanted beyond their titles.
    fn arm(&mut self, query: &Query, terms: &[Term], registers: &[Slug], subject: Option<&str>) -> String {
        let loose = Node::All(terms.iter().map(|term| term.loose.clone()).collect());
        let exact = Node::All(terms.iter().map(|term| term.exact.clone()).collect());
        let own = subject.is_some();

        let tier = self.tier(query, &loose, &exact, terms.is_empty(), own);
        let mut rows = RowSet::new();
        for register in registers {
            rows.push(args![register]);
        }
        let list = sql::rows(self.dialect, &self.bind(rows), &[("register", Col::Text)]);
        let mut conditions = vec![
            "d.build = (SELECT build FROM projection WHERE name = 'search' AND live = 1)".to_owned(),
            format!("d.register IN (SELECT r.register FROM {list} AS r)"),
        ];
        let mut from = "search_record AS d".to_owned();
        if let Some(subject) = subject {
            conditions.push(format!(
                "d.record IN (SELECT s.record FROM search_subject AS s WHERE s.build = d.build AND s.subject = {subject})"
            ));
        }
        if !terms.is_empty() {
            let (table, condition) = self.matches(&loose, own);
            if let Some(table) = table {
                from = format!("{table} CROSS JOIN {from}");
            }
            conditions.push(condition);
        }
        for term in terms {
            conditions.extend(self.sequence(&term.loose, own));
        }
        for node in &query.unwanted {
            let found = match node {
                Node::Sequence(_) => self.sequence(node, own),
                node => Some(self.is_among(node, own)),
            };
            conditions.extend(found.map(|found| format!("NOT ({found})")));
        }
        format!(
            "SELECT d.record AS record, {tier} * {RANK} + d.opened_position AS rank FROM {from} WHERE {}",
            conditions.join(" AND ")
        )
    }

    /// 2 for the record whose number was asked for, 1 where every word stands as it was written, else 0.
    fn tier(&mut self, query: &Query, loose: &Node, exact: &Node, nothing: bool, own: bool) -> String {
        let number = query.number.clone().map(|number| self.bind(number));
        let number = number.map(|number| format!("WHEN d.number_key = {number} THEN 2 ")).unwrap_or_default();
        let as_written = if nothing || loose == exact {
            "WHEN 1 = 1 THEN 1".to_owned()
        } else {
            format!("WHEN {} THEN 1", self.is_among(exact, own))
        };
        format!("CAST(CASE {number}{as_written} ELSE 0 END AS BIGINT)")
    }

    /// What drives the search: on SQLite the index, from which rows are then taken, on PostgreSQL a condition that its
    /// index answers, and another where that is not all. A person's own records are few, and need no index.
    fn matches(&mut self, node: &Node, own: bool) -> (Option<String>, String) {
        match self.dialect {
            Dialect::Sqlite => {
                let question = self.question(node, own);
                let condition = format!("f.search_index MATCH {question} AND d.id = f.rowid");
                (Some("search_index AS f".to_owned()), condition)
            }
            Dialect::Postgres if own => (None, self.is_among(node, own)),
            Dialect::Postgres => {
                let indexed = node.indexed();
                let question = self.question(&indexed, own);
                let found = format!("{INDEXED} @@ {question}::tsquery");
                let all = if indexed == *node {
                    found
                } else {
                    format!("{found} AND {}", self.is_among(node, own))
                };
                (None, all)
            }
        }
    }

    /// The condition that a row has what the node wants, but for the order of a phrase.
    fn is_among(&mut self, node: &Node, own: bool) -> String {
        let question = self.question(node, own);
        match self.dialect {
            Dialect::Sqlite => {
                format!("d.id IN (SELECT rowid FROM search_index WHERE search_index MATCH {question})")
            }
            Dialect::Postgres => format!("{} @@ {question}::tsquery", document(own)),
        }
    }

    fn question(&mut self, node: &Node, own: bool) -> String {
        let expression = expression(self.dialect, node);
        self.bind(match self.dialect {
            Dialect::Sqlite if own => format!("{{words extras}} : ({expression})"),
            _ => expression,
        })
    }

    /// The condition that words of a phrase stand one after another; nothing for what is no phrase. The index keeps no
    /// places, in which the two databases differ: the rows that it finds are looked into.
    fn sequence(&mut self, node: &Node, own: bool) -> Option<String> {
        let Node::Sequence(words) = node else { return None };
        let phrase = self.bind(format!(" {} ", words.join(" ")));
        let text = if own { "d.words" } else { "d.words || ' . ' || d.names" };
        let function = match self.dialect {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        };
        Some(format!("{function}(' ' || {text} || ' ', {phrase}) > 0"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_asked_for_is_what_is_indexed() {
        let migration = include_str!("../../../migrations/postgres/0019_search_by_stems.sql");
        let indexed = super::INDEXED.replace("d.", "");
        assert!(migration.contains(&format!("USING GIN ({indexed})")), "{indexed}");
    }
}
