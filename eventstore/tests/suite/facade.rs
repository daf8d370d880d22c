//! The SQL facade says the same on both stores.

use eventstore::sql::{Arg, Col, RowSet, rows};
use eventstore::{StoreError, args};
use uuid::Uuid;

use crate::fixture::{Fixture, on_both_stores};

on_both_stores!(rows_travel_as_one_parameter, values_come_back_as_they_went, what_does_not_fit_is_an_error);

async fn rows_travel_as_one_parameter(fixture: &Fixture) {
    let store = fixture.open().await;
    let columns = [("id", Col::Blob), ("n", Col::Int), ("s", Col::Text)];
    let sql = format!(
        "SELECT r.id, r.n, r.s FROM {} AS r ORDER BY r.n",
        rows(store.db().dialect(), "$1", &columns)
    );
    let id = Uuid::from_u128(5);
    let mut parameter = RowSet::new();
    parameter.push(args![id, i64::MIN, "кот \"\\\n\u{7f}𝄞"]);
    parameter.push(args![Vec::<u8>::new(), i64::MAX, "\0"]);
    let found = store.db().fetch_all(&sql, args![parameter]).await.unwrap();
    assert_eq!(found[0].uuid("id").unwrap(), id);
    assert_eq!(
        (found[0].int("n").unwrap(), found[0].text("s").unwrap()),
        (i64::MIN, "кот \"\\\n\u{7f}𝄞".into())
    );
    assert_eq!((found[1].blob("id").unwrap(), found[1].int("n").unwrap()), (vec![], i64::MAX));
    assert_eq!(found[1].text("s").unwrap(), "\u{fffd}");
    let mut nulls = RowSet::new();
    nulls.push([Arg::OptBlob(None), Arg::OptInt(None), Arg::OptText(None)]);
    let found = store.db().fetch_all(&sql, args![nulls]).await.unwrap();
    assert_eq!(found[0].opt_blob("id").unwrap(), None);
    assert_eq!((found[0].opt_int("n").unwrap(), found[0].opt_text("s").unwrap()), (None, None));
    assert!(store.db().fetch_all(&sql, args![RowSet::new()]).await.unwrap().is_empty());
    store.close().await;
}

async fn values_come_back_as_they_went(fixture: &Fixture) {
    let store = fixture.open().await;
    let sql = "SELECT CAST($1 AS BIGINT) AS a, CAST($2 AS TEXT) AS b, COUNT(*) AS c, 1 = 1 AS d, $3 AS e FROM journal";
    let arguments = args![-7_i64, Option::<String>::None, vec![1_u8, 2]];
    let row = store.db().fetch_optional(sql, arguments).await.unwrap().unwrap();
    assert_eq!((row.int("a").unwrap(), row.opt_text("b").unwrap()), (-7, None));
    assert_eq!((row.uint("c").unwrap(), row.int("d").unwrap(), row.blob("e").unwrap()), (1, 1, vec![1, 2]));
    let mut tx = store.db().begin().await.unwrap();
    let claimed = "UPDATE installation SET log_name = 'x'";
    assert_eq!(tx.execute(claimed, vec![]).await.unwrap(), 1);
    tx.rollback().await.unwrap();
    let row = store.db().fetch_optional("SELECT log_name FROM installation", vec![]).await.unwrap().unwrap();
    assert_eq!(row.text("log_name").unwrap(), store.log_name());
    store.close().await;
}

async fn what_does_not_fit_is_an_error(fixture: &Fixture) {
    let store = fixture.open().await;
    let sql =
        "SELECT CAST(-1 AS BIGINT) AS negative, CAST(NULL AS BIGINT) AS none, CAST('x' AS TEXT) AS word";
    let row = store.db().fetch_optional(sql, vec![]).await.unwrap().unwrap();
    let errors = [
        row.uint("negative").err(),
        row.int("none").err(),
        row.blob("nowhere").err(),
        row.parse::<Uuid>("word").err(),
    ];
    for (error, at) in errors.into_iter().zip(["negative", "none", "nowhere", "word"]) {
        let error = error.expect(at).at("shard", || "0".into());
        assert!(
            matches!(&error, StoreError::Corrupt { table: "shard", column, key, .. } if column == at && key == "0"),
            "{error:?}"
        );
    }
    let refused = store.db().fetch_all("SELECT nonsense FROM nowhere", vec![]).await;
    assert!(matches!(refused.err(), Some(StoreError::Database(_))));
    store.close().await;
}
