//! What is read: projections that are made and made again, an account, a number, a receipt, tiles, and a whole audit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use projections::Runner;
use proofs::slug::Slug;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::append::{InProcess, fill};
use super::http::{Callers, Http, Server, Who};
use super::load::{Driven, Until, drive};
use super::report::Measurement;
use super::store::{Bench, NUMBERED, people};
use super::{Context, blocking};
use crate::archive::export::{self, Draft};
use crate::audit::fetch::TIMEOUT;
use crate::audit::{self, Target};
use crate::failure::Failure;
use crate::http::Trust;
use crate::progress::Progress;

/// Entries that concern one person.
const ENTRIES_A_PERSON: u64 = 20;
/// People whose accounts are read in turn.
const READERS: usize = 16;
/// Entries made and appended at once.
const CHUNK: u64 = 20_000;
/// A projection of ten million entries takes less.
const PATIENCE: Duration = Duration::from_hours(6);
/// Hashes of a full tile.
const TILE: u64 = 256;
/// Calls of a caller at most: what is called is made as it is called.
const CALLS_MAX: usize = 10_000_000;

/// A store with entries to read.
pub struct Filled {
    /// The store.
    pub bench: Bench,
    register: Slug,
    people: Vec<Uuid>,
    entries: u64,
}

impl Filled {
    /// Makes one, without projecting anything.
    pub async fn make(context: &Context, entries: u64) -> Result<Self, Failure> {
        context.say(&format!("{entries} entries to read"));
        let bench = Bench::make(&context.places, &context.generator, 1).await?;
        let register: Slug = NUMBERED.parse().map_err(|error| Failure::because(NUMBERED, &error))?;
        let count = entries.div_ceil(ENTRIES_A_PERSON);
        let people = people(&bench.opened.registry, &context.generator, count).await?;
        let door = InProcess::new(&bench)?;
        for first in (0..entries).step_by(usize::try_from(CHUNK).unwrap_or(1)) {
            let (generator, register, people) =
                (Arc::clone(&context.generator), register.clone(), people.clone());
            let count = CHUNK.min(entries - first);
            let made =
                blocking(move || generator.numbered("read", first, count, (&register, &people))).await?;
            fill(&door, made).await?;
        }
        bench.analyse().await?;
        Ok(Self { bench, register, people, entries })
    }

    /// A server that has nothing to catch up with: what it does from now on is what it is asked for.
    async fn serve(&self) -> Result<Server, Failure> {
        let server = Server::start(&self.bench).await?;
        let position = self.position().await?;
        for projector in projections::projectors() {
            let caught_up = server.projections.wait_for(projector.name(), position, PATIENCE).await;
            caught_up.map_err(|error| Failure::because("a projection", &error))?;
        }
        self.bench.analyse().await?;
        Ok(server)
    }

    async fn position(&self) -> Result<u64, Failure> {
        self.bench.opened.store.position().await.map_err(|error| Failure::because("the store", &error))
    }

    /// All projections from nothing, beside one another as on a server; then each by itself.
    pub async fn projections(&self, context: &Context) -> Result<Vec<Measurement>, Failure> {
        let failed = |error: projections::ProjectionError| Failure::because("a projection", &error);
        let store = &self.bench.opened.store;
        context.say("projections: catch-up");
        let position = self.position().await?;
        let (before, began) = (self.bench.gauges().await?, Instant::now());
        let runner = Runner::start(store, projections::Options::default());
        let names: Vec<&str> = projections::projectors().iter().map(|projector| projector.name()).collect();
        for name in &names {
            runner.handle().wait_for(name, position, PATIENCE).await.map_err(failed)?;
        }
        let driven = Driven { elapsed: began.elapsed(), micros: Vec::new(), units: position };
        let after = self.bench.gauges().await?;
        runner.stop().await;
        let mut all =
            vec![Measurement::new("projections", driven, 1).of("catch-up, all").between(&before, &after)];
        for name in names {
            context.say(&format!("projections: {name} again"));
            let (before, began) = (self.bench.gauges().await?, Instant::now());
            let rebuilt = projections::rebuild(store, name, |_| {}).await.map_err(failed)?;
            let driven = Driven { elapsed: began.elapsed(), micros: Vec::new(), units: rebuilt.position };
            let after = self.bench.gauges().await?;
            if !rebuilt.equal() {
                return Err(Failure::failed(format!("the projection {name} came out differently")));
            }
            all.push(
                Measurement::new("projections", driven, 1)
                    .of(format!("{name} rebuilt"))
                    .between(&before, &after),
            );
        }
        Ok(all)
    }

