//! Who acts, and for whom: the citizen of the token, for themselves or, with `On-Behalf-Of`, for another whom they
//! represent. Every endpoint of an account takes it, and so none can forget to ask.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use super::AppState;
use crate::auth::{Caller, Principal};
use crate::problem::{self, Problem};

/// The header's name.
pub const HEADER: &str = "on-behalf-of";

/// Who acts, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// The citizen who acts: their record in `persons`.
    pub actor: Uuid,
    /// Whose account it is.
    pub whom: Whom,
    /// By which record the actor may act for another; nothing when it is their own account.
    pub basis: Option<Basis>,
}

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A person's: their record in `persons`.
    Person(Uuid),
    /// An organisation's.
    Organisation {
        /// Its number in the register of legal entities.
        ogrn: String,
    },
}

/// By which record someone may act for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// The register that has the record.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
}

impl Acting {
    /// The person whose account it is; an organisation's account has not what the endpoint gives.
    pub fn person(&self) -> Result<Uuid, Problem> {
        match self.whom {
            Whom::Person(person) => Ok(person),
            Whom::Organisation { .. } => Err(Problem::not_found()),
        }
    }

    /// Does the actor act for another?
    pub fn represents(&self) -> bool {
        self.whom != Whom::Person(self.actor)
    }

    /// For whom, as the bodies of actions record it beside `by`; nothing when it is oneself.
    pub fn on_behalf(&self) -> Option<Value> {
        self.represents().then(|| match &self.whom {
            Whom::Person(person) => json!({ "person": person }),
            Whom::Organisation { ogrn } => json!({ "organisation": ogrn }),
        })
    }

    /// May the actor see what stands in this register? Of one's own, all; of another's, what the basis is for.
    pub fn sees(&self, _register: &Slug) -> bool {
        true
    }

    /// May the actor act, and not only read, where this register is concerned?
    pub fn acts(&self, _register: &Slug) -> Result<(), Problem> {
        Ok(())
    }
}

impl FromRequestParts<AppState> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        let actor = citizen(&caller)?;
        let whom = match named(parts)? {
            None => return Ok(Self { actor, whom: Whom::Person(actor), basis: None }),
            Some(whom) => whom,
        };
        if whom == Whom::Person(actor) {
            return Ok(Self { actor, whom, basis: None });
        }
        Err(Problem::new(problem::FORBIDDEN, "No record says that you may act for whom On-Behalf-Of names."))
    }
}

/// The person who asks: a citizen, and nobody else.
pub fn citizen(caller: &Caller) -> Result<Uuid, Problem> {
    match caller.principal {
        Principal::Citizen { person } => Ok(person),
        // In office a person is not who they are at home: what concerns them is not their department's affair.
        Principal::Official { .. } => Err(Problem::new(
            problem::FORBIDDEN,
            "This token is for work in a department. Officials read their own account with a citizen's token.",
        )),
        _ => Err(Problem::new(
            problem::FORBIDDEN,
            "An account belongs to a person, who reads it with a citizen's token; this token stands for none.",
        )),
    }
}

/// Whom `On-Behalf-Of` names.
fn named(parts: &Parts) -> Result<Option<Whom>, Problem> {
    let bad =
        || Problem::invalid("`On-Behalf-Of` is `person=<record in persons>` or `organisation=<OGRN>`, once.");
    let mut values = parts.headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad());
    }
    let text = value.to_str().map_err(|_| bad())?;
    parse(text).ok_or_else(bad).map(Some)
}

fn parse(text: &str) -> Option<Whom> {
    let (kind, name) = text.trim().split_once('=')?;
    match kind {
        "person" => name.parse().ok().map(Whom::Person),
        "organisation" => {
            domain::checks::ogrn_valid(name).ok().map(|()| Whom::Organisation { ogrn: name.to_owned() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_a_person_or_an_organisation() {
        let person = Uuid::from_u128(7);
        assert_eq!(parse(&format!(" person={person} ")), Some(Whom::Person(person)));
        let ogrn = "1027700132195";
        assert_eq!(parse("organisation=1027700132195"), Some(Whom::Organisation { ogrn: ogrn.to_owned() }));
        for bad in ["", "person", "person=", "person=1", "organisation=1027700132194", "Person=x", "office=1"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
