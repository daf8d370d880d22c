//! UmaDB: a store of its own in a file, with a writer that takes what has arrived into one commit; asked by its gRPC client.

use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreAsync as _, DcbQuery, DcbQueryItem};
use umadb_server::{ServerOptions, StorageOptions, start_server_with_options};

use crate::entries::Signed;
use crate::failure::Failure;
use crate::store::Place;

/// Callers that share a connection: a server lets each connection have 1,024 requests under way.
const CALLERS_A_CONNECTION: usize = 32;

/// The store: a server in threads of its own, and clients.
pub struct Store {
    clients: Vec<AsyncUmaDbClient>,
    next: std::sync::atomic::AtomicUsize,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// An entry.
pub struct Ready {
    event: DcbEvent,
    condition: DcbAppendCondition,
}

/// As it is appended: tagged with its record, under the condition that there is no event of it.
pub fn prepare(entry: &Signed) -> Result<Ready, Failure> {
    let (record, document) = super::document(entry)?;
    let tags = [record.to_string()];
    let condition = DcbAppendCondition::new(DcbQuery::new().item(DcbQueryItem::new().tags(tags.clone())));
    let event = DcbEvent::default().event_type("issued").tags(tags).data(document.to_string());
    Ok(Ready { event, condition })
}

fn free_address() -> Result<String, Failure> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map(|address| address.to_string()).map_err(|error| Failure::because("a socket", &error))
}

impl Store {
    /// Starts its server on a new file.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        let address = free_address()?;
        let storage = StorageOptions::default().db_path(place.directory.path());
        let options = ServerOptions { listen_addr: address.clone(), tls: None, api_key: None, storage };
        let (stop, stopped) = oneshot::channel();
        let serving = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let served = runtime.map(|runtime| runtime.block_on(start_server_with_options(options, stopped)));
            match served {
                Ok(Ok(())) => {}
                Ok(Err(error)) => eprintln!("umadb: {error}"),
                Err(error) => eprintln!("umadb: {error}"),
            }
        });
        let mut clients = Vec::new();
        for _ in 0..place.callers.div_ceil(CALLERS_A_CONNECTION) {
            // It tries again until the server listens.
            let client = UmaDbClient::new(format!("http://{address}")).connect_async().await;
            clients.push(client.map_err(|error| Failure::because("umadb", &error))?);
        }
        Ok(Self { clients, next: 0.into(), stop: Some(stop), serving: Some(serving) })
    }

    /// One event, the first of its record.
    pub async fn append(&self, ready: Ready) -> Result<(), Failure> {
        let at = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % self.clients.len();
        let appended = self.clients[at].append(vec![ready.event], Some(ready.condition), None).await;
        appended.map(drop).map_err(|error| Failure::because("umadb", &error))
    }

    /// How many are there: positions have no gap.
    pub async fn count(&self) -> Result<u64, Failure> {
        let head = self.clients[0].head().await.map_err(|error| Failure::because("umadb", &error))?;
        Ok(head.unwrap_or(0))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.clients.clear();
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            // Its files are removed after it.
            let _ = serving.join();
        }
    }
}