    /// Reads over HTTP, each of which must succeed.
    pub async fn reads(&self, context: &Context) -> Result<Vec<Measurement>, Failure> {
        let server = self.serve().await?;
        let callers = Callers::start(context.cores)?;
        let mut citizens = Vec::new();
        for person in self.people.iter().take(READERS) {
            citizens.push(Http::new(&self.bench, &server, &callers, Who::Citizen(*person)).await?);
        }
        let citizens = Arc::new(citizens);
        let (register, entries) = (&self.register, self.entries);
        let account: Path = Arc::new(|_| "/v1/account/records".to_owned());
        let of = |suffix: String| format!("/v1/registers/{register}/{suffix}");
        let (number, receipt) = (of("numbers/99-".to_owned()), of("entries/".to_owned()));
        let (hashes, bundle) = (of("tile/0/".to_owned()), of("tile/entries/".to_owned()));
        let mut paths: Vec<(&str, Path)> = vec![
            ("account", account),
            ("number", Arc::new(move |at| format!("{number}{:08}", at % entries))),
            ("receipt", Arc::new(move |at| format!("{receipt}{}/receipt", at % entries))),
        ];
        if entries >= TILE {
            let full = entries / TILE;
            paths.push(("tile of hashes", Arc::new(move |at| format!("{hashes}{}", tile(at % full)))));
            paths.push(("tile of entries", Arc::new(move |at| format!("{bundle}{}", tile(at % full)))));
        }
        let mut all = Vec::new();
        for (what, path) in paths {
            for &callers in &context.callers {
                context.say(&format!("read: {what}, {callers} callers"));
                all.push(self.read(context, &citizens, path.clone(), callers).await?.of(what));
            }
        }
        // As large as what the account gave, and from the same threads.
        let document = citizens.first().ok_or_else(|| Failure::failed("there are no people"))?;
        let document = document.get("/v1/account/records").await?;
        all.extend(self.memory(context, &citizens, &document).await?);
        server.stop().await?;
        Ok(all)
    }

    async fn read(
        &self,
        context: &Context,
        clients: &Arc<Vec<Http>>,
        path: Path,
        callers: usize,
    ) -> Result<Measurement, Failure> {
        let on = clients.first().map(Http::on).ok_or_else(|| Failure::failed("there are no people"))?;
        let lanes = |calls: usize| (0..callers).map(|_| Forever(calls)).collect::<Vec<_>>();
        let next = Arc::new(AtomicU64::new(0));
        let clients = Arc::clone(clients);
        let call = move |()| {
            // A step that is prime to most counts, so that neighbours are not read one after the other.
            let at = next.fetch_add(1, Ordering::Relaxed);
            let client = clients[usize::try_from(at).unwrap_or(0) % clients.len()].clone();
            let path = path(at.wrapping_mul(7_919));
            async move { client.get(&path).await.map(|_| 1) }
        };
        drive(&on, lanes(2), Until::Done, call.clone()).await?;
        let before = self.bench.gauges().await?;
        let driven = drive(&on, lanes(CALLS_MAX), Until::Time(context.seconds), call).await?;
        let after = self.bench.gauges().await?;
        Ok(Measurement::new("read", driven, callers).between(&before, &after))
    }

