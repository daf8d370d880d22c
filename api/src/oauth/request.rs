//! What a client asks a person for (RFC 6749 section 4.1.1): read, and checked against what there is.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proofs::slug::Slug;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::client::{self, Client};
use super::encoding::Parameters;
use crate::consents::{REGISTERS_MAX, may_be_opened};
use crate::http::AppState;
use crate::problem::Problem;
use crate::registry::Knowledge;

/// Bytes of `state`: clients put a random word or a signed one there.
const STATE_BYTES_MAX: usize = 1_000;
/// Characters of a purpose, as of any access.
const PURPOSE_CHARS: std::ops::RangeInclusive<usize> = 3..=300;

/// The parameters of an authorisation request. Others are ignored (RFC 6749 section 3.1).
#[derive(Debug, Clone, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// `code`.
    pub response_type: Option<String>,
    /// The client.
    pub client_id: Option<String>,
    /// One of its redirect addresses, exactly as it was registered.
    pub redirect_uri: Option<String>,
    /// Comes back as it is.
    pub state: Option<String>,
    /// SHA-256 of the verifier, base64url (RFC 7636).
    pub code_challenge: Option<String>,
    /// `S256`.
    pub code_challenge_method: Option<String>,
    /// The registers of which it asks, separated by spaces.
    pub scope: Option<String>,
    /// What for, as people will read it.
    pub purpose: Option<String>,
}

/// A request that is right.
#[derive(Debug)]
pub struct Request {
    /// Who asks.
    pub client: Client,
    /// Where the person is sent back to.
    pub redirect_uri: String,
    /// What comes back as it is.
    pub state: Option<String>,
    /// The challenge of the client's verifier.
    pub challenge: String,
    /// The registers that it asks for.
    pub registers: BTreeSet<Slug>,
    /// What for.
    pub purpose: String,
}

/// Why a request is not right.
#[derive(Debug)]
pub enum Wrong {
    /// It is not known who asks, or where to send the person: nobody is sent anywhere.
    Here(Problem),
    /// The client is told, by way of the person's browser (RFC 6749 section 4.1.2.1).
    There {
        /// Where to.
        redirect_uri: String,
        /// What comes back as it is.
        state: Option<String>,
        /// RFC 6749's word for it.
        error: &'static str,
        /// What is wrong.
        description: &'static str,
    },
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Here(problem) => problem,
            Wrong::There { error, description, .. } => {
                Self::invalid(format!("The client's request is not right: {error}, {description}."))
            }
        }
    }
}

impl Asked {
    /// From a query.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let found = Parameters::parse(query).ok_or_else(|| {
            Problem::invalid(
                "The query is no list of parameters in which each stands once (RFC 6749 section 3.1).",
            )
        })?;
        let get = |name: &str| found.get(name).map(str::to_owned);
        Ok(Self {
            response_type: get("response_type"),
            client_id: get("client_id"),
            redirect_uri: get("redirect_uri"),
            state: get("state"),
            code_challenge: get("code_challenge"),
            code_challenge_method: get("code_challenge_method"),
            scope: get("scope"),
            purpose: get("purpose"),
        })
    }

    /// Checks it. The client and its address come first: only then is there somewhere to say what else is wrong.
    pub async fn check(self, state: &AppState) -> Result<Request, Wrong> {
        let here = |detail: &str| Wrong::Here(Problem::invalid(detail));
        let id = self.client_id.as_deref().ok_or_else(|| here("`client_id` is missing."))?;
        let client = client::find(state.store(), id).await.map_err(|error| Wrong::Here(error.into()))?;
        let client = client.ok_or_else(|| here("No client that is registered here has this `client_id`."))?;
        let redirect_uri = self.redirect_uri.clone().filter(|uri| client.redirect_uris.contains(uri));
        let redirect_uri = redirect_uri
            .ok_or_else(|| here("`redirect_uri` is not one that the client registered, letter by letter."))?;
        if self.state.as_ref().is_some_and(|state| state.len() > STATE_BYTES_MAX) {
            return Err(here("`state` has more than 1,000 bytes."));
        }
        let knowledge = state.registry().knowledge();
        match self.rest(&knowledge) {
            Ok((challenge, registers, purpose)) => {
                Ok(Request { client, redirect_uri, state: self.state, challenge, registers, purpose })
            }
            Err((error, description)) => {
                Err(Wrong::There { redirect_uri, state: self.state, error, description })
            }
        }
    }

    fn rest(
        &self,
        knowledge: &Knowledge,
    ) -> Result<(String, BTreeSet<Slug>, String), (&'static str, &'static str)> {
        let request = |description| ("invalid_request", description);
        match self.response_type.as_deref() {
            Some("code") => {}
            Some(_) => return Err(("unsupported_response_type", "response_type is code")),
            None => return Err(request("response_type is missing")),
        }
        if self.code_challenge_method.as_deref() != Some("S256") {
            return Err(request("code_challenge_method is S256"));
        }
        let challenge = self.code_challenge.clone().unwrap_or_default();
        if URL_SAFE_NO_PAD.decode(&challenge).map_or(0, |bytes| bytes.len()) != 32 {
            return Err(request("code_challenge is a SHA-256 in base64url"));
        }
        let purpose = self.purpose.clone().unwrap_or_default();
        if !PURPOSE_CHARS.contains(&purpose.trim().chars().count()) || purpose.chars().any(char::is_control) {
            return Err(request("purpose is 3 to 300 characters, in words that people understand"));
        }
        let registers = registers(self.scope.as_deref().unwrap_or_default(), knowledge);
        let registers =
            registers.ok_or(("invalid_scope", "scope names registers that people may open, 1 to 100"))?;
        Ok((challenge, registers, purpose))
    }
}

fn registers(scope: &str, knowledge: &Knowledge) -> Option<BTreeSet<Slug>> {
    let mut registers = BTreeSet::new();
    for word in scope.split(' ').filter(|word| !word.is_empty()) {
        let slug: Slug = word.parse().ok()?;
        knowledge.definitions.current(&slug).filter(|in_force| may_be_opened(in_force))?;
        registers.insert(slug);
    }
    (1..=REGISTERS_MAX).contains(&registers.len()).then_some(registers)
}
