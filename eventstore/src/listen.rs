//! Follows the notifications of PostgreSQL: other servers append to the same store.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::StoreError;
use crate::sql::Db;

/// The channel on which a batch's last position is told, within its transaction.
pub(crate) const CHANNEL: &str = "reestr_position";
/// Between attempts to reconnect. Subscribers poll meanwhile.
const RETRY: Duration = Duration::from_secs(1);

/// After so long without a notification the connection is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long it may take to answer, or a new one to be made.
const PROBE: Duration = Duration::from_secs(5);

/// Listens until aborted. Positions that were told while the connection was lost are made up for by asking.
pub(crate) async fn start(
    url: String,
    db: Db,
    publish: Arc<watch::Sender<u64>>,
) -> Result<JoinHandle<()>, StoreError> {
    let mut listener = connect(&url).await?;
    Ok(tokio::spawn(async move {
        loop {
            let heard = match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(heard) => heard,
                // Nothing was appended, or nothing comes through any more.
                Err(_) => match probe(&mut listener).await {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
            };
            match heard {
                Ok(Some(notification)) => {
                    if let Ok(position) = notification.payload().parse() {
                        raise(&publish, position);
                    }
                }
                Ok(None) => catch_up(&db, &publish).await,
                Err(error) => {
                    tracing::warn!(%error, "lost the notifications of the database; polling until it is back");
                    listener = loop {
                        tokio::time::sleep(RETRY).await;
                        if let Ok(Ok(listener)) = tokio::time::timeout(PROBE, connect(&url)).await {
                            break listener;
                        }
                    };
                    catch_up(&db, &publish).await;
                }
            }
        }
    }))
}

async fn connect(url: &str) -> Result<PgListener, StoreError> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn probe(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let asked = tokio::time::timeout(PROBE, sqlx::query("SELECT 1").execute(listener)).await;
    asked.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())).map(|_| ())
}

async fn catch_up(db: &Db, publish: &watch::Sender<u64>) {
    match crate::reader::position(db).await {
        Ok(position) => raise(publish, position),
        Err(error) => tracing::warn!(%error, "could not read the position after reconnecting"),
    }
}

/// Positions only grow: a late notification must not take the head back.
pub(crate) fn raise(publish: &watch::Sender<u64>, position: u64) {
    publish.send_if_modified(|head| {
        let grows = position > *head;
        *head = position.max(*head);
        grows
    });
}
