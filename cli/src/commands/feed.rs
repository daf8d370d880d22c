//! `reestr feed`: the entries of a server, as they come.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proofs::slug::Slug;
use reqwest::StatusCode;
use serde_json::Value;

use crate::failure::Failure;
use crate::http::Trust;

/// Seconds that the server is asked to wait for entries; it takes 50 at most.
const WAIT_SECONDS: u32 = 50;
/// An answer that has not come by then does not come.
const TIMEOUT: Duration = Duration::from_mins(2);
/// The pause after a server was busy or away.
const PAUSE: Duration = Duration::from_secs(2);

/// `reestr feed`.
#[derive(Args)]
pub struct Feed {
    /// The server.
    #[arg(long, value_name = "URL")]
    url: String,
    /// Whom it trusts.
    #[command(flatten)]
    trust: Trust,
    /// File with a bearer token; without it, what everyone may see.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Entries after this position.
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// Only of this register.
    #[arg(long, value_name = "SLUG")]
    register: Option<Slug>,
    /// With the bodies that the token may see.
    #[arg(long)]
    bodies: bool,
    /// What for, where bodies that concern people are read in office.
    #[arg(long, value_name = "TEXT", requires = "bodies")]
    purpose: Option<String>,
    /// By which law.
    #[arg(long, value_name = "TEXT", requires = "purpose")]
    legal_basis: Option<String>,
    /// Go on with what comes, until interrupted.
    #[arg(long)]
    follow: bool,
}

/// What a page was.
enum Page {
    /// Its lines, and where the next begins.
    Whole(String, u64),
    /// The server is busy or away.
    Later(String),
}

/// Prints entries, one JSON object a line.
pub async fn run(args: Feed) -> Result<(), Failure> {
    let token = args.token_file.as_ref().map(|file| {
        fs::read_to_string(file)
            .map(|token| token.trim().to_owned())
            .map_err(|error| Failure::usage(format!("cannot read the token in {}: {error}", file.display())))
    });
    let token = token.transpose()?;
    let client = args.trust.client(TIMEOUT)?;
    let mut after = args.after;
    loop {
        match page(&client, &args, token.as_deref(), after).await? {
            Page::Whole(lines, next) => {
                // Whoever reads it may have had enough (`reestr feed … | head`): that is no fault.
                let mut out = std::io::stdout().lock();
                if out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_err() {
                    return Ok(());
                }
                if next == after && !args.follow {
                    return Ok(());
                }
                after = next;
            }
            Page::Later(why) if args.follow => {
                eprintln!("reestr: {why}; trying again");
                tokio::time::sleep(PAUSE).await;
            }
            Page::Later(why) => return Err(Failure::failed(why)),
        }
    }
}

async fn page(
    client: &reqwest::Client,
    args: &Feed,
    token: Option<&str>,
    after: u64,
) -> Result<Page, Failure> {
    let wait = if args.follow { WAIT_SECONDS } else { 0 };
    let mut url = format!(
        "{}/v1/entries?after={after}&wait={wait}&bodies={}",
        args.url.trim_end_matches('/'),
        args.bodies
    );
    if let Some(register) = &args.register {
        url.push_str("&register=");
        url.push_str(register.as_str());
    }
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    for (name, value) in [("purpose", &args.purpose), ("legal-basis", &args.legal_basis)] {
        if let Some(value) = value {
            request = request.header(name, api::accesses::value(value));
        }
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_builder() => {
            return Err(Failure::usage("--url is not the URL of a server"));
        }
        Err(_) => return Ok(Page::Later("the server does not answer".to_owned())),
    };
    let status = response.status();
    let Ok(text) = response.text().await else {
        return Ok(Page::Later("the answer broke off".to_owned()));
    };
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(Page::Later(format!("the server answers {status}")));
    }
    if !status.is_success() {
        return Err(Failure::failed(format!("the server answers {status}: {}", detail(&text))));
    }
    Ok(whole(&text).unwrap_or_else(|| Page::Later("the answer broke off".to_owned())))
}

/// A page without its last line, which says where the next begins; nothing when that line is missing.
fn whole(text: &str) -> Option<Page> {
    let text = text.strip_suffix('\n')?;
    let (lines, last) = text.rsplit_once('\n').map_or(("", text), |(lines, last)| (lines, last));
    let next = serde_json::from_str::<Value>(last).ok()?.get("next")?.as_u64()?;
    let lines = if lines.is_empty() { String::new() } else { format!("{lines}\n") };
    Some(Page::Whole(lines, next))
}

/// What a problem document says.
fn detail(text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    problem.get("detail").and_then(Value::as_str).unwrap_or("no reason").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_cut_off_is_no_page() {
        for (text, expected) in [
            ("{\"next\":7}\n", Some(("", 7))),
            ("{\"a\":1}\n{\"b\":2}\n{\"next\":9}\n", Some(("{\"a\":1}\n{\"b\":2}\n", 9))),
            ("{\"a\":1}\n{\"b\":2}\n", None),
            ("{\"a\":1}\n{\"next\":9}", None),
            ("", None),
        ] {
            let found = whole(text);
            let found = found.as_ref().map(|page| match page {
                Page::Whole(lines, next) => (lines.as_str(), *next),
                Page::Later(_) => unreachable!("whole gives whole pages"),
            });
            assert_eq!(found, expected, "{text}");
        }
    }
}
