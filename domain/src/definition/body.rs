//! Bodies against their schemas. Messages are made here from the rule that was broken, because the library's own would
//! repeat the value, which may be personal data.

use jsonschema::error::{TypeKind, ValidationErrorKind as Broken};
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::provided::provided_defs;
use crate::checks::{self, FORMATS};
use crate::fault::{self, Fault};

/// More faults than a person would read are cut off.
const FAULTS_MAX: usize = 100;
/// Compiled size of one pattern: ample for a few hundred characters with bounded repetition, and 64 types of 100 patterns
/// each stay far from exhausting memory, since the limit is only approached by hostile ones.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Compiles the schema of a type. The engine's `$defs` and the definition's own are put under it; nothing is ever fetched.
/// Patterns are run by an engine without backtracking, so that matching takes linear time (and lookaround is refused).
pub(super) fn compile(schema: &Value, shared: Option<&Map<String, Value>>) -> Result<Validator, Fault> {
    let mut schema = schema.clone();
    if let Some(root) = schema.as_object_mut() {
        let mut defs = provided_defs().clone();
        defs.extend(shared.into_iter().flatten().map(|(name, def)| (name.clone(), def.clone())));
        if let Some(Value::Object(own)) = root.remove("$defs") {
            defs.extend(own);
        }
        root.insert("$defs".to_owned(), Value::Object(defs));
    }
    build(&schema)
}

/// Compiles the pattern of a number, which is to match the whole of it: of `^A|B$` each way alone is bound at one end only.
pub(super) fn pattern(pattern: &str) -> Result<Validator, Fault> {
    build(&json!({"type": "string", "pattern": format!("^(?:{pattern})$")}))
}

/// Compiles a schema that stands on its own.
pub(crate) fn build(schema: &Value) -> Result<Validator, Fault> {
    let mut options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX),
        )
        .offline();
    for (name, check) in FORMATS {
        options = options.with_format(name, move |text: &str| check(text).is_ok());
    }
    // A schema is no secret, so that here the library's own words can stand.
    options.build(schema).map_err(|error| Fault::new(error.instance_path().to_string(), error.to_string()))
}

/// Everything in a body that its schema does not allow, sorted by place.
pub(crate) fn faults(validator: &Validator, body: &Value) -> Vec<Fault> {
    // Nearly every body is right, and to learn only that takes a fraction of the time.
    if validator.is_valid(body) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for error in validator.iter_errors(body) {
        describe(&error, &mut faults);
    }
    faults.sort();
    faults.dedup();
    faults.truncate(FAULTS_MAX);
    faults
}

fn describe(error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
    let at = error.instance_path().to_string();
    match error.kind() {
        Broken::Required { property } => {
            faults.push(Fault::new(
                fault::join(&at, property.as_str().unwrap_or_default()),
                "is required and missing",
            ));
        }
        Broken::AdditionalProperties { unexpected } | Broken::UnevaluatedProperties { unexpected } => {
            let message = "is not a member that this entry type knows";
            faults.extend(unexpected.iter().map(|name| Fault::new(fault::join(&at, name), message)));
        }
        Broken::AnyOf { context } | Broken::OneOfNotValid { context } => match nearest(context) {
            Some(errors) => errors.iter().for_each(|error| describe(error, faults)),
            None => faults.push(Fault::new(at, "fits none of the forms allowed here")),
        },
        Broken::PropertyNames { .. } => faults.push(Fault::new(at, "has a member whose name is not allowed")),
        kind => faults.push(Fault::new(at, message(kind, error.instance()))),
    }
}

/// Of several alternatives, the one that the body was meant to be: the one with the fewest faults. When even that one has
/// the wrong type, nothing is gained by naming it.
fn nearest<'e>(context: &'e [Vec<ValidationError<'static>>]) -> Option<&'e Vec<ValidationError<'static>>> {
    let is_wrong_type = |error: &ValidationError<'_>| matches!(error.kind(), Broken::Type { .. });
    context
        .iter()
        .filter(|errors| !errors.is_empty() && !errors.iter().any(is_wrong_type))
        .min_by_key(|errors| errors.iter().map(weight).sum::<usize>())
}

/// Members that do not belong, and members that are missing, show that another alternative was meant.
fn weight(error: &ValidationError<'_>) -> usize {
    match error.kind() {
        Broken::AdditionalProperties { unexpected } => 10 * unexpected.len(),
        Broken::Required { .. } => 10,
        _ => 1,
    }
}

fn message(kind: &Broken, instance: &Value) -> String {
    match kind {
        Broken::Format { format } => format_message(format, instance),
        Broken::Type { kind: TypeKind::Single(kind) } => format!("must be of type {kind}"),
        Broken::Type { .. } => "is not of any type allowed here".to_owned(),
        Broken::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Broken::Enum { options } => format!("must be one of {options}"),
        Broken::Constant { expected_value } => format!("must be {expected_value}"),
        Broken::MinLength { limit } => format!("must have at least {limit} characters"),
        Broken::MaxLength { limit } => format!("must have at most {limit} characters"),
        Broken::MinItems { limit } => format!("must have at least {limit} items"),
        Broken::MaxItems { limit } => format!("must have at most {limit} items"),
        Broken::AdditionalItems { limit } => format!("must have no more than {limit} items"),
        Broken::UnevaluatedItems { .. } => "has items that are not allowed here".to_owned(),
        Broken::MinProperties { limit } => format!("must have at least {limit} members"),
        Broken::MaxProperties { limit } => format!("must have at most {limit} members"),
        Broken::Minimum { limit } => format!("must be {limit} or more"),
        Broken::Maximum { limit } => format!("must be {limit} or less"),
        Broken::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Broken::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Broken::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Broken::UniqueItems => "must not have the same item twice".to_owned(),
        Broken::OneOfMultipleValid { .. } => {
            "fits more than one of the forms of which it must be one".to_owned()
        }
        Broken::Contains => "lacks an item that must be in it".to_owned(),
        Broken::FalseSchema => "is not allowed here".to_owned(),
        other => format!("does not satisfy the schema's `{}`", other.keyword()),
    }
}

fn format_message(format: &str, instance: &Value) -> String {
    let ours = FORMATS.iter().find(|(name, _)| *name == format).map(|(_, check)| check);
    match (ours, instance.as_str()) {
        (Some(check), Some(text)) => {
            check(text).err().map_or_else(String::new, |error: checks::CheckError| error.to_string())
        }
        _ => match format {
            "date-time" => "a moment is written YYYY-MM-DDTHH:MM:SSZ (RFC 3339)".to_owned(),
            "uuid" => "a UUID is written as 0190a5b2-7c3d-7e4f-8a1b-2c3d4e5f6a7b".to_owned(),
            "email" => "an e-mail address is written as name@example.ru".to_owned(),
            other => format!("must be written in the format {other}"),
        },
    }
}
