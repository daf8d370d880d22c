//! What the shared sources say when they fail.

use std::error::Error;
use std::fmt;

/// Something that did not go as it must.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// In these words.
    pub fn failed(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// For this reason and those behind it.
    pub fn because(what: &str, error: &(dyn Error + 'static)) -> Self {
        let mut text = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}
