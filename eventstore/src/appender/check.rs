//! What is wrong with a submission whatever the store holds; checked on the caller's task, off the appender's.

use proofs::body::digest;

use crate::error::AppendError;
use crate::model::{
    BODY_BYTES_MAX, Idempotency, KEY_BYTES_MAX, NUMBER_BYTES_MAX, NewEntry, SUBMISSION_ENTRIES_MAX,
    Submission, Withhold,
};

pub(super) fn submission(submission: &Submission) -> Result<(), AppendError> {
    let entries = submission.entries.len();
    if entries == 0 && (submission.opens.is_empty() || !submission.rekeys.is_empty()) {
        return invalid("it has no entries");
    }
    // A key is found by the entries that it made.
    if entries == 0 && submission.idempotency.is_some() {
        return invalid("it has an idempotency key, and no entries");
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
    submission.withholds.iter().try_for_each(|order| withhold(submission, order))?;
    submission.entries.iter().enumerate().try_for_each(|(at, new)| entry(at, new))
}

/// Only an entry of the submission takes bodies away, and only of its own record, from before it.
fn withhold(submission: &Submission, order: &Withhold) -> Result<(), AppendError> {
    let said = |new: &NewEntry| (new.statement.statement().record, new.statement.statement().version);
    let ordered = submission.entries.iter().any(|new| said(new) == (order.record, order.by));
    if !ordered {
        return invalid("it withholds bodies by an entry that is not in it");
    }
    let ascend = order.versions.is_sorted_by(|one, next| one < next);
    let earlier = order.versions.iter().all(|version| (1..order.by).contains(version));
    if ascend && earlier {
        Ok(())
    } else {
        invalid("versions that are withheld ascend, and are earlier than the order's")
    }
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
