//! The registers and the department that every installation has.

/// The register of registers: a record is one register's definition.
pub const REGISTERS: &str = "registers";
/// The register of departments: a record is one department, with its keys and officials.
pub const DEPARTMENTS: &str = "departments";
/// The register of persons: a record is one person, and the person's account.
pub const PERSONS: &str = "persons";
/// The department that owns these registers and signs for the installation.
pub const PLATFORM: &str = "platform";
