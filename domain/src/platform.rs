//! The registers and the department that every installation has.

/// The register of registers: a record is one register's definition.
pub const REGISTERS: &str = "registers";
/// The register of departments: a record is one department, with its keys and officials.
pub const DEPARTMENTS: &str = "departments";
/// The register of persons: a record is one person, and the person's account.
pub const PERSONS: &str = "persons";
/// The register of triggers: a record is one proactive rule.
pub const TRIGGERS: &str = "triggers";
/// The register of offers: a record is what one rule proposes to one person for one cause.
pub const OFFERS: &str = "offers";
/// The register of requests: a record is one application for a service.
pub const REQUESTS: &str = "requests";
/// The register of consents: a record is what a person lets a third party read.
pub const CONSENTS: &str = "consents";
/// The register of accesses: a record is one look at what concerns a person.
pub const ACCESSES: &str = "accesses";
/// The register of interventions: a record is something that an operator did to a projection by hand.
pub const INTERVENTIONS: &str = "interventions";
/// All of them.
pub const PLATFORM_REGISTERS: [&str; 9] =
    [REGISTERS, DEPARTMENTS, PERSONS, TRIGGERS, OFFERS, REQUESTS, CONSENTS, ACCESSES, INTERVENTIONS];
/// The department that owns these registers and signs for the installation.
pub const PLATFORM: &str = "platform";
