//! How large and how deep a schema is when each reference in it is replaced by what it refers to: what judging one value costs
//! at most.
//!
//! References that branch multiply: twenty-six definitions, each `anyOf` the next one and the next one, are 2^26 schemas in
//! 2 KiB of text, and one that leads back to itself twice is as many for each level of a body. So references do not lead in a
//! circle, and what they come to is bounded.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::provided::provided_defs;

/// Most values of JSON that a schema unfolds to. The largest fixture's is some 700; a body of a thousand values is then judged
/// in at most twenty million steps, which is under a second.
const VALUES_MAX: u64 = 20_000;
/// Deepest that it nests, unfolded: the validator recurses as deep. The deepest fixture's is under 30.
const DEPTH_MAX: usize = 128;

/// Keywords that name schemas in other ways, or change what a reference means.
const OTHER_WAYS: [&str; 6] =
    ["$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];

/// Is the schema within bounds, with the `$defs` that it can refer to? If not, why.
pub(super) fn check(schema: &Value, shared: Option<&Map<String, Value>>) -> Result<(), String> {
    let own = schema.get("$defs").and_then(Value::as_object);
    let mut walk = Walk { defs: [own, shared, Some(provided_defs())], known: BTreeMap::new() };
    let size =
        walk.members(schema.as_object().into_iter().flatten().filter(|(name, _)| *name != "$defs"), 0)?;
    if size.values > VALUES_MAX {
        return Err(format!("unfolds to more than {VALUES_MAX} values: let it refer to less, or less often"));
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Size {
    values: u64,
    depth: usize,
}

struct Walk<'s> {
    /// By precedence, as they are put under the schema.
    defs: [Option<&'s Map<String, Value>>; 3],
    /// What each comes to; `None` while that is being found out.
    known: BTreeMap<&'s str, Option<Size>>,
}

impl<'s> Walk<'s> {
    fn size(&mut self, json: &'s Value, at: usize) -> Result<Size, String> {
        let at = at + 1;
        if at > DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX} when its references are unfolded"));
        }
        match json {
            Value::Object(members) => self.members(members.iter(), at),
            Value::Array(items) => items
                .iter()
                .try_fold(Size { values: 1, depth: 1 }, |all, item| Ok(all.with(self.size(item, at)?))),
            _ => Ok(Size { values: 1, depth: 1 }),
        }
    }

    fn members(
        &mut self,
        members: impl Iterator<Item = (&'s String, &'s Value)>,
        at: usize,
    ) -> Result<Size, String> {
        let mut all = Size { values: 1, depth: 1 };
        for (name, member) in members {
            let size = match (name.as_str(), member) {
                ("$ref", Value::String(to)) => self.referred(to, at)?,
                // A property may have such a name; what it is then is no text.
                (name, Value::String(_)) if OTHER_WAYS.contains(&name) => {
                    return Err(format!(
                        "has `{name}`: schemas here refer by \"$ref\": \"#/$defs/<name>\" alone"
                    ));
                }
                _ => self.size(member, at)?,
            };
            all = all.with(size);
        }
        Ok(all)
    }

    fn referred(&mut self, to: &'s str, at: usize) -> Result<Size, String> {
        let name = to.strip_prefix("#/$defs/").filter(|name| !name.contains(['/', '~', '%']));
        let found = name.and_then(|name| {
            let def = self.defs.iter().flatten().find_map(|defs| defs.get(name))?;
            Some((name, def))
        });
        let Some((name, def)) = found else {
            return Err("has a `$ref` that is not \"#/$defs/<name>\" of a name that is there".to_owned());
        };
        let size = match self.known.get(name) {
            Some(Some(size)) => *size,
            Some(None) => return Err(format!("refers in a circle, by way of `{name}`")),
            None => {
                self.known.insert(name, None);
                let size = self.size(def, at)?;
                self.known.insert(name, Some(size));
                size
            }
        };
        if at + size.depth > DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX} when its references are unfolded"));
        }
        Ok(size)
    }
}

impl Size {
    fn with(self, inner: Self) -> Self {
        Self {
            values: self.values.saturating_add(inner.values),
            depth: self.depth.max(inner.depth.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value, defs: Value) -> String {
        let Value::Object(defs) = defs else { unreachable!("defs are an object") };
        check(schema, Some(&defs)).expect_err("it is out of bounds")
    }

    #[test]
    fn what_fixtures_and_departments_write_is_within_bounds() {
        let list = json!({ "type": "array", "items": { "$ref": "#/$defs/person" } });
        let schema = json!({
            "$defs": { "mine": { "anyOf": [list, { "$ref": "#/$defs/subjects" }] } }, "type": "object",
            "properties": { "a": { "$ref": "#/$defs/mine" }, "$ref": true, "$id": { "type": "string" } },
            "allOf": [{ "$ref": "#/$defs/mine" }, { "$ref": "#/$defs/mine" }],
        });
        assert_eq!(check(&schema, None), Ok(()));
    }

    #[test]
    fn references_that_multiply_are_refused() {
        let next = |n: u32| json!({ "$ref": format!("#/$defs/d{n}") });
        let mut defs: Map<String, Value> =
            (0..26).map(|n| (format!("d{n}"), json!({ "anyOf": [next(n + 1), next(n + 1)] }))).collect();
        defs.insert("d26".to_owned(), json!({ "type": "string" }));
        let schema = json!({ "type": "object", "properties": { "a": next(0) } });
        assert!(refused(&schema, Value::Object(defs)).contains("unfolds to more than"));
    }

    #[test]
    fn circles_are_refused_however_they_are_written() {
        let schema = json!({ "type": "object", "$ref": "#/$defs/a" });
        let twice =
            json!({ "anyOf": [{ "properties": { "x": { "$ref": "#/$defs/a" } } }, { "$ref": "#/$defs/b" }] });
        let there = json!({ "a": twice, "b": { "items": { "$ref": "#/$defs/a" } } });
        assert!(refused(&schema, there).contains("in a circle"));
        for to in ["#", "#/properties/a", "#anchor", "other.json", "#/$defs/a~1b", "#/$defs/nowhere"] {
            let schema = json!({ "type": "object", "properties": { "a": { "$ref": to } } });
            assert!(refused(&schema, json!({ "a/b": {} })).contains("$ref"), "{to}");
        }
        for keyword in OTHER_WAYS {
            assert!(refused(&json!({ "not": { keyword: "#x" } }), json!({})).contains(keyword));
        }
    }

    #[test]
    fn a_long_chain_is_refused_before_it_is_followed_to_its_end() {
        let link = |n: u32| (format!("c{n}"), json!({ "$ref": format!("#/$defs/c{}", n + 1) }));
        let mut defs: Map<String, Value> = (0..4_000).map(link).collect();
        defs.insert("c4000".to_owned(), json!(true));
        let schema = json!({ "$ref": "#/$defs/c0" });
        assert!(refused(&schema, Value::Object(defs.clone())).contains("deeper"));
        // Also where its end is known already.
        let schema = json!({ "allOf": [{ "$ref": "#/$defs/c3900" }, { "$ref": "#/$defs/c3800" }] });
        assert!(refused(&schema, Value::Object(defs)).contains("deeper"));
    }
}
