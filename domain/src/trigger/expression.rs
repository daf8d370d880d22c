//! One expression: parsed, with all that can be known to be wrong with it known before it ever runs.
//!
//! CEL has no loops but those over lists, so that it always ends; how late is bounded here. Lists have at most
//! [`super::value::ITEMS_MAX`] items and are not made longer inside a loop; loops nest at most twice; and there are only so
//! many of them. The worst expression that is accepted takes some seconds of one core, and an ordinary one microseconds.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Parser;

use super::functions::{DIGITS, OURS};
use super::scan;

/// Most nodes of a parsed expression, macros expanded.
const NODES_MAX: usize = 1000;
/// Most loops of one expression.
const LOOPS_MAX: usize = 8;
/// Deepest that loops nest.
const LOOP_DEPTH_MAX: usize = 2;
/// Most additions: of texts and lists, what they make is that much longer.
const ADDITIONS_MAX: usize = 32;

/// What a rule's expressions may name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names<'r> {
    /// The registers of `reads`.
    pub(super) reads: BTreeSet<&'r str>,
    /// The members of `family`.
    pub(super) family: BTreeSet<&'r str>,
    /// The computed values so far.
    pub(super) lets: Vec<&'r str>,
    /// Is it in a provided body, where there are digits?
    pub(super) provides: bool,
}

/// The variables that an expression uses, so that no others are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of four variables")]
pub(super) struct Uses {
    pub(super) cause: bool,
    pub(super) person: bool,
    pub(super) account: bool,
    pub(super) family: bool,
    /// The members of `person` that it names.
    pub(super) person_members: BTreeSet<String>,
}

impl Uses {
    pub(super) fn join(&mut self, other: &Self) {
        self.cause |= other.cause;
        self.person |= other.person;
        self.account |= other.account;
        self.family |= other.family;
        self.person_members.extend(other.person_members.iter().cloned());
    }
}

/// An expression that was checked.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    /// As the rule writes it.
    pub(super) source: String,
    pub(super) parsed: IdedExpr,
    pub(super) uses: Uses,
}

/// The variables that every expression has.
pub(super) const VARIABLES: [&str; 5] = ["cause", "person", "account", "family", "today"];

/// The members of `cause`.
const CAUSE_MEMBERS: [&str; 13] = [
    "register",
    "record",
    "version",
    "type",
    "status",
    "in_force",
    "effective_at",
    "recorded_at",
    "date",
    "content",
    "body",
    "member",
    "base",
];

const OPERATORS: [&str; 20] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
];

/// CEL's own functions that rules have.
const FUNCTIONS: [&str; 9] =
    ["size", "contains", "startsWith", "endsWith", "int", "double", "string", "orValue", "hasValue"];

/// The conditions of a conjunction, in order; of anything else, the whole.
pub(super) fn conditions(source: &str) -> Result<Vec<&str>, String> {
    scan::scan(source)
}

/// Parses and checks an expression.
pub(super) fn compile(source: &str, names: &Names<'_>) -> Result<Expression, String> {
    scan::scan(source)?;
    let parser = Parser::new().enable_optional_syntax(true).error_recovery_limit(4);
    let parsed = parser.parse(source).map_err(|errors| match errors.errors.first() {
        // The text of a rule is public.
        Some(error) => format!("is no expression: at {}:{}: {}", error.pos.0, error.pos.1, error.msg),
        None => "is no expression".to_owned(),
    })?;
    let mut walk = Walk::new(names);
    walk.expr(&parsed)?;
    let uses = walk.uses;
    Ok(Expression { source: source.to_owned(), parsed, uses })
}

struct Walk<'n, 'r, 'e> {
    names: &'n Names<'r>,
    uses: Uses,
    locals: Vec<&'e str>,
    accumulators: Vec<&'e str>,
    loop_depth: usize,
    maps: usize,
    in_range: bool,
    nodes: usize,
    loops: usize,
    additions: usize,
}

impl<'n, 'r, 'e> Walk<'n, 'r, 'e> {
    fn new(names: &'n Names<'r>) -> Self {
        Self {
            names,
            uses: Uses::default(),
            locals: Vec::new(),
            accumulators: Vec::new(),
            loop_depth: 0,
            maps: 0,
            in_range: false,
            nodes: 0,
            loops: 0,
            additions: 0,
        }
    }

