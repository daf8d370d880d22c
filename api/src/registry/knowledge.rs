//! What is in force: definitions and departments, folded from their registers.

use domain::DomainError;
use domain::definitions::Definitions;
use domain::departments::Departments;
use domain::platform::{DEPARTMENTS, REGISTERS};
use eventstore::{Store, StoreError};
use proofs::slug::Slug;

use super::entries::{parse_body, view};

/// Entries read at once: a definition is some 10 kB, so this is about two megabytes.
const READ_ENTRIES: u32 = 200;

/// Definitions and departments as of some moment, with their histories.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Which definition of a register was in force when.
    pub definitions: Definitions,
    /// Departments, their keys and officials.
    pub departments: Departments,
    registers_read: u64,
    departments_read: u64,
}

/// Why what is in force cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The platform's registers contradict themselves.
    #[error("the platform's registers contradict themselves")]
    Domain(#[from] DomainError),
}

impl Knowledge {
    /// What is known when everything recorded since is taken in; `None` when nothing was.
    pub(super) async fn read_on(&self, store: &Store) -> Result<Option<Self>, KnowledgeError> {
        let mut next = None;
        for name in [REGISTERS, DEPARTMENTS] {
            // The two names are slugs: their definitions and every statement of theirs say so.
            let Ok(register) = name.parse::<Slug>() else { continue };
            loop {
                let from = next.as_ref().unwrap_or(self).read(name);
                let entries = store.read_register(&register, from, READ_ENTRIES).await?;
                if entries.is_empty() {
                    break;
                }
                let knowledge = next.get_or_insert_with(|| self.clone());
                for entry in &entries {
                    let body = parse_body(entry)?;
                    let entry_view = view(entry, body.as_ref());
                    if name == REGISTERS {
                        knowledge.definitions.apply(&entry_view)?;
                        knowledge.registers_read = entry.index + 1;
                    } else {
                        knowledge.departments.apply(&entry_view)?;
                        knowledge.departments_read = entry.index + 1;
                    }
                }
            }
        }
        Ok(next)
    }

    fn read(&self, name: &str) -> u64 {
        if name == REGISTERS { self.registers_read } else { self.departments_read }
    }
}
