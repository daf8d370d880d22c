//! What an audit reads from a server, over HTTP.

use std::io;
use std::time::Duration;

use proofs::body::Salt;
use proofs::slug::Slug;
use proofs::tile::TilePath;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::archive::Raw;
use super::report::RegisterReport;
use crate::why::Why;

/// A response larger than this is not read: the largest legitimate one is a page of bodies.
const RESPONSE_BYTES_MAX: usize = 64 << 20;
/// Entries asked for in one page: the size of a bundle.
const PAGE: u64 = 256;
/// A server that says nothing for so long cannot be checked.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Requests that a busy server is sent, and the longest wait between two that it may ask for.
const ATTEMPTS: u32 = 30;
const WAIT_SECONDS_MAX: u64 = 30;

/// Why nothing can be said about a server: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum CouldNotCheck {
    /// No answer, or one that broke off.
    #[error("could not read {url}: {source}; check the address and that the server is running")]
    Http {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// An answer other than 200.
    #[error("{url} answered {status}, so the audit cannot go on")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// An answer that is not of the form the API has.
    #[error("{url} answered something that is not a Reestr server's answer: {what}")]
    Unexpected {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file that is no archive, or cannot be read.
    #[error("{path}: {what}")]
    Archive {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// `--register` names none of the server's registers.
    #[error("the server has no register {0:?}; GET /v1/registers lists those it has")]
    NoSuchRegister(String),
    /// The platform's registers kept changing while they were read.
    #[error("the registers of departments and definitions changed each time they were read; try again")]
    Restless,
    /// The state directory cannot be read or written.
    #[error("could not use the state in {path}: {what}")]
    State {
        /// The file.
        path: String,
        /// What went wrong.
        what: String,
    },
    /// What an audit puts aside does not fit, or cannot be read again.
    #[error("could not use a temporary file in {path}: {what}; TMPDIR names another directory")]
    Temporary {
        /// The directory.
        path: String,
        /// What went wrong.
        what: String,
    },
    /// The work itself broke off.
    #[error("the work broke off: {0}")]
    Broken(String),
    /// The address is not a URL.
    #[error("{0:?} is not a URL such as https://registers.example.gov")]
    Url(String),
}

impl CouldNotCheck {
    /// A temporary file that failed.
    pub fn temporary(error: &io::Error) -> Self {
        Self::Temporary { path: std::env::temp_dir().display().to_string(), what: error.to_string() }
    }
}

/// The bodies of some entries as they were read: whoever checks them parses them, off the async threads.
pub enum Listing {
    /// A page of a list, and where it was asked for.
    Page {
        /// What was asked for.
        url: String,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// Entries that were asked for one by one.
    Entries(Vec<Served>),
    /// Lines of an archive.
    Lines(Raw),
}

impl Listing {
    /// How many bytes were read, where it is known.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Page { bytes, .. } => bytes.len(),
            Self::Entries(_) => 0,
            Self::Lines(lines) => lines.bytes(),
        }
    }

    /// Parses it. What is wrong with the form of an archive's lines goes to the report.
    pub fn read(self, report: &mut RegisterReport) -> Result<Vec<Served>, CouldNotCheck> {
        match self {
            Self::Page { url, bytes } => {
                let page: Result<Page<Served>, _> = serde_json::from_slice(&bytes);
                let what =
                    |error: serde_json::Error| CouldNotCheck::Unexpected { url, what: error.to_string() };
                page.map(|page| page.items).map_err(what)
            }
            Self::Entries(served) => Ok(served),
            Self::Lines(lines) => Ok(lines.parse(report)),
        }
    }
}

/// The private half of an entry as served, for those who may see it.
#[derive(Deserialize)]
pub struct Served {
    /// Leaf index.
    pub index: u64,
    /// The statement as listed: must be the leaf's. A server must say it; an archive has it in the leaf alone.
    #[serde(deserialize_with = "said")]
    pub statement: Option<String>,
    /// When it was recorded, as listed: must be the leaf's too.
    #[serde(default)]
    pub recorded_at: Option<String>,
    /// The body, if it may be seen.
    #[serde(default, deserialize_with = "raw")]
    pub body: Option<Box<str>>,
    /// Its salt.
    pub salt: Option<Salt>,
    /// Whether the body is known to stand in canonical form.
    #[serde(skip)]
    pub canonical: bool,
}

fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn raw<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    Ok(Option::<Box<RawValue>>::deserialize(deserializer)?.map(Into::into))
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Listed {
    slug: Slug,
}

/// Whether an answer is evidence: the checkpoint promises the thing, and the server has not got it, or cannot read it.
/// A server that is merely busy or away answers otherwise.
fn is_fault(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::INTERNAL_SERVER_ERROR)
}

/// With what bodies are asked for.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Bearer token.
    pub token: String,
    /// Why: the server shows nobody's body to whoever does not say it.
    pub why: Why,
}

/// A client for one server.
pub struct Fetch {
    client: reqwest::Client,
    base: String,
    credential: Option<Credential>,
}