    fn expr(&mut self, expr: &'e IdedExpr) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err("is too long: compute a part of it in `let`".to_owned());
        }
        match &expr.expr {
            Expr::Ident(name) => self.ident(name),
            Expr::Literal(LiteralValue::Null) => {
                Err("has `null`: ask with has(…) whether a member is there".to_owned())
            }
            Expr::Literal(LiteralValue::Bytes(_)) => Err("has a text of bytes".to_owned()),
            Expr::Literal(_) => Ok(()),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expr(element)),
            Expr::Select(select) => self.select(&select.operand, &select.field),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(map) => {
                // Walked all the same, so that an error inside is told first.
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expr(&entry.value)?;
                    }
                }
                Err("makes an object: write objects as JSON in the rule".to_owned())
            }
            Expr::Struct(_) | Expr::Unspecified => {
                Err("makes an object of a type that is not there".to_owned())
            }
        }
    }

    fn ident(&mut self, name: &str) -> Result<(), String> {
        if self.locals.contains(&name) || self.accumulators.contains(&name) || self.names.lets.contains(&name)
        {
            return Ok(());
        }
        match name {
            "cause" => self.uses.cause = true,
            "person" => self.uses.person = true,
            "today" => {}
            "account" => {
                return Err(
                    "`account` is asked for a register: account.births or account['tax-numbers']".to_owned()
                );
            }
            "family" => {
                return Err("`family` is asked for a relative: family.children, family.spouse".to_owned());
            }
            _ => return Err(format!("names `{name}`, which is nothing here: {}", self.known())),
        }
        Ok(())
    }

    fn known(&self) -> String {
        let names = VARIABLES.iter().copied().chain(self.names.lets.iter().copied());
        format!("there are {}", names.collect::<Vec<_>>().join(", "))
    }

    /// `operand.field`, and `has(operand.field)`.
    fn select(&mut self, operand: &'e IdedExpr, field: &'e str) -> Result<(), String> {
        let global = match &operand.expr {
            Expr::Ident(name) if !self.locals.contains(&name.as_str()) => name.as_str(),
            _ => "",
        };
        match global {
            "account" => self.register(field),
            "family" if self.names.family.contains(field) => {
                self.uses.family = true;
                Ok(())
            }
            "family" => Err(format!("asks for `family.{field}`: name it in `family` of the rule")),
            "cause" if !CAUSE_MEMBERS.contains(&field) => {
                Err(format!("asks for `cause.{field}`: a cause has {}", CAUSE_MEMBERS.join(", ")))
            }
            "person" => {
                self.uses.person_members.insert(field.to_owned());
                self.expr(operand)
            }
            _ => self.expr(operand),
        }
    }

    /// A register of the person's account, which the rule says that it reads.
    fn register(&mut self, register: &str) -> Result<(), String> {
        if self.names.reads.contains(register) {
            self.uses.account = true;
            return Ok(());
        }
        Err(format!("asks for the register `{register}`: name it in `reads` of the rule"))
    }

    fn call(&mut self, call: &'e CallExpr) -> Result<(), String> {
        let name = call.func_name.as_str();
        if name == operators::OPT_SELECT {
            let [operand, field] = call.args.as_slice() else { return Err("is no expression".to_owned()) };
            let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                return Err("is no expression".to_owned());
            };
            return self.select(operand, field.inner());
        }
        if name == operators::INDEX || name == operators::OPT_INDEX {
            return self.index(call);
        }
        let is_digits = name == DIGITS;
        if is_digits && !self.names.provides {
            return Err("has `digits`, which are for the bodies of what is provided".to_owned());
        }
        if !is_digits && !OPERATORS.contains(&name) && !FUNCTIONS.contains(&name) && !OURS.contains(&name) {
            let known = FUNCTIONS.iter().chain(&OURS).copied().collect::<Vec<_>>().join(", ");
            return Err(format!("calls `{name}`, which is no function here: there are {known}"));
        }
        if name == operators::ADD {
            self.addition(call)?;
        }
        if let Some(target) = &call.target {
            self.expr(target)?;
        }
        call.args.iter().try_for_each(|argument| self.expr(argument))
    }

    /// Texts and lists grow by addition, and in a loop they would grow many times. The loop's own accumulator does not count:
    /// it has one item a round.
    fn addition(&mut self, call: &CallExpr) -> Result<(), String> {
        if let Some(Expr::Ident(name)) = call.args.first().map(|first| &first.expr)
            && self.accumulators.contains(&name.as_str())
        {
            return Ok(());
        }
        if self.in_range {
            return Err("adds lists to loop over: loop over each".to_owned());
        }
        if self.loop_depth >= LOOP_DEPTH_MAX {
            return Err("adds inside a loop inside a loop: compute a part of it in `let`".to_owned());
        }
        self.additions += 1;
        if self.additions > ADDITIONS_MAX {
            return Err(format!("adds more than {ADDITIONS_MAX} times"));
        }
        Ok(())
    }

    fn index(&mut self, call: &'e CallExpr) -> Result<(), String> {
        let [operand, index] = call.args.as_slice() else { return Err("is no expression".to_owned()) };
        let global = match &operand.expr {
            Expr::Ident(name) if !self.locals.contains(&name.as_str()) => name.as_str(),
            _ => "",
        };
        let literal = match &index.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
            _ => None,
        };
        match (global, literal) {
            ("account", Some(register)) => self.register(register),
            ("account" | "family", None) => {
                Err(format!("asks `{global}` for what it computes: write the name out"))
            }
            ("family" | "cause" | "person", Some(field)) => self.select(operand, field),
            (_, Some(register)) if self.is_relatives_account(operand) => {
                self.register(register)?;
                self.expr(operand)
            }
            _ => {
                self.expr(operand)?;
                self.expr(index)
            }
        }
    }

    /// Is it `x.account`, where `x` is a relative?
    fn is_relatives_account(&self, operand: &IdedExpr) -> bool {
        let Expr::Select(select) = &operand.expr else { return false };
        let of_relative = match &select.operand.expr {
            Expr::Ident(name) => self.locals.contains(&name.as_str()),
            Expr::Select(outer) => matches!(&outer.operand.expr, Expr::Ident(name) if name == "family"),
            _ => false,
        };
        select.field == "account" && of_relative
    }

    fn comprehension(&mut self, of: &'e ComprehensionExpr) -> Result<(), String> {
        self.loops += 1;
        if self.loops > LOOPS_MAX {
            return Err(format!("has more than {LOOPS_MAX} loops: compute a part of it in `let`"));
        }
        if self.loop_depth >= LOOP_DEPTH_MAX {
            return Err(format!("nests loops deeper than {LOOP_DEPTH_MAX}: compute a part of it in `let`"));
        }
        if VARIABLES.contains(&of.iter_var.as_str()) || self.names.lets.contains(&of.iter_var.as_str()) {
            return Err(format!(
                "calls the item of a loop `{}`, which has a meaning of its own",
                of.iter_var
            ));
        }
        let builds = matches!(&of.accu_init.expr, Expr::List(_));
        if builds && self.maps > 0 {
            let message = "builds a list for each item of `map`: compute a part of it in `let`";
            return Err(message.to_owned());
        }
        // What a filter keeps is there already; what `map` computes is new for each item.
        let maps = builds && !keeps(of);
        let was_in_range = std::mem::replace(&mut self.in_range, true);
        self.expr(&of.iter_range)?;
        self.in_range = false;
        self.locals.push(&of.iter_var);
        self.accumulators.push(&of.accu_var);
        self.loop_depth += 1;
        self.maps += usize::from(maps);
        for part in [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result] {
            self.expr(part)?;
        }
        self.maps -= usize::from(maps);
        self.loop_depth -= 1;
        self.accumulators.pop();
        self.locals.pop();
        self.in_range = was_in_range;
        Ok(())
    }
}

/// Does the loop only keep items, as `filter` does: is the item itself what it appends, if a condition holds?
fn keeps(of: &ComprehensionExpr) -> bool {
    let Expr::Call(choice) = &of.loop_step.expr else { return false };
    let Some(Expr::Call(append)) = choice.args.get(1).map(|step| &step.expr) else { return false };
    let Some(Expr::List(items)) = append.args.get(1).map(|items| &items.expr) else { return false };
    choice.func_name == operators::CONDITIONAL
        && matches!(items.elements.as_slice(), [item] if matches!(&item.expr, Expr::Ident(name) if *name == of.iter_var))
}
