//! JSON as CEL sees it, and back. What an expression sees is bounded here, and has an order of its own: the crate's maps
//! iterate in a random order, which would make one rule give two answers, so that ours do not iterate at all.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{self, CelBool, CelDouble, CelInt, CelList, CelNull, CelString, CelUInt, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use serde_json::{Map, Value};

/// Most values that one evaluation sees: 16 registers of 256 records would be more, and a person with a tenth of that is
/// nobody that a rule was made for.
pub(super) const NODES_MAX: usize = 50_000;
/// Most items of a list that an expression sees, the first ones: with it, two nested loops are 65,536 rounds.
pub(super) const ITEMS_MAX: usize = 256;
/// Longest text that an expression sees, in bytes; of a longer one, the beginning. A title of 500 letters has 1,000.
const TEXT_BYTES_MAX: usize = 2048;
/// Deepest that contents nest: no register's definition comes near.
const DEPTH_MAX: usize = 16;

/// A value that an expression sees.
pub(super) type Boxed = Box<dyn Val>;

/// The account is larger than an evaluation may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// How much may still be seen.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Self {
        Self(NODES_MAX)
    }

    fn take(&mut self) -> Result<(), TooLarge> {
        self.0 = self.0.checked_sub(1).ok_or(TooLarge)?;
        Ok(())
    }
}

/// An object. Cheap to clone, and closed to iteration.
#[derive(Clone, Default)]
pub(super) struct Object(Arc<BTreeMap<String, Boxed>>);

impl Object {
    pub(super) fn new(members: BTreeMap<String, Boxed>) -> Self {
        Self(Arc::new(members))
    }

    fn member(&self, index: &dyn Val) -> Option<&Boxed> {
        self.0.get(index.downcast_ref::<CelString>()?.inner())
    }
}

impl fmt::Debug for Object {
    /// No member: it may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} members)", self.0.len())
    }
}

impl Val for Object {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &types::MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| {
            self.0.len() == other.0.len()
                && self.0.iter().zip(other.0.iter()).all(|((a, x), (b, y))| a == b && x.equals(y.as_ref()))
        })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Object {}

impl Container for Object {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.member(value).is_some())
    }
}

impl Indexer for Object {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match self.member(index) {
            Some(member) => Ok(CowVal::Borrowed(member.as_ref())),
            None => Err(ExecutionError::no_such_key(
                index.downcast_ref::<CelString>().map_or("", |name| name.inner()),
            )),
        }
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Sizer for Object {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.0.len()).unwrap_or(i64::MAX))
    }
}

/// A text.
pub(super) fn text(text: &str) -> Boxed {
    Box::new(CelString::from(text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()))
}

/// A truth.
pub(super) fn truth(truth: bool) -> Boxed {
    Box::new(CelBool::from(truth))
}

/// A whole number.
pub(super) fn whole(number: i64) -> Boxed {
    Box::new(CelInt::from(number))
}

/// A list: the first [`ITEMS_MAX`] of these.
pub(super) fn list(mut items: Vec<Boxed>) -> Boxed {
    items.truncate(ITEMS_MAX);
    Box::new(CelList::from(items))
}

/// JSON for an expression.
pub(super) fn seen(json: &Value, budget: &mut Budget) -> Result<Boxed, TooLarge> {
    at_depth(json, budget, 0)
}

/// The members of an object for an expression.
pub(super) fn seen_members(
    members: &Map<String, Value>,
    budget: &mut Budget,
) -> Result<BTreeMap<String, Boxed>, TooLarge> {
    members.iter().map(|(name, value)| Ok((name.clone(), at_depth(value, budget, 1)?))).collect()
}

fn at_depth(json: &Value, budget: &mut Budget, depth: usize) -> Result<Boxed, TooLarge> {
    budget.take()?;
    if depth > DEPTH_MAX {
        return Err(TooLarge);
    }
    Ok(match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => truth(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => whole(number),
            None => Box::new(CelDouble::from(number.as_f64().unwrap_or_default())),
        },
        Value::String(string) => text(string),
        Value::Array(items) => {
            let items = items.iter().take(ITEMS_MAX).map(|item| at_depth(item, budget, depth + 1));
            list(items.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let members = members.iter();
            let members =
                members.map(|(name, value)| Ok((name.clone(), at_depth(value, budget, depth + 1)?)));
            Box::new(Object::new(members.collect::<Result<_, TooLarge>>()?))
        }
    })
}

/// Why a result is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoValue {
    /// It is of a kind that JSON does not have.
    Kind,
    /// It is too large.
    TooLarge,
}

/// Most bytes of one computed value: the evidence of an offer holds 32 of them, and a body 256 KiB.
const RESULT_BYTES_MAX: usize = 6 * 1024;

/// A result as JSON.
pub(super) fn result(value: &dyn Val) -> Result<Value, NoValue> {
    let mut left = RESULT_BYTES_MAX;
    to_json(value, &mut left, 0)
}

fn to_json(value: &dyn Val, left: &mut usize, depth: usize) -> Result<Value, NoValue> {
    let mut spend = |bytes: usize| -> Result<(), NoValue> {
        *left = left.checked_sub(bytes).ok_or(NoValue::TooLarge)?;
        Ok(())
    };
    if depth > DEPTH_MAX {
        return Err(NoValue::TooLarge);
    }
    spend(1)?;
    if let Some(text) = value.downcast_ref::<CelString>() {
        // A longer one would be seen cut by the next expression, and be another there than in the evidence.
        if text.inner().len() > TEXT_BYTES_MAX {
            return Err(NoValue::TooLarge);
        }
        spend(text.inner().len())?;
        return Ok(Value::from(text.inner()));
    }
    if let Some(truth) = value.downcast_ref::<CelBool>() {
        return Ok(Value::from(*truth.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Ok(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return serde_json::Number::from_f64(*number.inner()).map(Value::Number).ok_or(NoValue::Kind);
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(items) = value.downcast_ref::<CelList>() {
        if items.inner().len() > ITEMS_MAX {
            return Err(NoValue::TooLarge);
        }
        let items = items.inner().iter().map(|item| to_json(item.as_ref(), left, depth + 1));
        return Ok(Value::Array(items.collect::<Result<_, _>>()?));
    }
    let object = value.downcast_ref::<Object>().ok_or(NoValue::Kind)?;
    let mut members = Map::new();
    for (name, member) in object.0.iter() {
        *left = left.checked_sub(name.len()).ok_or(NoValue::TooLarge)?;
        members.insert(name.clone(), to_json(member.as_ref(), left, depth + 1)?);
    }
    Ok(Value::Object(members))
}
