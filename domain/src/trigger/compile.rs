//! A rule made ready: every expression parsed and checked, every bound held, or all that is wrong with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use proofs::slug::{EntryType, Slug};
use serde_json::Value;

use super::expression::{self, Expression, Names, Uses, VARIABLES};
use super::family::{BIRTHS, MARRIAGES};
use super::functions::{DIGITS, OURS};
use super::period::Period;
use super::rule::{CauseRule, EffectRule, ProvideRule, Rule, ServiceRule};
use crate::fault::{self, Fault};
use crate::platform::{OFFERS, PERSONS};

/// Names that a computed value cannot have: CEL reserves them, or they are functions.
const RESERVED: [&str; 33] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "type",
    "dyn",
    "size",
    "has",
];
/// Deepest that the body of what is provided nests: no register's definition comes near.
const BODY_DEPTH_MAX: usize = 16;

/// What has to be at hand to evaluate a rule for a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The registers of which a person's records are read: those that the rule reads, and, for relatives, births and
    /// marriages. `persons` is always needed.
    pub registers: BTreeSet<Slug>,
    /// Are relatives and their records needed too?
    pub family: bool,
    /// Is the addressee found by a step from the person named by the cause, whose relatives are then needed first?
    pub step: bool,
}

/// One expression of a rule, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) pointer: String,
    pub(super) expression: Expression,
}

/// The body of what is provided.
#[derive(Debug, Clone)]
pub(super) enum Template {
    Literal(Value),
    Computed(Placed),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
}

/// A rule that was checked.
#[derive(Debug)]
pub struct CompiledRule {
    rule: Rule,
    needs: Needs,
    period: Option<Period>,
    pub(super) lets: Vec<(String, Placed)>,
    pub(super) conditions: Vec<Placed>,
    pub(super) services: Vec<Vec<(String, Placed)>>,
    pub(super) body: Option<Template>,
    pub(super) uses: Uses,
}

impl CompiledRule {
    /// Reads and checks a rule. Answers with all that is wrong, sorted by place; pointers are into the rule.
    pub fn compile(json: &Value) -> Result<Arc<Self>, Vec<Fault>> {
        Self::of(Rule::from_json(json)?).map(Arc::new)
    }

    fn of(rule: Rule) -> Result<Self, Vec<Fault>> {
        let mut faults = consistency(&rule);
        let mut compiler = Compiler { names: names(&rule), uses: Uses::default(), faults: &mut faults };
        let lets = compiler.lets(&rule);
        let conditions = compiler.conditions(&rule.when);
        let services = compiler.services(&rule);
        let body = match &rule.effect {
            EffectRule::Provide(provide) => compiler.body(provide),
            _ => None,
        };
        let uses = compiler.uses;
        if !faults.is_empty() {
            faults.sort();
            return Err(faults);
        }
        let lets = rule.lets.iter().map(|rule| rule.name.clone()).zip(lets).collect();
        let period = match &rule.cause {
            CauseRule::Date(cause) => Some(cause.period()),
            CauseRule::Entry(_) => None,
        };
        Ok(Self { needs: needs(&rule), period, lets, conditions, services, body, uses, rule })
    }

    /// The rule as it is written.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// What has to be at hand to evaluate it.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Of a rule whose cause is a date: from the base to the day that falls due.
    pub fn period(&self) -> Option<Period> {
        self.period
    }

    /// Does an entry of this type in this register make it look?
    pub fn matches(&self, register: &Slug, entry_type: &EntryType) -> bool {
        match &self.rule.cause {
            CauseRule::Entry(cause) => cause.register == *register && cause.types.contains(entry_type),
            CauseRule::Date(_) => false,
        }
    }

    /// The members of `person` that its expressions name.
    pub(super) fn person_members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.expressions().flat_map(|placed| {
            let members = placed.expression.uses.person_members.iter();
            members.map(move |member| (placed.pointer.as_str(), member.as_str()))
        })
    }

    fn expressions(&self) -> impl Iterator<Item = &Placed> {
        let lets = self.lets.iter().map(|(_, placed)| placed);
        let services = self.services.iter().flatten().map(|(_, placed)| placed);
        lets.chain(&self.conditions).chain(services)
    }
}

