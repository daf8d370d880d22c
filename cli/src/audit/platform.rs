//! The platform's own registers, which say whose keys and which definitions were in force when.
//!
//! `departments` is folded entry by entry, and each statement is checked against the keys that the entries before it
//! put in force: a forged enrolment cannot vouch for itself. Only entry 0 does, and it is the root of trust: it
//! establishes the platform's own department. Whoever keeps state from audit to audit pins it.

use domain::audit::StepChecker;
use domain::definitions::Definitions;
use domain::departments::Departments;
use domain::entry::EntryView;
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde_json::Value;

use super::fetch::{CouldNotCheck, Fetch};
use super::log::{Log, walk};
use super::register::{Checked, Entries, check_bodies, check_key};
use super::report::{Fault, RegisterReport};
use super::state::Pins;
use super::{Outcome, Trust};
use crate::progress::Progress;
