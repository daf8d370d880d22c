//! What is wrong with a submission whatever the store holds; checked on the caller's task, off the appender's.

use proofs::body::digest;

use crate::error::AppendError;
use crate::model::{
    BODY_BYTES_MAX, Idempotency, KEY_BYTES_MAX, NUMBER_BYTES_MAX, NewEntry, SUBMISSION_ENTRIES_MAX,
    Submission,
};

pub(super) fn submission(submission: &Submission) -> Result<(), AppendError> {
    let entries = submission.entries.len();
    if entries == 0 && (submission.opens.is_empty() || !submission.rekeys.is_empty()) {
        return invalid("it has no entries");
    }
    if entries > SUBMISSION_ENTRIES_MAX {
        return invalid(&format!("it has {entries} entries; at most {SUBMISSION_ENTRIES_MAX} go together"));
    }
    if let Some(Idempotency { scope, key, .. }) = &submission.idempotency {
        for (name, text) in [("scope", scope), ("key", key)] {
            if text.len() > KEY_BYTES_MAX || text.contains('\0') {
                return invalid(&format!(
                    "the idempotency {name} is longer than {KEY_BYTES_MAX} bytes or has a NUL"
                ));
            }
        }
    }
    submission.entries.iter().enumerate().try_for_each(|(at, new)| entry(at, new))
}

fn entry(at: usize, new: &NewEntry) -> Result<(), AppendError> {
    if new.body.len() > BODY_BYTES_MAX {
        return invalid(&format!("entry {at}: the body is longer than {BODY_BYTES_MAX} bytes"));
    }
    if digest(&new.salt, &new.body) != new.statement.statement().body {
        return invalid(&format!("entry {at}: the statement's digest is not that of the body and salt"));
    }
    // PostgreSQL cannot hold a NUL in text, and would fail the whole batch.
    let fits = |number: &String| number.len() <= NUMBER_BYTES_MAX && !number.contains('\0');
    if !new.number.as_ref().is_none_or(fits) {
        return invalid(&format!(
            "entry {at}: the number is longer than {NUMBER_BYTES_MAX} bytes or has a NUL"
        ));
    }
    Ok(())
}

fn invalid(why: &str) -> Result<(), AppendError> {
    Err(AppendError::Invalid(why.to_owned()))
}
