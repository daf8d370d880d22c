//! Which region a record's content names.

use serde_json::{Map, Value};

/// The member that names a region, as the definition of `address` has it.
const REGION: &str = "region";

/// The member that is preferred among those that name regions equally deep.
const ADDRESS: &str = "address";

/// How deep a region is looked for: `objects[].address.region` is four steps down.
const DEPTH_MAX: usize = 4;

/// Longer names are no region's.
const CHARS_MAX: usize = 200;

/// The region that a content names: of all members called `region` the one that stands highest, and of several as high
/// the one in `address`. Where these name different regions the record is of none. Subjects' own addresses are not
/// looked at here, and `basis` and `reason` are no content.
pub(super) fn of_content(members: &Map<String, Value>) -> Option<String> {
    let mut level: Vec<(bool, &Map<String, Value>)> = vec![(false, members)];
    for _ in 0..DEPTH_MAX {
        let mut found: Vec<(bool, String)> = Vec::new();
        for (preferred, members) in &level {
            found.extend(members.get(REGION).and_then(name).map(|name| (*preferred, name)));
        }
        if !found.is_empty() {
            return one(found);
        }
        level = level.into_iter().flat_map(|(_, members)| below(members)).collect();
    }
    None
}

/// The objects in a member, and whether it is `address`.
fn below(members: &Map<String, Value>) -> Vec<(bool, &Map<String, Value>)> {
    let mut objects = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| *name != domain::subject::MEMBER) {
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        objects.extend(items.iter().filter_map(Value::as_object).map(|object| (name == ADDRESS, object)));
    }
    objects
}

fn one(found: Vec<(bool, String)>) -> Option<String> {
    let preferred = found.iter().any(|(preferred, _)| *preferred);
    let mut names = found.into_iter().filter(|(is, _)| *is == preferred).map(|(_, name)| name);
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

/// The name with single spaces, which is the only difference that is not one.
fn name(value: &Value) -> Option<String> {
    let words: Vec<&str> = value.as_str()?.split_whitespace().collect();
    let name = words.join(" ").replace('\0', "\u{fffd}");
    (!name.is_empty() && name.chars().count() <= CHARS_MAX).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_region_is_the_record_s() {
        let tver = json!({"region": "Тверская  область "});
        for (content, region) in [
            (json!({"region": "Москва", "address": tver}), Some("Москва")),
            (
                json!({"address": tver, "works": [{"address": {"region": "Москва"}}]}),
                Some("Тверская область"),
            ),
            (json!({"address": tver, "birth": {"region": "Москва"}}), Some("Тверская область")),
            (json!({"from": tver, "to": {"region": "Москва"}}), None),
            (json!({"from": tver, "to": {"region": "Тверская область"}}), Some("Тверская область")),
            (json!({"objects": [{"address": tver}, {"address": tver}]}), Some("Тверская область")),
            (json!({"objects": [{"address": tver}, {"address": {"region": "Москва"}}]}), None),
            (json!({"subjects": [{"region": "Москва"}]}), None),
            (json!({"region": 77, "address": "г. Москва"}), None),
            (json!({"region": " "}), None),
            (json!({"region": "х".repeat(201)}), None),
            (json!({"a": {"b": {"c": {"d": tver}}}}), None),
            (json!({}), None),
        ] {
            assert_eq!(of_content(content.as_object().unwrap()).as_deref(), region, "{content}");
        }
    }
}
