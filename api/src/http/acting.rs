//! Who acts, and for whom: the citizen of the token, for themselves or, with `On-Behalf-Of`, for another whom they
//! represent. Every endpoint of an account takes it, and so none can forget to ask.

use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::representation::{Mandate, Scope};
use projections::account::Holder;
use proofs::slug::Slug;
use serde_json::{Value, json};
use utoipa::IntoParams;
use uuid::Uuid;

use super::AppState;
use crate::auth::{Caller, Principal};
use crate::problem::{self, Problem};
use crate::registry::{FoldedStep, Knowledge};
use crate::representation;

pub use domain::representation::Whom;

/// The header's name.
pub const HEADER: &str = "on-behalf-of";

/// The header, as endpoints describe it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a parameter that `Acting` reads")]
pub struct OnBehalfOf {
    /// `person=<record in persons>` or `organisation=<OGRN>`: for whom one acts; nothing for oneself.
    #[param(rename = "On-Behalf-Of")]
    on_behalf_of: Option<String>,
}

/// Who acts, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// The citizen who acts: their record in `persons`.
    pub actor: Uuid,
    /// Whose account it is.
    pub whom: Whom,
    /// By which records the actor may act for another; nothing when it is their own account.
    pub basis: Option<Basis>,
}

/// By which records someone may act for another, and what for. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis(Vec<Ground>);

/// One record by which someone may act for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The register that has the record.
    pub register: Slug,
    /// The record.
    pub record: Uuid,
    /// What the actor may see by it.
    reads: Reach,
    /// Where the actor may act by it.
    acts: Reach,
}

/// The registers to which something extends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// All.
    All,
    /// These.
    Of(BTreeSet<Slug>),
}

impl Reach {
    fn includes(&self, register: &Slug) -> bool {
        match self {
            Self::All => true,
            Self::Of(registers) => registers.contains(register),
        }
    }

    /// Of a scope, by the definitions in force; of none when what is asked of it is not in it.
    fn of(scope: &Scope, granted: bool, knowledge: &Knowledge) -> Self {
        match (granted, scope.everything) {
            (false, _) => Self::Of(BTreeSet::new()),
            (true, true) => Self::All,
            (true, false) => {
                let definitions = knowledge.definitions.iter().map(|in_force| &in_force.definition);
                let covered = definitions.filter(|definition| scope.covers(definition));
                Self::Of(covered.map(|definition| definition.slug.clone()).collect())
            }
        }
    }
}

impl Basis {
    /// Of what lets someone act for another; nothing when nothing does.
    fn of(mandates: &[Mandate], knowledge: &Knowledge) -> Option<Self> {
        let ground = |mandate: &Mandate| Ground {
            register: mandate.register.clone(),
            record: mandate.record,
            reads: Reach::of(&mandate.scope, mandate.scope.reads, knowledge),
            acts: Reach::of(&mandate.scope, mandate.scope.acts, knowledge),
        };
        (!mandates.is_empty()).then(|| Self(mandates.iter().map(ground).collect()))
    }

    /// The record by which the actor sees this register.
    pub fn ground(&self, register: &Slug) -> Option<&Ground> {
        self.0.iter().find(|ground| ground.reads.includes(register))
    }

    fn acts(&self, register: &Slug) -> bool {
        self.0.iter().any(|ground| ground.acts.includes(register))
    }

    /// The registers that the actor may see; nothing when all.
    fn within(&self) -> Option<BTreeSet<Slug>> {
        let mut within = BTreeSet::new();
        for ground in &self.0 {
            match &ground.reads {
                Reach::All => return None,
                Reach::Of(registers) => within.extend(registers.iter().cloned()),
            }
        }
        Some(within)
    }
}

impl Acting {
    /// The person whose account it is; an organisation's account has not what the endpoint gives.
    pub fn person(&self) -> Result<Uuid, Problem> {
        match self.whom {
            Whom::Person(person) => Ok(person),
            Whom::Organisation { .. } => Err(Problem::not_found()),
        }
    }

    /// The number of the organisation whose account it is, if it is one's.
    pub fn organisation(&self) -> Option<&str> {
        match &self.whom {
            Whom::Person(_) => None,
            Whom::Organisation { ogrn } => Some(ogrn),
        }
    }

    /// The projection in which the account stands.
    pub fn projection(&self) -> &'static str {
        match self.whom {
            Whom::Person(_) => "account",
            Whom::Organisation { .. } => "organisations",
        }
    }

    /// Whose account it is, as projections ask it.
    pub fn holder(&self) -> Holder {
        match &self.whom {
            Whom::Person(person) => Holder::Person(*person),
            Whom::Organisation { ogrn } => Holder::Organisation(ogrn.clone()),
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

    /// The beginning of an action's body: who acts, and for whom when for another.
    pub fn by(&self) -> Value {
        let mut body = json!({ "by": self.actor });
        if let Some(whom) = self.on_behalf() {
            body["on_behalf"] = whom;
        }
        body
    }

    /// May the actor see what stands in this register? Of one's own, all; of another's, what the basis is for.
    pub fn sees(&self, register: &Slug) -> bool {
        !self.represents() || self.basis.as_ref().is_some_and(|basis| basis.ground(register).is_some())
    }

    /// The registers that the actor may see; nothing when all.
    pub fn within(&self) -> Option<BTreeSet<Slug>> {
        if !self.represents() {
            return None;
        }
        self.basis.as_ref().map_or_else(|| Some(BTreeSet::new()), Basis::within)
    }

    /// May the actor act, and not only read, where this register is concerned?
    pub fn acts(&self, register: &Slug) -> Result<(), Problem> {
        if !self.represents() || self.basis.as_ref().is_some_and(|basis| basis.acts(register)) {
            return Ok(());
        }
        let detail = format!("The record by which you act for another does not let you act in {register}.");
        Err(Problem::new(problem::FORBIDDEN, detail))
    }

    /// Did the record, after this step, concern whose account it is?
    pub fn concerned(&self, step: &FoldedStep) -> bool {
        match &self.whom {
            Whom::Person(person) => step.persons.contains(person),
            Whom::Organisation { ogrn } => step.organisations.contains(ogrn),
        }
    }
}

impl FromRequestParts<AppState> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        let actor = citizen(&caller)?;
        let whom = named(parts)?.unwrap_or(Whom::Person(actor));
        if whom == Whom::Person(actor) {
            return Ok(Self { actor, whom, basis: None });
        }
        let mandates = representation::mandates_for(state, actor, &whom).await?;
        let Some(basis) = Basis::of(&mandates, &state.registry().knowledge()) else {
            let detail = "No record says that you may act now for whom On-Behalf-Of names.";
            return Err(Problem::new(problem::FORBIDDEN, detail));
        };
        Ok(Self { actor, whom, basis: Some(basis) })
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
