//! A record of any register, under the rules of its register: what callers append through.
//!
//! Records of `departments`, `registers` and `triggers` have rules beyond those of any record. Choosing the aggregate here, by the
//! register's slug, leaves no way to append to those registers without them.

use serde::{Deserialize, Serialize};

use crate::department::Department;
use crate::platform::{DEPARTMENTS, REGISTERS, TRIGGERS};
use crate::record::{Proposed, Record, RecordError, RecordEvent};
use crate::register::Register;
use crate::trigger::Trigger;

/// A record under the rules of its register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AnyRecord {
    /// A record of a register that has no rules of its own; also a record that does not exist yet.
    Record(Box<Record>),
    /// A record of `departments`.
    Department(Box<Department>),
    /// A record of `registers`.
    Register(Box<Register>),
    /// A record of `triggers`.
    Trigger(Box<Trigger>),
}

impl Default for AnyRecord {
    fn default() -> Self {
        Self::Record(Box::default())
    }
}

impl AnyRecord {
    /// A record that does not exist yet, in this register.
    pub fn of(register: &str) -> Self {
        match register {
            DEPARTMENTS => Self::Department(Box::default()),
            REGISTERS => Self::Register(Box::default()),
            TRIGGERS => Self::Trigger(Box::default()),
            _ => Self::default(),
        }
    }

    /// Its facts and its content.
    pub fn record(&self) -> &Record {
        match self {
            Self::Record(record) => record,
            Self::Department(department) => &department.record,
            Self::Register(register) => &register.record,
            Self::Trigger(trigger) => &trigger.record,
        }
    }

    /// Decides on a proposed entry.
    pub fn decide(&self, proposed: &Proposed) -> Result<RecordEvent, RecordError> {
        match self {
            Self::Record(record) if record.state.version == 0 => {
                match Self::of(proposed.definition.definition.slug.as_str()) {
                    Self::Record(_) => record.decide(proposed),
                    Self::Department(department) => department.decide(proposed),
                    Self::Register(register) => register.decide(proposed),
                    Self::Trigger(trigger) => trigger.decide(proposed),
                }
            }
            Self::Record(record) => record.decide(proposed),
            Self::Department(department) => department.decide(proposed),
            Self::Register(register) => register.decide(proposed),
            Self::Trigger(trigger) => trigger.decide(proposed),
        }
    }

    /// Takes one event in.
    pub fn step(&mut self, event: &RecordEvent) {
        if self.record().state.version == 0 {
            *self = Self::of(event.register.as_str());
        }
        match self {
            Self::Record(record) => record.step(event),
            Self::Department(department) => department.step(event),
            Self::Register(register) => register.step(event),
            Self::Trigger(trigger) => trigger.step(event),
        }
    }
}

crate::record::aggregate!(AnyRecord, "any-record");
