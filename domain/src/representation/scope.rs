//! What a mandate is for.

use std::collections::BTreeSet;

use proofs::slug::Slug;
use serde_json::{Value, json};

use crate::definition::{Definition, Group, Kind};

/// What a mandate is for: which registers, and whether its holder may act besides reading.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// All that concerns the one who is represented.
    pub everything: bool,
    /// These registers.
    pub registers: BTreeSet<Slug>,
    /// The registers that an account shows in these groups.
    pub groups: BTreeSet<Group>,
    /// Learning what they hold.
    pub reads: bool,
    /// Acting: accepting an offer, declining one, withdrawing a consent.
    pub acts: bool,
}

impl Scope {
    /// All of it, reading and acting.
    pub fn everything() -> Self {
        Self { everything: true, reads: true, acts: true, ..Self::default() }
    }

    /// As a power writes it: `everything` or `registers` and `groups`, and `actions`.
    pub fn from_content(content: &Value) -> Option<Self> {
        let words = |name: &str| {
            content.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        };
        content.as_object()?;
        Some(Self {
            everything: content.get("everything").and_then(Value::as_bool).unwrap_or_default(),
            registers: words("registers").filter_map(|word| word.parse().ok()).collect(),
            groups: words("groups").filter_map(|word| word.parse().ok()).collect(),
            reads: words("actions").any(|word| word == "read"),
            acts: words("actions").any(|word| word == "act"),
        })
    }

    /// As [`Self::from_content`] reads it.
    pub fn to_json(&self) -> Value {
        let actions: Vec<&str> = [(self.reads, "read"), (self.acts, "act")]
            .iter()
            .filter(|(may, _)| *may)
            .map(|(_, word)| *word)
            .collect();
        if self.everything {
            return json!({ "everything": true, "actions": actions });
        }
        json!({ "registers": self.registers, "groups": self.groups, "actions": actions })
    }

    /// Is it for this register? A group does not open what the platform keeps in it (consents, offers, accesses): these say
    /// more of a person than the group's name does, and are named or given with everything.
    pub fn covers(&self, definition: &Definition) -> bool {
        self.everything
            || self.registers.contains(&definition.slug)
            || (definition.kind != Kind::Platform && self.groups.contains(&definition.group))
    }
}
