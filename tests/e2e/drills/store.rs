//! Drills on the database itself, by one who has it in hand and takes the triggers away: on SQLite and on PostgreSQL.

use reestr_tests::server::{Server, tokens};
use reestr_tests::store::{Kind, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::Place::{Entry, Log, Start};
use super::served::LONG;
use super::{Drill, Kept, Verdicts};
use crate::shared::{REGISTER, append, demo_args, entry};

/// What is done to the database.
pub enum Deed {
    /// One statement of SQL. `{WHERE n}` stands for the n-th entry of [`LONG`], `text(…)` and `bytes(…)` for what turns the one
    /// into the other, `blob(n)` for so many bytes.
    Sql(&'static str),
    /// The database of last week is put back.
    LastWeek,
    /// It is put back, and another entry follows.
    Fork,
}
use Deed::{Fork, LastWeek, Sql};

pub const DRILLS: &[Drill<Deed>] = &[
    Drill::new(
        "a word of a body",
        "listing",
        Entry(LONG, 5),
        Sql("UPDATE entry SET body = bytes(replace(text(body), 'name', 'nome')) WHERE entry(5)"),
    ),
    Drill::new("a salt", "listing", Entry(LONG, 6), Sql("UPDATE entry SET salt = blob(16) WHERE entry(6)")),
    Drill::new(
        "a body of another entry, with its salt",
        "listing",
        Entry(LONG, 7),
        Sql(
            "UPDATE entry SET body = (SELECT body FROM entry WHERE entry(8)), salt = (SELECT salt FROM entry WHERE entry(8)) WHERE entry(7)",
        ),
    ),
    Drill::new(
        "a body and its salt taken away without an order",
        HIDDEN,
        Entry(LONG, 9),
        Sql("UPDATE entry SET body = NULL, salt = NULL WHERE entry(9)"),
    ),
    Drill::new(
        "an entry back-dated by a day",
        "recorded-order",
        Entry(LONG, 10),
        Sql("UPDATE entry SET recorded_at = recorded_at - 86400000 WHERE entry(10)"),
    ),
    Drill::new(
        "a leaf hash",
        "tile",
        Entry(LONG, 290),
        Sql("UPDATE entry SET leaf_hash = blob(32) WHERE entry(290)"),
    ),
    Drill::new(
        "the statement of another entry",
        "tile",
        Entry(LONG, 12),
        Sql("UPDATE entry SET statement = (SELECT statement FROM entry WHERE entry(13)) WHERE entry(12)"),
    ),
    Drill::new(
        "the end of a statement cut off",
        "bundle",
        Entry(LONG, 14),
        Sql("UPDATE entry SET statement = substr(statement, 1, 100) WHERE entry(14)"),
    ),
    Drill::new(
        "sixteen bytes of a statement's signature",
        "tile",
        Entry(LONG, 14),
        Sql(
            "UPDATE entry SET statement = CAST(substr(statement, 1, 40) || blob(16) || substr(statement, 57) AS raw) WHERE entry(14)",
        ),
    ),
    Drill::new(
        "the record of an entry",
        "listing",
        Entry(LONG, 15),
        Sql("UPDATE entry SET record = blob(16) WHERE entry(15)"),
    ),
    Drill::new(
        "the version of an entry",
        "listing",
        Entry(LONG, 16),
        Sql("UPDATE entry SET version = 7 WHERE entry(16)"),
    ),
    Drill::new(
        "two entries in the other order",
        "tile",
        Entry(LONG, 17),
        Sql(
            "UPDATE entry SET leaf_index = CASE leaf_index WHEN 17 THEN -18 ELSE -17 END WHERE register = 'further-education-college-uk' AND leaf_index IN (17, 18); UPDATE entry SET leaf_index = -leaf_index WHERE leaf_index < 0",
        ),
    ),
    Drill::new("an entry deleted", "bundle", Entry(LONG, 20), Sql("DELETE FROM entry WHERE entry(20)")),
    Drill::new(
        "the newest entry deleted",
        "bundle",
        Entry(LONG, 311),
        Sql("DELETE FROM entry WHERE entry(311)"),
    ),
    Drill::new(
        "an entry moved to another register",
        "bundle",
        Entry(LONG, 21),
        Sql("UPDATE entry SET register = 'country', leaf_index = 209 WHERE entry(21)"),
    ),
    Drill::new(
        "a bit of a stored hash tile",
        "tile",
        Entry(LONG, 0),
        Sql("UPDATE tile SET hashes = blob(8192) WHERE register = 'further-education-college-uk'"),
    ),
    Drill::new(
        "the root of a stored hash tile",
        "tile",
        Log(LONG),
        Sql("UPDATE tile SET root = blob(32) WHERE register = 'further-education-college-uk'"),
    ),
    Drill::new(
        "a stored hash tile deleted",
        "tile",
        Log(LONG),
        Sql("DELETE FROM tile WHERE register = 'further-education-college-uk'"),
    ),
    Drill::new(
        "the root in the head",
        "start",
        Start("log.frontier at further-education-college-uk"),
        Sql("UPDATE log SET root = blob(32) WHERE register = 'further-education-college-uk'"),
    ),
    Drill::new(
        "the frontier in the head",
        "start",
        Start("log.frontier at further-education-college-uk"),
        Sql(
            "UPDATE log SET frontier = (SELECT frontier FROM log WHERE register = 'country') WHERE register = 'further-education-college-uk'",
        ),
    ),
    Drill::new(
        "the size in the head",
        "start",
        Start("log.checkpoint at further-education-college-uk"),
        Sql("UPDATE log SET size = 308 WHERE register = 'further-education-college-uk'"),
    ),
    Drill::new(
        "a letter of the checkpoint in the head",
        "start",
        Start("log.checkpoint at further-education-college-uk"),
        Sql(
            "UPDATE log SET checkpoint = replace(checkpoint, '312', '311') WHERE register = 'further-education-college-uk'",
        ),
    ),
    Drill::new(
        "the checkpoint of another register in the head",
        "start",
        Start("log.checkpoint at further-education-college-uk"),
        Sql(
            "UPDATE log SET checkpoint = (SELECT checkpoint FROM log WHERE register = 'country') WHERE register = 'further-education-college-uk'",
        ),
    ),
    Drill::new(
        "the key of another register in the head",
        "start",
        Start("log.checkpoint at further-education-college-uk"),
        Sql(
            "UPDATE log SET vkey = (SELECT vkey FROM log WHERE register = 'country') WHERE register = 'further-education-college-uk'",
        ),
    ),
    Drill::new(
        "a register's head deleted",
        "checkpoint-signature",
        Log(LONG),
        Sql("DELETE FROM log WHERE register = 'further-education-college-uk'"),
    ),
    Drill::new(
        "a definition's past",
        "start",
        Start("entry.body at 7"),
        Sql(
            "UPDATE entry SET body = bytes(replace(text(body), '\"owner\"', '\"ovner\"')) WHERE register = 'registers' AND leaf_index = 5",
        ),
    ),
    Drill::new(
        "a department's key",
        "start",
        Start("entry.body at 11"),
        Sql(
            "UPDATE entry SET body = (SELECT body FROM entry WHERE register = 'departments' AND leaf_index = 2) WHERE register = 'departments' AND leaf_index = 1",
        ),
    ),
    Drill::kept("the database of last week put back", "consistency", Log(REGISTER), LastWeek),
    Drill::kept(
        "the database of last week put back, and another entry appended",
        "consistency",
        Log(REGISTER),
        Fork,
    ),
];

/// The rule that names a body which nobody shows and no order withholds.
const HIDDEN: &str = "body-missing";

/// The statement in the words of one database.
fn dialect(sql: &str, sqlite: bool) -> String {
    let mut sql = sql.to_owned();
    for index in 0..400 {
        sql =
            sql.replace(&format!("entry({index})"), &format!("register = '{LONG}' AND leaf_index = {index}"));
    }
    for length in [16, 32, 8192] {
        let hex = "5a".repeat(length);
        let blob = if sqlite { format!("X'{hex}'") } else { format!("'\\x{hex}'::bytea") };
        sql = sql.replace(&format!("blob({length})"), &blob);
    }
    sql = sql.replace("AS raw)", if sqlite { "AS BLOB)" } else { "AS BYTEA)" });
    if sqlite {
        sql = sql.replace("text(body)", "CAST(body AS TEXT)");
        if let Some((before, after)) = sql.split_once("bytes(") {
            let (inside, rest) = after.rsplit_once(") WHERE").expect("bytes(…) WHERE");
            sql = format!("{before}CAST({inside} AS BLOB) WHERE{rest}");
        }
        sql
    } else {
        sql.replace("text(body)", "convert_from(body, 'UTF8')").replace("bytes(", "encode_utf8(")
    }
}

/// Lets an intruder at the database past the triggers that refuse changes.
async fn tamper(store: &Store, sql: &str) {
    let Some(url) = store.database() else {
        let mut connection = SqliteConnectOptions::new()
            .filename(store.data().join("reestr.db"))
            .connect()
            .await
            .expect("the store's file");
        let triggers: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                .fetch_all(&mut connection)
                .await
                .expect("the names of triggers");
        for (name,) in triggers {
            connection.execute(AssertSqlSafe(format!("DROP TRIGGER {name}"))).await.expect("a trigger less");
        }
        let done = connection.execute(AssertSqlSafe(dialect(sql, true))).await.expect(sql);
        assert!(done.rows_affected() > 0, "{sql}");
        connection.close().await.expect("it is written");
        return;
    };
    let mut connection = PgConnection::connect(url).await.expect("the database");
    let aid = "SET session_replication_role = replica; \
        CREATE FUNCTION encode_utf8(text) RETURNS bytea LANGUAGE sql AS $$ SELECT convert_to($1, 'UTF8') $$";
    connection.execute(aid).await.expect("triggers are off");
    let done = connection.execute(AssertSqlSafe(dialect(sql, false))).await.expect(sql);
    assert!(done.rows_affected() > 0, "{sql}");
    connection.close().await.expect("it is written");
}

async fn one_more(store: &Store, server: &Server, serial: u64) {
    let token = &tokens(store.data())["department"];
    let answer =
        append(server, token, &format!("drill-{serial}"), &entry(store, serial)).await.expect("an answer");
    assert_eq!(answer.0, 201, "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_sqlite_is_found() {
    each_on(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_postgresql_is_found() {
    each_on(Kind::Postgres).await;
}

async fn each_on(kind: Kind) {
    let last_week = Store::fresh(kind).await;
    Server::start("demo", &demo_args(&last_week)).await.stop().await;
    let honest = last_week.copy().await;
    let server = Server::start("serve", &honest.args()).await;
    one_more(&honest, &server, 111_111).await;
    let kept = Kept::of(&server.url).await;
    server.stop().await;

    let mut verdicts = Verdicts::of(format!("store ({kind:?})"));
    for drill in DRILLS {
        let copy = match &drill.deed {
            Sql(_) => honest.copy().await,
            LastWeek | Fork => last_week.copy().await,
        };
        if let Sql(sql) = drill.deed {
            tamper(&copy, sql).await;
        }
        verdicts.note(drill, verdict(drill, &copy, &kept).await);
    }
    verdicts.conclude();
}

async fn verdict(drill: &Drill<Deed>, store: &Store, kept: &Kept) -> Result<(), String> {
    match (Server::try_start("serve", &store.args()).await, drill.place) {
        (Ok(server), _) => {
            if matches!(drill.deed, Fork) {
                one_more(store, &server, 222_222).await;
            }
            let verdict = drill.judge(&kept.audit(&server.url, drill.kept, &[]).await);
            server.stop().await;
            verdict
        }
        (Err(said), Start(row)) if said.contains(row) => Ok(()),
        (Err(said), _) => Err(format!("the server does not start: {said}")),
    }
}
