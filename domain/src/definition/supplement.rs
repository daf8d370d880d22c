//! What a newer version of the engine adds to a definition that an older one recorded.

use serde_json::{Map, Value};

use super::Definition;

impl Definition {
    /// This definition with the types of entries that another has and this lacks, and with the statuses and shared schemas that they
    /// need; `None` when it lacks none. What both have stays as it is here: whoever keeps the register may have changed it.
    pub fn supplemented(&self, newer: &Self) -> Option<Value> {
        if newer.types.iter().all(|rule| self.entry_type(rule.entry_type.as_str()).is_some()) {
            return None;
        }
        let (mut definition, newer) = (self.to_json(), newer.to_json());
        for (list, name) in [("types", "type"), ("statuses", "status")] {
            let known: Vec<Value> = items(&definition[list]).iter().map(|item| item[name].clone()).collect();
            let lacking = items(&newer[list]).iter().filter(|item| !known.contains(&item[name]));
            if let Some(all) = definition[list].as_array_mut() {
                all.extend(lacking.cloned());
            }
        }
        if let Some(defs) = newer.get("defs").and_then(Value::as_object) {
            let all = definition.as_object_mut()?.entry("defs").or_insert_with(|| Map::new().into());
            for (name, schema) in defs {
                all.as_object_mut()?.entry(name.clone()).or_insert_with(|| schema.clone());
            }
        }
        Some(definition)
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}
