//! Evaluation: a rule, a cause, a person and a day give one verdict, always the same.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Value as CelValue};
use chrono::{Days, NaiveDate};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::cause::Cause;
use super::compile::{CompiledRule, Placed, Template};
use super::family::relatives;
use super::functions::{self, NOT_A_DATE, Seed};
use super::rule::{EffectRule, Rule};
use super::scene::Source;
use super::stage::Stage;
use super::value::{self, Budget, NoValue};

/// CEL's own functions. Made once: it is the same for all, and takes longer than an evaluation.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What a rule says of a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The condition holds.
    Holds(Box<Proposal>),
    /// It does not.
    Fails(Box<Failure>),
}

/// What is proposed, or provided.
#[derive(Clone, PartialEq)]
pub struct Proposal {
    /// The computed values: the evidence.
    pub values: Map<String, Value>,
    /// For each service of the rule, in order, what its application is prefilled with.
    pub prefilled: Vec<Map<String, Value>>,
    /// The last day of the offer.
    pub expires_on: Option<NaiveDate>,
}

impl std::fmt::Debug for Proposal {
    /// No value: they are personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proposal({} values, {} services)", self.values.len(), self.prefilled.len())
    }
}

/// Which condition does not hold.
#[derive(Clone, PartialEq)]
pub struct Failure {
    /// JSON Pointer into the rule.
    pub pointer: String,
    /// The expression that is false or has no value.
    pub condition: String,
    /// What is not there, when that is why.
    pub missing: Option<String>,
    /// The values computed so far.
    pub values: Map<String, Value>,
}

impl std::fmt::Debug for Failure {
    /// No value: they are personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Failure({} `{}` missing {:?})", self.pointer, self.condition, self.missing)
    }
}

/// A rule could not be evaluated: an expression of it does not suit what the registers say. Has nothing of them in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub struct EvalError {
    /// JSON Pointer into the rule.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// Why a cause does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    /// Its day is outside the time in which the rule is in force.
    OutOfForce,
    /// It took effect too long before it was recorded.
    NotFresh,
    /// The record is in no status that the rule looks at.
    Status,
}

impl CompiledRule {
    /// Does the cause count, by the rule's term, the age of the fact, and the record's status?
    pub fn admits(&self, cause: &Cause) -> Result<(), Unfit> {
        if !self.rule().in_force.contains(cause.date()) {
            return Err(Unfit::OutOfForce);
        }
        self.suits(cause)
    }

    /// The same, whenever the rule is in force: for a rule that is tried out on the past.
    pub fn suits(&self, cause: &Cause) -> Result<(), Unfit> {
        match cause {
            Cause::Entry(cause) => {
                let fresh = Days::new(self.rule().fresh_days.into());
                let last = cause.effective_at.date().checked_add_days(fresh);
                if last.is_some_and(|last| last < cause.recorded_at.date()) {
                    return Err(Unfit::NotFresh);
                }
            }
            Cause::Date(cause) => {
                if !self.looks_at(&cause.of) {
                    return Err(Unfit::Status);
                }
            }
        }
        Ok(())
    }

    /// The people whom the rule looks at for this cause, in the order of their identifiers: those who have an account in
    /// force.
    pub fn addressees(&self, cause: &Cause, source: &dyn Source) -> Vec<Uuid> {
        let record = cause.record();
        let addressee = &self.rule().addressee;
        let named: Vec<Uuid> = match &addressee.role {
            None => vec![record.record],
            Some(role) => record.in_role(role).collect(),
        };
        let mut people = match addressee.step {
            None => named,
            Some(step) => named.iter().flat_map(|person| relatives(source, *person).of(step)).collect(),
        };
        people.retain(|person| source.person(*person).is_some_and(|person| person.in_force));
        people.sort();
        people.dedup();
        people
    }

