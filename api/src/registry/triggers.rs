//! What a rule names must be there: registers, members, roles, types and departments. Its own text is checked by the
//! aggregate; this takes the definitions of other registers.
//!
//! None of them ever ceases to exist, so that the answer needs no guard: a register closed or a department abolished later is
//! what a rule has to live with anyway.

use std::sync::Arc;

use domain::Fault;
use domain::platform::TRIGGERS;
use domain::trigger::{CompiledRule, check};
use proofs::slug::Slug;

use super::Registry;
use super::append::off_async;
use super::decide::Parsed;
use super::knowledge::Knowledge;
use super::refusal::{Reason, Refusal};

impl Registry {
    /// Refuses the first entry with a rule that names what is not there.
    pub(super) async fn check_rules(
        &self,
        register: &Slug,
        entries: &Arc<Vec<Parsed>>,
        knowledge: &Arc<Knowledge>,
    ) -> Result<(), Refusal> {
        if *register != *TRIGGERS {
            return Ok(());
        }
        let Err(refusal) = checked(entries, knowledge).await? else { return Ok(()) };
        // What is missing may have been made a moment ago, by another server.
        let newer = self.refresh().await?;
        if Arc::ptr_eq(&newer, knowledge) {
            return Err(refusal);
        }
        checked(entries, &newer).await?
    }
}

/// Compiling takes milliseconds, and is done off the async threads.
async fn checked(
    entries: &Arc<Vec<Parsed>>,
    knowledge: &Arc<Knowledge>,
) -> Result<Result<(), Refusal>, Refusal> {
    let (entries, knowledge) = (Arc::clone(entries), Arc::clone(knowledge));
    let check = move || {
        for (at, entry) in entries.iter().enumerate() {
            let faults = faults(entry, &knowledge);
            if !faults.is_empty() {
                return Err(Reason::Rules(faults).at(at));
            }
        }
        Ok(())
    };
    off_async(true, check).await
}

fn faults(entry: &Parsed, knowledge: &Knowledge) -> Vec<Fault> {
    // A rule that is none was refused by the aggregate before.
    let Some(Ok(compiled)) = entry.body.get("rule").map(CompiledRule::compile) else { return Vec::new() };
    let faults = check(&compiled, &knowledge.definitions, &knowledge.departments);
    faults.into_iter().map(|fault| fault.under("/rule")).collect()
}