    /// The same document from memory, through the same HTTP: what no account can be faster than.
    async fn memory(
        &self,
        context: &Context,
        clients: &Arc<Vec<Http>>,
        document: &[u8],
    ) -> Result<Vec<Measurement>, Failure> {
        let document: Value =
            serde_json::from_slice(document).map_err(|error| Failure::because("the account", &error))?;
        let failed = |error: std::io::Error| Failure::because("a socket", &error);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let answer = async |State(document): State<Arc<Value>>| axum::Json(document);
        let router = Router::new().route("/", get(answer)).with_state(Arc::new(document));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(api::serve_router(api::Listening::new(listener), router, async {
            let _ = stopped.await;
        }));
        let clients = Arc::new(clients.iter().map(|client| client.at(&url)).collect());
        let mut all = Vec::new();
        for &callers in &context.callers {
            context.say(&format!("limit: JSON from memory, {callers} callers"));
            let mut measured = self.read(context, &clients, Arc::new(|_| "/".to_owned()), callers).await?;
            measured.section = "limit";
            all.push(measured.of("JSON from memory"));
        }
        drop((stop, clients));
        serving.await.map_err(|error| Failure::because("a server has ended", &error))?;
        Ok(all)
    }

    /// Everything verified: over HTTP, and from archives.
    pub async fn audits(&self, context: &Context) -> Result<Vec<Measurement>, Failure> {
        let server = self.serve().await?;
        context.say("audit: over HTTP");
        let client = Trust::default().client(TIMEOUT)?;
        let over_http =
            self.audit(Target::Server { url: server.url.clone(), credential: None, client }).await;
        let over_http = over_http.map(|audited| audited.of("over HTTP"))?;
        let directory = context.places.directory()?;
        let store = &self.bench.opened.store;
        let failed = |error: export::ExportError| Failure::because("an archive", &error);
        let notes = export::shown(store).await.map_err(failed)?;
        let mut files = Vec::new();
        context.say("audit: archives written");
        let (before, began) = (self.bench.gauges().await?, Instant::now());
        for register in notes.keys() {
            let file = directory.path().join(format!("{register}.tar"));
            let draft = Draft::open(store, register, &file, &notes).await.map_err(failed)?;
            draft.finish(Progress::Silent).await.map_err(failed)?;
            files.push(file);
        }
        let units = self.position().await?;
        let driven = Driven { elapsed: began.elapsed(), micros: Vec::new(), units };
        let written = Measurement::new("archive", driven, 1)
            .of("written")
            .between(&before, &self.bench.gauges().await?);
        context.say("audit: of archives");
        let of_archives = self.audit(Target::Archives(files)).await?.of("of archives");
        server.stop().await?;
        Ok(vec![over_http, written, of_archives])
    }

    async fn audit(&self, target: Target) -> Result<Measurement, Failure> {
        let request = audit::Request { target, register: None, state: None, policy: None };
        let (before, began) = (self.bench.gauges().await?, Instant::now());
        let report = audit::run(&request, Progress::Silent).await;
        let report = report.map_err(|error| Failure::because("an audit", &error))?;
        let elapsed = began.elapsed();
        if !report.verified {
            return Err(Failure::failed(format!("the audit found faults:\n{report}")));
        }
        let units = report.registers.iter().map(|register| register.entries).sum();
        let driven = Driven { elapsed, micros: Vec::new(), units };
        Ok(Measurement::new("audit", driven, 1).between(&before, &self.bench.gauges().await?))
    }
}

/// Path of the n-th call.
type Path = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// So many calls, none of which is there before it is made.
struct Forever(usize);

impl IntoIterator for Forever {
    type Item = ();
    type IntoIter = std::iter::RepeatN<()>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::repeat_n((), self.0)
    }
}

/// Path of a full tile with that index, as C2SP tlog-tiles write it: three digits a part.
fn tile(index: u64) -> String {
    let mut text = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1_000);
        rest /= 1_000;
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn tiles_have_the_paths_that_are_served() {
        assert_eq!(super::tile(5), "005");
        assert_eq!(super::tile(1_234_067), "x001/x234/067");
    }
}