    /// What the rule says of a person, for a cause, on a day.
    pub fn evaluate(
        &self,
        cause: &Cause,
        addressee: Uuid,
        source: &dyn Source,
        today: NaiveDate,
    ) -> Result<Verdict, EvalError> {
        let mut context = self.context(cause, addressee, source, today, None)?;
        let values = match self.lets(&mut context)? {
            Ok(values) => values,
            Err(failure) => return Ok(Verdict::Fails(Box::new(failure))),
        };
        if let Some(failure) = self.failing(&context, &values)? {
            return Ok(Verdict::Fails(Box::new(failure)));
        }
        let mut prefilled = Vec::with_capacity(self.services.len());
        for service in &self.services {
            let mut filled = Map::new();
            for (name, placed) in service {
                // What is not there is left for the person to fill in.
                if let Some(value) = present(placed, &context)? {
                    filled.insert(name.clone(), value);
                }
            }
            prefilled.push(filled);
        }
        let days = self.rule().expires_days.map(u64::from).map(Days::new);
        let expires_on = days.and_then(|days| today.checked_add_days(days));
        Ok(Verdict::Holds(Box::new(Proposal { values, prefilled, expires_on })))
    }

    /// The body of what the rule provides; `None` when it provides nothing. `attempt` makes other digits, when a number was
    /// taken.
    pub fn provided_body(
        &self,
        cause: &Cause,
        addressee: Uuid,
        source: &dyn Source,
        today: NaiveDate,
        (key, attempt): (&str, u32),
    ) -> Result<Option<Value>, EvalError> {
        let Some(body) = &self.body else { return Ok(None) };
        let mut context = self.context(cause, addressee, source, today, Some(Seed { key, attempt }))?;
        match self.lets(&mut context)? {
            Ok(_) => fill(body, &context),
            Err(failure) => {
                let message = "has no value, for what it asks of is not there".to_owned();
                Err(EvalError { pointer: failure.pointer, message })
            }
        }
    }

    fn context(
        &self,
        cause: &Cause,
        addressee: Uuid,
        source: &dyn Source,
        today: NaiveDate,
        seed: Option<Seed<'_>>,
    ) -> Result<Context<'static, 'static>, EvalError> {
        let stage = Stage { rule: self.rule(), uses: &self.uses, cause, addressee, source, today };
        let variables = stage.variables(&mut Budget::new()).map_err(|_| EvalError {
            pointer: String::new(),
            message: "the account is larger than a rule may look at".to_owned(),
        })?;
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        functions::add(&mut context, today, seed);
        for (name, value) in variables {
            context.add_variable_as_val(name, value);
        }
        Ok(context)
    }

    /// Computes the values, and adds each to the context; a value that needs what is not there is a condition that fails.
    fn lets(
        &self,
        context: &mut Context<'static, 'static>,
    ) -> Result<Result<Map<String, Value>, Failure>, EvalError> {
        let mut values = Map::new();
        for (name, placed) in &self.lets {
            let value = match resolve(placed, context)? {
                Found::Value(value) => value,
                Found::Missing(missing) => {
                    return Ok(Err(failure(placed, Some(missing), &values)));
                }
            };
            let seen = value::seen(&value, &mut Budget::new())
                .map_err(|_| wrong(placed, "computes more than a value may hold"))?;
            context.add_variable_as_val(name.as_str(), seen);
            values.insert(name.clone(), value);
        }
        Ok(Ok(values))
    }

    /// The first condition that is false; if none is, the first that has no value. As in CEL, where one is false it does not
    /// matter that another has none.
    fn failing(
        &self,
        context: &Context<'_, '_>,
        values: &Map<String, Value>,
    ) -> Result<Option<Failure>, EvalError> {
        let mut unknown = None;
        for placed in &self.conditions {
            match resolve(placed, context) {
                Ok(Found::Value(Value::Bool(true))) => {}
                Ok(Found::Value(Value::Bool(false))) => return Ok(Some(failure(placed, None, values))),
                Ok(Found::Value(_)) => {
                    let error = wrong(placed, "is neither true nor false");
                    unknown.get_or_insert(Err(error));
                }
                Ok(Found::Missing(missing)) => {
                    unknown.get_or_insert_with(|| Ok(failure(placed, Some(missing), values)));
                }
                Err(error) => drop(unknown.get_or_insert(Err(error))),
            }
        }
        unknown.transpose()
    }
}

