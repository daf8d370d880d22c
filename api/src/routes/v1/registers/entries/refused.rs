//! A refused append as a problem.

use domain::Fault;
use domain::record::{Reason as Whose, RecordError};

use crate::problem::{self, Kind, Pointed, Problem, sentence};
use crate::registry::{Reason, Refusal};

/// The problem of a refusal. In a list, pointers begin with the entry's index.
pub fn problem(refusal: &Refusal, list: bool) -> Problem {
    let prefix =
        if list { refusal.entry.map(|entry| format!("/{entry}")).unwrap_or_default() } else { String::new() };
    let words = || sentence(&refusal.reason.to_string());
    let at = |kind: &'static Kind, pointer: &str| {
        let pointed = Pointed { pointer: format!("{prefix}{pointer}"), detail: refusal.reason.to_string() };
        Problem::new(kind, words()).with_errors(vec![pointed])
    };
    match &refusal.reason {
        Reason::UnknownRegister(_) => Problem::not_found(),
        Reason::ForeignRegister { .. } => Problem::new(problem::FOREIGN_REGISTER, words()),
        Reason::UnknownDepartment(_) => Problem::new(problem::FORBIDDEN, words()),
        Reason::KeyNotInForce { .. } => at(problem::KEY_NOT_IN_FORCE, "/statement"),
        Reason::NoKeyHeld(_) => Problem::new(problem::KEY_NOT_IN_FORCE, words()),
        Reason::Count | Reason::IdempotencyKey => Problem::invalid(words()),
        Reason::BodyTooLarge => at(problem::TOO_LARGE, "/body"),
        Reason::Statement(_) => at(problem::INVALID_STATEMENT, "/statement"),
        Reason::Rule(error) => ruled(error, &prefix),
        Reason::Rules(faults) => Problem::new(problem::INVALID_ENTRY, words())
            .with_errors(pointed(faults, &format!("{prefix}/body"))),
        Reason::CheckpointKey => at(problem::INVALID_ENTRY, "/body/key"),
        Reason::Version { .. } => at(problem::VERSION_CONFLICT, "/version"),
        Reason::Precondition { .. } => Problem::new(problem::PRECONDITION_FAILED, words()),
        Reason::Number => at(problem::NUMBER_CONFLICT, "/body"),
        Reason::Idempotency => Problem::new(problem::IDEMPOTENCY_CONFLICT, words()),
        Reason::Mirror => Problem::new(problem::MIRROR, words()),
        Reason::Overloaded { retry_after_seconds } => {
            Problem::new(problem::OVERLOADED, words()).retry_after(*retry_after_seconds)
        }
        Reason::Store(error) => error.clone().into(),
        Reason::Corrupt(_) => Problem::internal(refusal),
    }
}

fn ruled(error: &RecordError, prefix: &str) -> Problem {
    let kind = match error.reason() {
        Whose::Forbidden => problem::FOREIGN_REGISTER,
        Whose::Conflict => problem::STATE_CONFLICT,
        Whose::Invalid => problem::INVALID_ENTRY,
    };
    let faults = error.faults();
    let errors = if faults.is_empty() {
        let member = match error {
            RecordError::EffectiveTooEarly { .. } | RecordError::EffectiveTooLate { .. } => "/effective_at",
            RecordError::OtherRegister { .. }
            | RecordError::Closed { .. }
            | RecordError::ForeignRegister { .. } => "",
            _ => "/type",
        };
        vec![Pointed { pointer: format!("{prefix}{member}"), detail: error.to_string() }]
    } else {
        pointed(&faults, &format!("{prefix}/body"))
    };
    let detail = match error {
        RecordError::Body { faults } => {
            format!("The body has {} fault(s); `errors` names each.", faults.len())
        }
        other => sentence(&other.to_string()),
    };
    Problem::new(kind, detail).with_errors(errors)
}

fn pointed(faults: &[Fault], prefix: &str) -> Vec<Pointed> {
    let point = |fault: &Fault| Pointed {
        pointer: format!("{prefix}{}", fault.pointer),
        detail: fault.message.clone(),
    };
    faults.iter().map(point).collect()
}
