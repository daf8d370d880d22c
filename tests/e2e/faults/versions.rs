//! A server of a newer version has changed the schema while ours runs.

use reestr_tests::server::Server;
use reestr_tests::store::{Kind, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use super::load::Load;
use super::{BETWEEN, Drill};
use crate::shared::demo;

/// What a newer version may do under the feet of this one (expand, then contract): it adds.
const EXPAND: [&str; 4] = [
    "ALTER TABLE entry ADD COLUMN note TEXT",
    "ALTER TABLE log ADD COLUMN note TEXT",
    "CREATE INDEX entry_note ON entry (note)",
    "CREATE TABLE notes (id BIGINT PRIMARY KEY)",
];
const STEP: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    VALUES (9999, 'of a newer version', TRUE, '', 0)";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_server_goes_on_beside_a_newer_one_and_does_not_start_after_it() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let what = format!("{kind:?}: a newer schema");
        let mut drill = Drill::new(what, &store);
        drill.verify(&server).await;
        let load = Load::new(0);
        let faults = async {
            load.acknowledged(BETWEEN).await;
            migrate(&store).await;
            load.acknowledged(BETWEEN).await;
            let refused = Server::try_start("serve", &store.args()).await.err().unwrap();
            assert!(refused.contains("step 9999") && refused.contains("a newer version"), "{refused}");
            load.acknowledged(BETWEEN).await;
        };
        drill.bear((&server, &store, &load), 1, faults).await;
        drill.end(&server).await;
        server.stop().await;
    }
}

async fn migrate(store: &Store) {
    let statements = EXPAND.iter().chain([&STEP]);
    if let Some(url) = store.database() {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let mut tx = connection.begin().await.unwrap();
        for statement in statements {
            tx.execute(*statement).await.unwrap();
        }
        tx.commit().await.unwrap();
    } else {
        let file = SqliteConnectOptions::new().filename(store.data().join("reestr.db"));
        let mut connection = file.connect().await.unwrap();
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for statement in statements {
            tx.execute(*statement).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
}
