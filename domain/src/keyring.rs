//! All keys that registers and departments say there ever were, as readers of receipts take them: `GET /v1/keys`.

use proofs::keyring::{DepartmentKey, DepartmentKeys, Keyring, RegisterKey, RegisterKeys};
use proofs::slug::Slug;

use crate::definitions::Definitions;
use crate::departments::{DepartmentState, Departments};

/// The keyring of an installation, by slug; keys in the order in which they came.
pub fn keyring(
    log_name: &str,
    definitions: &Definitions,
    departments: &Departments,
    witness_policy: Option<String>,
) -> Keyring {
    Keyring {
        log_name: log_name.to_owned(),
        registers: definitions.iter().map(|now| register(definitions, &now.definition.slug)).collect(),
        departments: departments.iter().map(department).collect(),
        witness_policy,
    }
}

fn register(definitions: &Definitions, slug: &Slug) -> RegisterKeys {
    let keys = definitions.keys_of(slug).into_iter().flat_map(crate::register_keys::RegisterKeys::iter);
    let keys = keys.map(|key| RegisterKey {
        vkey: key.vkey.clone(),
        from: key.from,
        until: key.until,
        compromised_since: key.compromised_since,
    });
    RegisterKeys { register: slug.clone(), keys: keys.collect() }
}

fn department(state: &DepartmentState) -> DepartmentKeys {
    let keys = state.keys.iter().map(|term| DepartmentKey {
        jwk: term.jwk.clone(),
        from: term.enrolled_at,
        until: term.revoked_at,
        compromised_since: term.compromised_since,
    });
    DepartmentKeys { department: state.slug.clone(), keys: keys.collect() }
}
