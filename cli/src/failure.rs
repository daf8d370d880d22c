//! How a command ends when it does not succeed: one sentence on standard error, and an exit code.

use std::error::Error;
use std::fmt;

/// A command that did not succeed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// Exit code: 1 for a command that failed, 2 for one that could not even begin.
    pub code: u8,
}

impl Failure {
    /// What was asked for cannot be done as it was said.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 2 }
    }

    /// What was asked for failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }

    /// With what can be done about it.
    pub fn hint(mut self, hint: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(hint);
        self
    }

    /// What was asked for failed, for this reason and those behind it.
    pub fn because(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self { message: format!("{what}: {}", chain(error)), code: 1 }
    }
}

/// An error with what caused it, each said once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// A refusal of the registry, with the place of each fault, each said once.
pub fn refused(refusal: &api::registry::Refusal) -> String {
    let mut text = chain(refusal);
    for fault in refusal.reason.faults() {
        if !text.contains(&fault.message) {
            text.push_str("\n  ");
            text.push_str(&fault.to_string());
        }
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}
