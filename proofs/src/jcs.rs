//! JSON in, canonical JSON out: I-JSON (RFC 7493) read strictly, JCS (RFC 8785) written.
//!
//! Reading is stricter than `serde_json`'s own: a duplicate member name, a number that a double cannot hold exactly as an
//! integer, or nesting past [`DEPTH_MAX`] would let two readers see two different bodies behind one digest.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

mod same;

pub use same::is_canonical;

/// Nesting of arrays and objects. Bodies nest about five deep; the limit keeps every reader's stack small.
pub const DEPTH_MAX: usize = 64;

/// 2^53 − 1: the greatest magnitude that a number may have (RFC 7493 section 2.2).
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

#[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exactly a double, that is why it is the limit")]
const NUMBER_MAX_F64: f64 = NUMBER_MAX as f64;

/// Why a text is no JSON that we take. Says where, never what: the text may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JcsError {
    /// Not JSON, not UTF-8, a lone surrogate, or something after the value.
    #[error("not JSON, at line {line} column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A member name stands twice in one object.
    #[error("a member name stands twice in one object, at line {line} column {column}")]
    DuplicateName {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A number outside ±(2^53−1).
    #[error("a number is outside ±(2^53-1)")]
    Number,
    /// Nesting past [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX}")]
    Depth,
}

/// Reads one JSON value, strictly (see the module's words).
pub fn parse(bytes: &[u8]) -> Result<Value, JcsError> {
    let broken = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Strict { depth: 0, broken: &broken };
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| broken.get().unwrap_or(Rule::Syntax).at(&error))
}

/// Writes a value's only canonical form (RFC 8785).
pub fn canonical(value: &Value) -> Result<Vec<u8>, JcsError> {
    let usual = check(value, 0)?;
    // After `check` neither has anything left to refuse: no number is infinite, and a map has no name twice.
    let written = if usual { serde_json::to_vec(value) } else { serde_json_canonicalizer::to_vec(value) };
    written.map_err(|_| JcsError::Number)
}

/// Whether `serde_json` writes the canonical form by itself, without a buffer for each member: it does when numbers are integers, and names
/// come in the order of UTF-16 as they do in that of UTF-8. Escapes are the same.
fn check(value: &Value, depth: usize) -> Result<bool, JcsError> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(true),
        Value::Number(number) => check_number(number).map(|()| !number.is_f64()),
        Value::Array(_) | Value::Object(_) if depth == DEPTH_MAX => Err(JcsError::Depth),
        Value::Array(items) => items.iter().try_fold(true, |usual, item| Ok(check(item, depth + 1)? & usual)),
        Value::Object(members) => {
            let (mut usual, mut before) = (true, None);
            for (name, member) in members {
                usual &=
                    before < Some(name.as_str()) && name.bytes().all(|byte| byte < FIRST_BEYOND_SURROGATES);
                usual &= check(member, depth + 1)?;
                before = Some(name.as_str());
            }
            Ok(usual)
        }
    }
}

/// From U+E000 on, whose UTF-8 begins so, letters of two UTF-16 units come before those of one.
const FIRST_BEYOND_SURROGATES: u8 = 0xee;

fn check_number(number: &Number) -> Result<(), JcsError> {
    let fits = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(natural), _, _) => natural <= NUMBER_MAX,
        (None, Some(integer), _) => integer.unsigned_abs() <= NUMBER_MAX,
        (None, None, Some(double)) => double.abs() <= NUMBER_MAX_F64,
        (None, None, None) => false,
    };
    if fits { Ok(()) } else { Err(JcsError::Number) }
}

/// The rule that was broken; `serde_json`'s error then says where.
#[derive(Clone, Copy)]
enum Rule {
    Syntax,
    DuplicateName,
    Number,
    Depth,
}

impl Rule {
    fn at(self, error: &serde_json::Error) -> JcsError {
        let (line, column) = (error.line(), error.column());
        match self {
            Self::Syntax => JcsError::Syntax { line, column },
            Self::DuplicateName => JcsError::DuplicateName { line, column },
            Self::Number => JcsError::Number,
            Self::Depth => JcsError::Depth,
        }
    }
}

/// Builds a [`Value`], keeping the rules that `serde_json` alone does not.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    broken: &'a Cell<Option<Rule>>,
}

impl Strict<'_> {
    fn refuse<E: de::Error>(self, rule: Rule) -> E {
        self.broken.set(Some(rule));
        E::custom("refused")
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(self.refuse(Rule::Depth));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn number<E: de::Error>(self, number: Number) -> Result<Value, E> {
        match check_number(&number) {
            Ok(()) => Ok(Value::Number(number)),
            Err(_) => Err(self.refuse(Rule::Number)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.number(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => self.number(number),
            None => Err(self.refuse(Rule::Number)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(self.refuse(Rule::DuplicateName));
            }
            let member = members.next_value_seed(seed)?;
            object.insert(name, member);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests;