/// What must hold beyond the form and the expressions.
fn consistency(rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, message: &str| faults.push(Fault::new(pointer, message));
    match &rule.cause {
        CauseRule::Date(cause) => {
            if cause.plus.is_some() && cause.minus.is_some() {
                fault("/cause/date/minus", "stands beside `plus`: one of them is enough");
            }
        }
        // Offers that are made of offers would never end.
        CauseRule::Entry(cause) if cause.register == *OFFERS => {
            for (at, entry_type) in cause.types.iter().enumerate() {
                let pointer = format!("/cause/entry/types/{at}");
                match entry_type.as_str() {
                    "proposed" | "provided" => {
                        fault(&pointer, "is made by rules themselves: a rule on it could go on for ever");
                    }
                    "expired" if rule.expires_days.is_some() => {
                        let message =
                            "goes on for ever where the rule's own offers expire: leave `expires_days` out";
                        fault(&pointer, message);
                    }
                    _ => {}
                }
            }
        }
        CauseRule::Entry(_) => {}
    }
    if rule.addressee.role.is_none() && *rule.cause.register() != *PERSONS {
        fault("/for", "is `person` only where the cause is in `persons`: name a role, as subject:holder");
    }
    if rule.in_force.until.is_some_and(|until| until < rule.in_force.from) {
        fault("/in_force/until", "is before `from`");
    }
    let mut seen: Vec<&str> = Vec::new();
    for (at, entry) in rule.lets.iter().enumerate() {
        let name = entry.name.as_str();
        let pointer = format!("/let/{at}/name");
        if VARIABLES.contains(&name) || RESERVED.contains(&name) || OURS.contains(&name) || name == DIGITS {
            fault(&pointer, "has a meaning of its own");
        } else if seen.contains(&name) {
            fault(&pointer, "stands twice");
        }
        seen.push(name);
    }
    let mut services: Vec<&Slug> = Vec::new();
    for (at, service) in rule.effect.services().iter().enumerate() {
        if services.contains(&&service.service) {
            fault(&format!("{}/service", service_at(rule, at)), "stands twice in the set");
        }
        services.push(&service.service);
    }
    faults
}

fn service_at(rule: &Rule, at: usize) -> String {
    match &rule.effect {
        EffectRule::Set(_) => format!("/effect/set/services/{at}"),
        _ => "/effect/offer".to_owned(),
    }
}

fn names(rule: &Rule) -> Names<'_> {
    Names {
        reads: rule.reads.iter().map(Slug::as_str).collect(),
        family: rule.family.iter().map(|kin| kin.as_str()).collect(),
        lets: Vec::new(),
        provides: false,
    }
}

fn needs(rule: &Rule) -> Needs {
    let mut registers: BTreeSet<Slug> = rule.reads.iter().cloned().collect();
    let family = !rule.family.is_empty();
    let step = rule.addressee.step.is_some();
    if family || step {
        registers.extend([BIRTHS, MARRIAGES].iter().filter_map(|name| name.parse().ok()));
    }
    Needs { registers, family, step }
}

struct Compiler<'r, 'f> {
    names: Names<'r>,
    uses: Uses,
    faults: &'f mut Vec<Fault>,
}

impl<'r> Compiler<'r, '_> {
    /// An expression at its place; of a wrong one, the fault.
    fn placed(&mut self, pointer: String, source: &str) -> Option<Placed> {
        match expression::compile(source, &self.names) {
            Ok(expression) => {
                self.uses.join(&expression.uses);
                Some(Placed { pointer, expression })
            }
            Err(message) => {
                self.faults.push(Fault::new(pointer, message));
                None
            }
        }
    }

    fn lets(&mut self, rule: &'r Rule) -> Vec<Placed> {
        let mut lets = Vec::with_capacity(rule.lets.len());
        for (at, entry) in rule.lets.iter().enumerate() {
            lets.extend(self.placed(format!("/let/{at}/is"), &entry.is));
            self.names.lets.push(&entry.name);
        }
        lets
    }

    fn conditions(&mut self, when: &str) -> Vec<Placed> {
        let pointer = "/when";
        // Parsed as a whole first, so that a message has the place in the whole.
        if self.placed(pointer.to_owned(), when).is_none() {
            return Vec::new();
        }
        let conditions = expression::conditions(when).unwrap_or_default();
        conditions.into_iter().filter_map(|condition| self.placed(pointer.to_owned(), condition)).collect()
    }

    fn services(&mut self, rule: &Rule) -> Vec<Vec<(String, Placed)>> {
        let services = rule.effect.services().iter().enumerate();
        services
            .map(|(at, service)| {
                let pointer = format!("{}/values", service_at(rule, at));
                self.values(service, &pointer)
            })
            .collect()
    }

    fn values(&mut self, service: &ServiceRule, pointer: &str) -> Vec<(String, Placed)> {
        let mut values = Vec::with_capacity(service.values.len());
        for (name, source) in &service.values {
            let placed = self.placed(fault::join(pointer, name), source);
            values.extend(placed.map(|placed| (name.clone(), placed)));
        }
        values
    }

    fn body(&mut self, provide: &ProvideRule) -> Option<Template> {
        self.names.provides = true;
        let body = self.template(&Value::Object(provide.body.clone()), "/effect/provide/body", 0);
        self.names.provides = false;
        body
    }

    fn template(&mut self, json: &Value, pointer: &str, depth: usize) -> Option<Template> {
        if depth > BODY_DEPTH_MAX {
            self.faults.push(Fault::new(pointer, format!("nests deeper than {BODY_DEPTH_MAX}")));
            return None;
        }
        match json {
            Value::String(text) => match text.strip_prefix('=') {
                Some(source) => self.placed(pointer.to_owned(), source).map(Template::Computed),
                None => Some(Template::Literal(json.clone())),
            },
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items.map(|(at, item)| self.template(item, &fault::join(pointer, at), depth + 1));
                items.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Template::Array)
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, member)| {
                    let member = self.template(member, &fault::join(pointer, name), depth + 1)?;
                    Some((name.clone(), member))
                });
                members.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Template::Object)
            }
            literal => Some(Template::Literal(literal.clone())),
        }
    }
}
