//! Definitions of registers, with the schemas in them.

use domain::definition::Definition;
use proofs::jcs;
use serde_json::json;

/// A definition that is taken says the same when it is written and read again, and its schemas judge bodies.
pub fn definition(bytes: &[u8]) -> bool {
    let Ok(json) = jcs::parse(bytes) else { return false };
    let definition = match Definition::from_json(&json) {
        Ok(definition) => definition,
        Err(faults) => {
            assert!(!faults.is_empty() && faults.is_sorted(), "all faults, by place");
            return false;
        }
    };
    let written = definition.to_json();
    let again = Definition::from_json(&written).expect("what was written is a definition");
    assert_eq!(again.to_json(), written);
    assert!(Definition::trusted(&json).is_ok(), "what is taken is trusted afterwards");
    assert!(definition.opening_types().next().is_some());
    let nested = (0..jcs::DEPTH_MAX - 1).fold(json!({}), |inner, _| json!({ "a": inner }));
    for rule in &definition.types {
        for body in
            [json!({}), json!({ "corrects": 1, "subjects": [], "a": [null, 1.5, "x"] }), nested.clone()]
        {
            let faults = definition.check_body(rule, &body);
            assert!(faults.is_sorted());
        }
    }
    if let Some(number) = &definition.number {
        assert!(definition.number_matches(&number.example));
    }
    true
}