/// The rule's title and the titles of its services beside what they are prefilled with, as the body of an offer says them.
pub(super) fn effect(rule: &Rule, proposal: &Proposal) -> Value {
    let services = rule.effect.services().iter().zip(&proposal.prefilled).map(|(service, values)| {
        serde_json::json!({
            "service": service.service, "title": service.title, "department": service.department, "values": values,
        })
    });
    let mut effect = serde_json::json!({"kind": rule.effect.as_str()});
    match &rule.effect {
        EffectRule::Offer(_) | EffectRule::Set(_) => effect["services"] = services.collect(),
        EffectRule::Provide(provide) => {
            effect["outcome"] = serde_json::json!({"register": provide.register, "type": provide.entry_type});
        }
        EffectRule::Inform(_) => {}
    }
    effect
}

enum Found {
    Value(Value),
    Missing(String),
}

fn failure(placed: &Placed, missing: Option<String>, values: &Map<String, Value>) -> Failure {
    Failure {
        pointer: placed.pointer.clone(),
        condition: placed.expression.source.clone(),
        missing,
        values: values.clone(),
    }
}

fn wrong(placed: &Placed, message: &str) -> EvalError {
    EvalError { pointer: placed.pointer.clone(), message: message.to_owned() }
}

fn resolve(placed: &Placed, context: &Context<'_, '_>) -> Result<Found, EvalError> {
    match CelValue::resolve_val(&placed.expression.parsed, context) {
        Ok(value) => match value::result(value.as_ref()) {
            Ok(value) => Ok(Found::Value(value)),
            Err(NoValue::Kind) => Err(wrong(placed, "computes what is no value of JSON")),
            Err(NoValue::TooLarge) => Err(wrong(placed, "computes more than a value may hold")),
        },
        Err(error) => told(placed, &error),
    }
}

/// Of the crate's errors only the kind is told: their texts quote values. A name is told when the rule itself writes it.
fn told(placed: &Placed, error: &ExecutionError) -> Result<Found, EvalError> {
    match error {
        ExecutionError::NoSuchKey(name) => {
            let is_written = placed.expression.source.contains(name.as_str());
            Ok(Found::Missing(if is_written { name.to_string() } else { "a member".to_owned() }))
        }
        ExecutionError::IndexOutOfBounds(_) => Ok(Found::Missing("an item of a list".to_owned())),
        ExecutionError::NoSuchOverload(overload) => {
            let message =
                format!("applies `{}` to {}", overload.function(), overload.argument_types().join(" and "));
            Err(wrong(placed, &message))
        }
        ExecutionError::FunctionError { function, message } if message == NOT_A_DATE => {
            Err(wrong(placed, &format!("gives `{function}` what is no date: {NOT_A_DATE}")))
        }
        ExecutionError::FunctionError { function, .. } => {
            Err(wrong(placed, &format!("`{function}` cannot be computed")))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            Err(wrong(placed, "divides by zero"))
        }
        ExecutionError::Overflow(..) => Err(wrong(placed, "computes a number that is too large")),
        _ => Err(wrong(placed, "does not suit the values that it is given")),
    }
}

/// The value, or nothing where what it asks of is not there.
fn present(placed: &Placed, context: &Context<'_, '_>) -> Result<Option<Value>, EvalError> {
    Ok(match resolve(placed, context)? {
        Found::Value(Value::Null) | Found::Missing(_) => None,
        Found::Value(value) => Some(value),
    })
}

fn fill(template: &Template, context: &Context<'_, '_>) -> Result<Option<Value>, EvalError> {
    match template {
        Template::Literal(value) => Ok(Some(value.clone())),
        Template::Computed(placed) => present(placed, context),
        Template::Array(items) => {
            let mut filled = Vec::with_capacity(items.len());
            for item in items {
                filled.extend(fill(item, context)?);
            }
            Ok(Some(Value::Array(filled)))
        }
        Template::Object(members) => {
            let mut filled = BTreeMap::new();
            for (name, member) in members {
                if let Some(value) = fill(member, context)? {
                    filled.insert(name.clone(), value);
                }
            }
            Ok(Some(Value::Object(filled.into_iter().collect())))
        }
    }
}
