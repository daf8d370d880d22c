//! A rule against the installation: does all exist that it names?

use proofs::slug::Slug;
use serde_json::Value;

use super::compile::CompiledRule;
use super::family::{BIRTHS, MARRIAGES};
use super::rule::{CauseRule, DateCause, EffectRule, EntryCause, ProvideRule, Rule};
use crate::definition::{Definition, Effect, PartyKind, TypeRule};
use crate::definitions::{Definitions, InForce};
use crate::departments::Departments;
use crate::fault::{self, Fault};
use crate::platform::PERSONS;

/// Everything that a rule names and the installation does not have, sorted by place. Pointers are into the rule.
pub fn check(compiled: &CompiledRule, definitions: &Definitions, departments: &Departments) -> Vec<Fault> {
    let mut check = Check { definitions, departments, faults: Vec::new() };
    let rule = compiled.rule();
    check.department(&rule.department, "/department");
    check.cause(rule);
    check.addressee(rule);
    for (at, register) in rule.reads.iter().enumerate() {
        check.register(register, &format!("/reads/{at}"));
    }
    check.relatives(rule);
    check.effect(rule);
    check.person_members(compiled);
    check.faults.sort();
    check.faults.dedup();
    check.faults
}

struct Check<'a> {
    definitions: &'a Definitions,
    departments: &'a Departments,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, message));
    }

    fn department(&mut self, department: &Slug, pointer: &str) {
        match self.departments.get(department) {
            None => self.fault(pointer, format!("there is no department `{department}`")),
            Some(found) if found.abolished => {
                self.fault(pointer, format!("the department `{department}` is abolished"));
            }
            Some(_) => {}
        }
    }

    fn known(&self, register: &str) -> Option<std::sync::Arc<InForce>> {
        self.definitions.current(&register.parse().ok()?)
    }

    fn register(&mut self, register: &Slug, pointer: &str) -> Option<std::sync::Arc<InForce>> {
        let found = self.definitions.current(register);
        if found.is_none() {
            self.fault(pointer, format!("there is no register `{register}`"));
        }
        found
    }

    fn cause(&mut self, rule: &Rule) {
        match &rule.cause {
            CauseRule::Entry(cause) => self.entry(cause),
            CauseRule::Date(cause) => self.date(cause),
        }
    }

    fn entry(&mut self, cause: &EntryCause) {
        let Some(in_force) = self.register(&cause.register, "/cause/entry/register") else { return };
        for (at, entry_type) in cause.types.iter().enumerate() {
            if in_force.definition.entry_type(entry_type.as_str()).is_none() {
                let message = format!("the register `{}` has no entry type `{entry_type}`", cause.register);
                self.fault(format!("/cause/entry/types/{at}"), message);
            }
        }
    }

    fn date(&mut self, cause: &DateCause) {
        let Some(in_force) = self.register(&cause.register, "/cause/date/register") else { return };
        let definition = &in_force.definition;
        if !has_member(definition, &cause.member) {
            let message =
                format!("no entry of `{}` gives its record a member `{}`", cause.register, cause.member);
            self.fault("/cause/date/member", message);
        }
        for (at, status) in cause.statuses.iter().flatten().enumerate() {
            if definition.status(status).is_none() {
                let message = format!("the register `{}` has no status `{status}`", cause.register);
                self.fault(format!("/cause/date/statuses/{at}"), message);
            }
        }
    }

    fn addressee(&mut self, rule: &Rule) {
        let Some(name) = &rule.addressee.role else { return };
        let register = rule.cause.register();
        let Some(in_force) = self.definitions.current(register) else { return };
        match in_force.definition.role(name) {
            Some(found) if found.kinds.contains(&PartyKind::Person) => {}
            Some(_) => self.fault("/for", format!("the role `{name}` of `{register}` is for organisations")),
            None => self.fault("/for", format!("the register `{register}` has no role `{name}`")),
        }
    }

    /// Relatives are known by births and marriages.
    fn relatives(&mut self, rule: &Rule) {
        for register in [BIRTHS, MARRIAGES] {
            if self.known(register).is_none() {
                let message = format!("needs the register `{register}`, which is not there");
                if !rule.family.is_empty() {
                    self.fault("/family", message.clone());
                }
                if rule.addressee.step.is_some() {
                    self.fault("/for", message);
                }
            }
        }
    }

    fn effect(&mut self, rule: &Rule) {
        match &rule.effect {
            EffectRule::Inform(_) => {}
            EffectRule::Offer(service) => self.department(&service.department, "/effect/offer/department"),
            EffectRule::Set(set) => {
                for (at, service) in set.services.iter().enumerate() {
                    self.department(&service.department, &format!("/effect/set/services/{at}/department"));
                }
            }
            EffectRule::Provide(provide) => self.provide(rule, provide),
        }
    }

    fn provide(&mut self, rule: &Rule, provide: &ProvideRule) {
        let Some(in_force) = self.register(&provide.register, "/effect/provide/register") else { return };
        let definition = &in_force.definition;
        if definition.owner != rule.department {
            let message = format!(
                "the register `{}` belongs to `{}`, and a rule of `{}` provides only from its own",
                provide.register, definition.owner, rule.department
            );
            self.fault("/effect/provide/register", message);
        }
        if in_force.closed {
            self.fault("/effect/provide/register", "is closed and takes no more entries");
        }
        match definition.entry_type(provide.entry_type.as_str()) {
            None => {
                let message =
                    format!("the register `{}` has no entry type `{}`", provide.register, provide.entry_type);
                self.fault("/effect/provide/type", message);
            }
            Some(found) if found.from.is_some() => {
                self.fault("/effect/provide/type", "must be a type that makes a new record");
            }
            Some(found) => self.body(found, provide),
        }
    }

    /// The members that the schema certainly refuses, and those that it certainly misses.
    fn body(&mut self, entry_type: &TypeRule, provide: &ProvideRule) {
        let pointer = "/effect/provide/body";
        let schema = &entry_type.schema;
        for member in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !provide.body.contains_key(member) {
                self.fault(fault::join(pointer, member), "is required by the entry type and missing");
            }
        }
        if schema["additionalProperties"] == false && schema.get("patternProperties").is_none() {
            for member in provide.body.keys().filter(|member| schema["properties"].get(member).is_none()) {
                self.fault(fault::join(pointer, member), "is not a member that the entry type knows");
            }
        }
    }

    fn person_members(&mut self, compiled: &CompiledRule) {
        let Some(persons) = self.known(PERSONS) else { return };
        for (pointer, member) in compiled.person_members() {
            let is_ours = ["record", "status", "age"].contains(&member);
            if !is_ours && !has_member(&persons.definition, member) {
                let message = format!("asks for `person.{member}`, which no entry of `persons` gives");
                self.fault(pointer, message);
            }
        }
    }
}

/// Can an entry of the register give its record this member? Dots lead into objects, as far as the schemas say what is there.
fn has_member(definition: &Definition, path: &str) -> bool {
    let gives = definition.types.iter().filter(|rule| rule.effect != Effect::None);
    gives.into_iter().any(|rule| leads(definition, &rule.schema, path))
}

fn leads(definition: &Definition, schema: &Value, path: &str) -> bool {
    let schema = match schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        Some(name) => {
            let own = definition.defs.as_ref().and_then(|defs| defs.get(name));
            match own.or_else(|| crate::definition::provided_defs().get(name)) {
                Some(schema) => schema,
                None => return false,
            }
        }
        None => schema,
    };
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    match (schema["properties"].get(step), rest) {
        (Some(_), None) => true,
        (Some(inner), Some(rest)) => leads(definition, inner, rest),
        // A schema that is put together, or open, may still allow it.
        (None, _) => {
            let ways = ["oneOf", "anyOf", "allOf"].iter().filter_map(|way| schema[*way].as_array()).flatten();
            schema["additionalProperties"] != false
                && schema["properties"].is_null()
                && schema["oneOf"].is_null()
                || ways.into_iter().any(|way| leads(definition, way, path))
        }
    }
}
