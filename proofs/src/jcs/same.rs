//! Whether a text is in canonical form, found as it is read: no tree is built, and nothing is written.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::{DEPTH_MAX, canonical};

/// Whether a text is what [`canonical`] makes of what [`parse`](super::parse) reads in it.
pub fn is_canonical(text: &str) -> bool {
    let rest = Cell::new(text.as_bytes());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Same { before: "", depth: 0, rest: &rest }.deserialize(&mut deserializer);
    read.is_ok() && deserializer.end().is_ok() && rest.get().is_empty()
}

/// Takes what the canonical form of a value has off the text that is left, and refuses what is not there.
#[derive(Clone, Copy)]
struct Same<'r, 'de> {
    /// What stands before the value.
    before: &'static str,
    depth: usize,
    rest: &'r Cell<&'de [u8]>,
}

impl Same<'_, '_> {
    fn take<E: de::Error>(self, expected: &[u8]) -> Result<(), E> {
        let rest = self.rest.get().strip_prefix(expected).ok_or_else(|| E::custom("not canonical"))?;
        self.rest.set(rest);
        Ok(())
    }

    /// Of a value that is not built up of others, nor usual: its form is made, and compared.
    fn made<E: de::Error>(self, value: &Value) -> Result<(), E> {
        self.take(self.before.as_bytes())?;
        self.take(&canonical(value).map_err(E::custom)?)
    }

    /// A value within this one.
    fn within<E: de::Error>(self, before: &'static str) -> Result<Self, E> {
        self.take(self.before.as_bytes())?;
        let depth = self.depth + 1;
        if depth > DEPTH_MAX { Err(E::custom("nested too deep")) } else { Ok(Self { before, depth, ..self }) }
    }
}

impl<'de> DeserializeSeed<'de> for Same<'_, 'de> {
    /// The text of a string, since it may be a name: names stand in order.
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

const NO_STRING: Cow<'static, str> = Cow::Borrowed("");

impl<'de> Visitor<'de> for Same<'_, 'de> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("canonical JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cow<'de, str>, E> {
        self.made(&Value::Null).map(|()| NO_STRING)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Cow<'de, str>, E> {
        self.made(&Value::Bool(value)).map(|()| NO_STRING)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cow<'de, str>, E> {
        self.made(&value.into()).map(|()| NO_STRING)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cow<'de, str>, E> {
        self.made(&value.into()).map(|()| NO_STRING)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Cow<'de, str>, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no number"))?;
        self.made(&Value::Number(number)).map(|()| NO_STRING)
    }

    /// What is borrowed stands in the text as it is, without an escape; and JSON lets nothing stand so that needs one.
    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        for part in [self.before, "\"", value, "\""] {
            self.take(part.as_bytes())?;
        }
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Cow<'de, str>, E> {
        self.made(&Value::String(value.to_owned()))?;
        Ok(Cow::Owned(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Cow<'de, str>, A::Error> {
        let mut item = self.within("")?;
        self.take(b"[")?;
        while items.next_element_seed(item)?.is_some() {
            item.before = ",";
        }
        self.take(b"]").map(|()| NO_STRING)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Cow<'de, str>, A::Error> {
        let mut name = self.within("")?;
        self.take(b"{")?;
        let member = Self { before: ":", ..name };
        let mut last: Option<Cow<'de, str>> = None;
        while let Some(next) = members.next_key_seed(name)? {
            // RFC 8785 section 3.2.3: by UTF-16 code units. None stands twice.
            if last.is_some_and(|last| !last.encode_utf16().lt(next.encode_utf16())) {
                return Err(de::Error::custom("names are not in order"));
            }
            members.next_value_seed(member)?;
            last = Some(next);
            name.before = ",";
        }
        self.take(b"}").map(|()| NO_STRING)
    }
}
