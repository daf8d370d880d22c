//! What the guide to growth says that can be checked here: its arithmetic, and the placement of the tables on a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reestr_tests::server::{self, root};
use reestr_tests::store::{Kind, Store};
use sqlx::{Connection, PgConnection, Row};

fn guide() -> String {
    std::fs::read_to_string(root().join("docs/operators/growth.md")).unwrap()
}

/// The rows of a table of the guide: the one whose head begins so.
fn rows(head: &str) -> Vec<Vec<String>> {
    let text = guide();
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "{head}");
    rows
}

/// `a * b / c`: names of other figures and numbers, from left to right.
fn evaluate(formula: &str, known: &BTreeMap<String, f64>) -> f64 {
    let mut words = formula.split_whitespace();
    let value = |word: &str| word.parse().ok().or_else(|| known.get(word).copied());
    let value = |word: &str| value(word).unwrap_or_else(|| panic!("{word:?} in {formula:?}"));
    let mut result = value(words.next().unwrap());
    while let Some(operator) = words.next() {
        let next = value(words.next().unwrap());
        match operator {
            "*" => result *= next,
            "/" => result /= next,
            "+" => result += next,
            other => panic!("{other:?} in {formula:?}"),
        }
    }
    result
}

#[test]
fn the_figures_follow_from_the_inputs() {
    let number = |text: &str| -> f64 { text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text:?}")) };
    let name = |text: &str| text.trim_matches('`').to_owned();
    let mut known: BTreeMap<String, f64> =
        rows("| input |").iter().map(|row| (name(&row[0]), number(&row[1]))).collect();
    let figures = rows("| figure |");
    assert!(figures.len() > 10);
    for row in figures {
        let (figure, formula, said) = (name(&row[0]), name(&row[1]), number(&row[2]));
        let exact = evaluate(&formula, &known);
        // Two digits are said.
        assert!((said / exact - 1.0).abs() < 0.051, "{figure}: {formula} is {exact}, not {said}");
        known.insert(figure, exact);
    }
}

/// Where `citus.sql` places a table: its column, and with which other table; none for a table that is the same everywhere.
type Placed = BTreeMap<String, Option<(String, String)>>;

fn placed() -> (Placed, String) {
    let text = std::fs::read_to_string(root().join("docs/operators/citus.sql")).unwrap();
    let mut placed = Placed::new();
    for line in text.lines().filter(|line| line.starts_with("SELECT ")) {
        let names: Vec<_> = line.split('\'').skip(1).step_by(2).map(str::to_owned).collect();
        let at = match (line.contains("create_distributed_table("), names.as_slice()) {
            (true, [table, column]) => Some((column.clone(), table.clone())),
            (true, [_, column, with]) => {
                let Some(Some((other, group))) = placed.get(with) else { panic!("{line}: {with} is below") };
                assert_eq!(other, column, "{line}: tables that are together have one column");
                Some((column.clone(), group.clone()))
            }
            (false, [_]) if line.contains("create_reference_table(") => None,
            _ => panic!("{line}"),
        };
        assert!(placed.insert(names[0].clone(), at).is_none(), "{line}: twice");
    }
    (placed, text)
}

/// Rows of a query of the catalogue, as text.
async fn catalogue(connection: &mut PgConnection, sql: &'static str) -> Vec<Vec<String>> {
    let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
    let text = |row: &sqlx::postgres::PgRow| (0..row.len()).map(|at| row.get::<String, _>(at)).collect();
    rows.iter().map(text).collect()
}

const TABLES: &str =
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND relname <> '_sqlx_migrations'";
const UNIQUE: &str =
    "SELECT t.relname::text, x.relname::text, string_agg(a.attname::text, ',') FROM pg_index i
    JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (i.indkey)
    WHERE t.relnamespace = 'public'::regnamespace AND i.indisunique GROUP BY 1, 2";
const FOREIGN: &str = "SELECT f.relname::text, t.relname::text, string_agg(a.attname::text, ','), string_agg(b.attname::text, ',')
    FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
    JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = ANY (c.conkey)
    JOIN pg_attribute b ON b.attrelid = t.oid AND b.attnum = ANY (c.confkey)
    WHERE c.contype = 'f' AND f.relnamespace = 'public'::regnamespace GROUP BY 1, 2, c.oid";
const TRIGGERS: &str =
    "SELECT DISTINCT t.relname::text FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
    WHERE NOT g.tgisinternal AND t.relnamespace = 'public'::regnamespace";

/// The documented limits on tables of a cluster, against the schema as the migrations make it.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_a_place_on_a_cluster() {
    let (placed, text) = placed();
    let store = Store::fresh(Kind::Postgres).await;
    let args = store.args();
    let status: Vec<&str> =
        ["projection", "status"].into_iter().chain(args.iter().map(String::as_str)).collect();
    server::succeed(&status).await;
    let mut connection = PgConnection::connect(store.database().unwrap()).await.unwrap();

    let tables: BTreeSet<String> = catalogue(&mut connection, TABLES).await.into_iter().flatten().collect();
    assert_eq!(tables, placed.keys().cloned().collect(), "every table is placed, and no other");
    for unique in catalogue(&mut connection, UNIQUE).await {
        let [table, index, columns] = unique.as_slice() else { panic!("{unique:?}") };
        if let Some(Some((column, _))) = placed.get(table) {
            let holds = columns.split(',').any(|one| one == column);
            assert!(holds, "{table} is placed by {column}, which is not in {index} ({columns})");
        }
    }
    for foreign in catalogue(&mut connection, FOREIGN).await {
        let [from, to, columns, others] = foreign.as_slice() else { panic!("{foreign:?}") };
        match (&placed[from], &placed[to]) {
            (_, None) => {}
            (Some((column, group)), Some((other, with))) => {
                let on =
                    columns.split(',').any(|one| one == column) && others.split(',').any(|one| one == other);
                assert!(on && group == with, "{from} refers to {to}, which may be elsewhere");
            }
            (None, Some(_)) => panic!("{from} is everywhere, and refers to {to}, which is not"),
        }
    }
    let triggers: Vec<_> = catalogue(&mut connection, TRIGGERS).await.into_iter().flatten().collect();
    assert!(triggers.iter().all(|table| placed.contains_key(table)));
    assert!(triggers.is_empty() || text.contains("SET citus.enable_unsafe_triggers TO on;"));
}

/// Statements that a cluster takes under conditions, or not at all.
const CONDITIONS: [&str; 5] = ["AS (INSERT", "AS (UPDATE", "AS (DELETE", "WITH RECURSIVE", "FOR UPDATE"];

/// Each file that has such a statement is named by the guide, with what it means on a cluster, and no other is.
#[test]
fn every_conditional_statement_is_named() {
    let mut found = BTreeSet::new();
    for part in ["eventstore/src", "projections/src", "api/src"] {
        search(&root().join(part), &mut found);
    }
    let named: BTreeSet<String> =
        rows("| statements in |").iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(found, named);
}

fn search(directory: &Path, found: &mut BTreeSet<String>) {
    for item in std::fs::read_dir(directory).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            search(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ").replace("( ", "(");
            if CONDITIONS.iter().any(|condition| code.contains(condition)) {
                found.insert(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
}
