//! The content of a record: what its entries' bodies, one after another, say of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::definition::{CONTROL_MEMBERS, Effect};

/// A record's content as of some entry.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Its members. What a withheld entry said is missing.
    pub members: Map<String, Value>,
    /// Are all the bodies that it was made of known?
    pub complete: bool,
}

impl Default for Content {
    fn default() -> Self {
        Self { members: Map::new(), complete: true }
    }
}

impl fmt::Debug for Content {
    /// No value: a content may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} members, complete: {})", self.members.len(), self.complete)
    }
}

impl Content {
    /// Takes one entry's body in. `None` is a withheld body.
    pub fn step(&mut self, effect: Effect, body: Option<&Value>) {
        match (effect, body.and_then(Value::as_object)) {
            (Effect::None, _) => {}
            (Effect::Sets, Some(body)) => {
                self.members =
                    content_members(body).map(|(name, value)| (name.clone(), value.clone())).collect();
                self.complete = true;
            }
            (Effect::Amends, Some(body)) => {
                for (name, value) in content_members(body) {
                    merge_member(&mut self.members, name, value);
                }
            }
            (Effect::Sets, None) => *self = Self { members: Map::new(), complete: false },
            (Effect::Amends, None) => self.complete = false,
        }
    }

    /// The content as a JSON object.
    pub fn to_json(&self) -> Value {
        Value::Object(self.members.clone())
    }
}

/// A body's members that are content: all but the control members.
pub fn content_members(body: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    body.iter().filter(|(name, _)| !CONTROL_MEMBERS.contains(&name.as_str()))
}

/// RFC 7396 section 2, one member of a patch: null removes, an object is merged, anything else replaces.
fn merge_member(target: &mut Map<String, Value>, name: &str, patch: &Value) {
    match patch {
        Value::Null => {
            target.remove(name);
        }
        Value::Object(patch) => {
            let member = target.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if !member.is_object() {
                *member = Value::Object(Map::new());
            }
            if let Value::Object(members) = member {
                for (name, value) in patch {
                    merge_member(members, name, value);
                }
            }
        }
        other => {
            target.insert(name.to_owned(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fold(steps: &[(Effect, Option<Value>)]) -> Content {
        let mut content = Content::default();
        for (effect, body) in steps {
            content.step(*effect, body.as_ref());
        }
        content
    }

    /// The test cases of RFC 7396 appendix A whose target and patch are objects.
    #[test]
    fn amends_as_rfc_7396_says() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let content =
                fold(&[(Effect::Sets, Some(target.clone())), (Effect::Amends, Some(patch.clone()))]);
            assert_eq!(content.to_json(), merged, "{target} patched with {patch}");
        }
    }

    #[test]
    fn control_members_are_never_content() {
        let body = json!({"a": 1, "corrects": 1, "basis": {"law": "1-ФЗ"}, "reason": "x"});
        for effect in [Effect::Sets, Effect::Amends] {
            assert_eq!(fold(&[(effect, Some(body.clone()))]).to_json(), json!({"a": 1}));
        }
        assert_eq!(fold(&[(Effect::None, Some(body))]).to_json(), json!({}));
    }

    #[test]
    fn a_withheld_body_leaves_the_rest() {
        let set = (Effect::Sets, Some(json!({"a": 1})));
        assert_eq!(fold(&[set.clone(), (Effect::None, None)]), fold(std::slice::from_ref(&set)));
        let amended = fold(&[set.clone(), (Effect::Amends, None)]);
        assert_eq!((amended.to_json(), amended.complete), (json!({"a": 1}), false));
        let replaced = fold(&[set.clone(), (Effect::Sets, None)]);
        assert_eq!((replaced.to_json(), replaced.complete), (json!({}), false));
        assert!(fold(&[(Effect::Sets, None), set]).complete);
    }
}