impl Fetch {
    /// A client for the server at `url`.
    pub fn new(
        url: &str,
        credential: Option<Credential>,
        client: reqwest::Client,
    ) -> Result<Self, CouldNotCheck> {
        let base = url.trim_end_matches('/').to_owned();
        if !(base.starts_with("http://") || base.starts_with("https://")) {
            return Err(CouldNotCheck::Url(url.to_owned()));
        }
        Ok(Self { client, base, credential })
    }

    /// The registers that the server says it has.
    pub async fn registers(&self) -> Result<Vec<Slug>, CouldNotCheck> {
        let page: Page<Listed> = self.json("/v1/registers").await?;
        Ok(page.items.into_iter().map(|item| item.slug).collect())
    }

    /// A register's checkpoint, as it is signed; empty where the server has none, or cannot read what it has.
    pub async fn checkpoint(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        match self.text(&format!("/v1/registers/{register}/checkpoint")).await {
            Err(CouldNotCheck::Status { status, .. }) if is_fault(status) => Ok(String::new()),
            answer => answer,
        }
    }

    /// A register's verifier key (vkey); empty where the server has none, or cannot read what it has.
    pub async fn key(&self, register: &Slug) -> Result<String, CouldNotCheck> {
        match self.text(&format!("/v1/registers/{register}/key")).await {
            Err(CouldNotCheck::Status { status, .. }) if is_fault(status) => Ok(String::new()),
            answer => Ok(answer?.trim_end().to_owned()),
        }
    }

    /// A tile or entry bundle; `None` where the server has none, or cannot read what it has.
    pub async fn tile(&self, register: &Slug, path: &TilePath) -> Result<Option<Vec<u8>>, CouldNotCheck> {
        match self.bytes(&format!("/v1/registers/{register}/{path}")).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(CouldNotCheck::Status { status, .. }) if is_fault(status) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Entries with the bodies that may be seen, so many from this index on. `None`: none may be seen at all.
    ///
    /// Where the server cannot read what it has, entries are asked for one by one, and those that it cannot show are
    /// left out: that is found by whoever compares the list with the log.
    pub async fn entries(
        &self,
        register: &Slug,
        from: u64,
        count: u64,
    ) -> Result<Option<Listing>, CouldNotCheck> {
        match self.page(register, from).await {
            Err(CouldNotCheck::Status { status: StatusCode::INTERNAL_SERVER_ERROR, .. }) => {}
            Err(CouldNotCheck::Status {
                status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND,
                ..
            }) => return Ok(None),
            answer => return answer.map(Some),
        }
        let mut served = Vec::new();
        for index in from..from + count {
            match self.json(&format!("/v1/registers/{register}/entries/{index}")).await {
                Ok(item) => served.push(item),
                Err(CouldNotCheck::Status { status, .. }) if is_fault(status) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Listing::Entries(served)))
    }

    async fn page(&self, register: &Slug, from: u64) -> Result<Listing, CouldNotCheck> {
        let after = from.checked_sub(1).map_or(String::new(), |after| format!("&after={after}"));
        let path = format!("/v1/registers/{register}/entries?limit={PAGE}{after}");
        let bytes = self.bytes(&path).await?;
        Ok(Listing::Page { url: format!("{}{path}", self.base), bytes })
    }

    async fn text(&self, path: &str) -> Result<String, CouldNotCheck> {
        let bytes = self.bytes(path).await?;
        String::from_utf8(bytes).map_err(|_| self.unexpected(path, "it is not UTF-8"))
    }

    async fn json<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, CouldNotCheck> {
        let bytes = self.bytes(path).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.unexpected(path, &error.to_string()))
    }

    fn unexpected(&self, path: &str, what: &str) -> CouldNotCheck {
        CouldNotCheck::Unexpected { url: format!("{}{path}", self.base), what: what.to_owned() }
    }

    /// Sends a request again while the server says that it is busy.
    async fn patient(
        &self,
        request: &reqwest::RequestBuilder,
        url: &str,
    ) -> Result<reqwest::Response, CouldNotCheck> {
        let mut attempt = 0;
        loop {
            let again = request.try_clone().ok_or_else(|| CouldNotCheck::Url(url.to_owned()))?;
            let sent = again.send().await;
            let response = sent.map_err(|source| CouldNotCheck::Http { url: url.to_owned(), source })?;
            let busy =
                matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            attempt += 1;
            if !busy || attempt == ATTEMPTS {
                return Ok(response);
            }
            let asked =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            tokio::time::sleep(Duration::from_secs(asked.unwrap_or(1).min(WAIT_SECONDS_MAX))).await;
        }
    }

    /// What stands at a path.
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, CouldNotCheck> {
        let url = format!("{}{path}", self.base);
        let failed = |source| CouldNotCheck::Http { url: url.clone(), source };
        let mut request = self.client.get(&url);
        if let Some(Credential { token, why }) = &self.credential {
            request = request.bearer_auth(token);
            request = request.header("purpose", &why.purpose).header("legal-basis", &why.legal_basis);
        }
        let mut response = self.patient(&request, &url).await?;
        if response.status() != StatusCode::OK {
            return Err(CouldNotCheck::Status { url, status: response.status() });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > RESPONSE_BYTES_MAX {
                return Err(self.unexpected(path, "it is larger than 64 MiB"));
            }
        }
        Ok(bytes)
    }
}
