//! Where signed entries go: a server over HTTP, or a local store.

use std::fs;
use std::time::Duration;

use api::registry::{Actor, AppendRequest, EntryRequest};
use proofs::slug::Slug;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::line::Prepared;
use crate::args::Append;
use crate::failure::{Failure, chain, refused};
use crate::wire::{self, Opened};

/// Times that a line is sent again when the server is busy or away: with the waits below, some minutes.
const ATTEMPTS: u32 = 8;
/// A server that asks for a longer wait is not waited for.
const WAIT_SECONDS_MAX: u64 = 60;

/// Where entries go.
pub enum Target {
    /// A server.
    Http {
        /// The client.
        client: reqwest::Client,
        /// The register's entries.
        url: String,
        /// Bearer token.
        token: String,
    },
    /// A store, opened here.
    Local {
        /// The store.
        opened: Box<Opened>,
        /// The register.
        register: Slug,
        /// The department.
        department: Slug,
    },
}

impl Target {
    /// The target that the command line names.
    pub async fn open(args: &Append) -> Result<Self, Failure> {
        let (Some(url), Some(file)) = (&args.url, &args.token_file) else {
            let opened = Box::new(wire::open(&args.store).await?);
            return Ok(Self::Local {
                opened,
                register: args.register.clone(),
                department: args.department.clone(),
            });
        };
        let token = fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("cannot read the token in {}: {error}", file.display()))
        })?;
        let client = args.trust.client(Duration::from_mins(1))?;
        let url = format!("{}/v1/registers/{}/entries", url.trim_end_matches('/'), args.register);
        Ok(Self::Http { client, url, token: token.trim().to_owned() })
    }

    /// Appends one entry. True when it was there already. The error says what to do.
    pub async fn append(&self, entry: Prepared) -> Result<bool, String> {
        match self {
            Self::Local { opened, register, department } => {
                let signed = EntryRequest::Signed {
                    statement: entry.statement.as_str().to_owned(),
                    body: entry.body,
                    salt: entry.salt,
                };
                let actor = Actor::local(department.clone());
                let mut request = AppendRequest::new(register.clone(), actor, vec![signed]);
                request.idempotency_key = Some(entry.idempotency_key);
                let outcomes = opened.registry.append(request).await.map_err(|refusal| refused(&refusal))?;
                Ok(outcomes.iter().all(|outcome| outcome.appended.replayed))
            }
            Self::Http { client, url, token } => post(client, url, token, &entry).await,
        }
    }

    /// Lets go of the store.
    pub async fn close(self) {
        if let Self::Local { opened, .. } = self {
            opened.store.close().await;
        }
    }
}

/// Posts an entry, again and again while the server is busy or away: the idempotency key makes that safe.
async fn post(client: &reqwest::Client, url: &str, token: &str, entry: &Prepared) -> Result<bool, String> {
    let body = json!({ "statement": entry.statement.as_str(), "body": entry.body, "salt": entry.salt });
    let mut said = String::new();
    for attempt in 0..ATTEMPTS {
        let sent = client
            .post(url)
            .bearer_auth(token)
            .header("idempotency-key", &entry.idempotency_key)
            .json(&body)
            .send()
            .await;
        let wait = match sent {
            Err(error) => {
                said = format!("no answer from {url}: {}", chain(&error));
                1 << attempt.min(5)
            }
            Ok(response) if busy(response.status()) => {
                let wait = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
                said = problem(response).await;
                wait.unwrap_or(1)
            }
            Ok(response) if response.status() == StatusCode::CREATED => {
                return Ok(response.headers().contains_key("idempotent-replayed"));
            }
            Ok(response) => return Err(problem(response).await),
        };
        tokio::time::sleep(Duration::from_secs(wait.min(WAIT_SECONDS_MAX))).await;
    }
    Err(format!("{said}; sending the file again continues where it stopped"))
}

fn busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY
    )
}

/// A problem document (RFC 9457) in one sentence, without what was sent.
async fn problem(response: reqwest::Response) -> String {
    let status = response.status();
    let problem: Value = response.json().await.unwrap_or(Value::Null);
    let said = |member: &str| problem.get(member).and_then(Value::as_str).map(str::to_owned);
    let mut parts: Vec<String> =
        [said("title"), said("detail"), said("action")].into_iter().flatten().collect();
    for fault in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let member = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
        parts.push(format!("{}: {}", member("pointer"), member("detail")));
    }
    format!("{status}: {}", parts.join("; "))
}
