//! The register in which each record began: a record lives in one register.

use std::io;

use proofs::slug::Slug;

use super::fetch::CouldNotCheck;
use super::platform::is_root;
use super::register::Checked;
use super::report::{Fault, Report};
use super::spill::Spill;

/// Records in an audit, as far as anyone knows when it begins; a few more or less do no harm.
const RECORDS: u64 = 10_000_000;
/// Bytes of a row, with its record.
const ROW_BYTES: u64 = 34;

/// Where records began.
pub struct Homes {
    rows: Spill,
    registers: Vec<Slug>,
}

impl Default for Homes {
    fn default() -> Self {
        Self { rows: Spill::new(RECORDS, ROW_BYTES), registers: Vec::new() }
    }
}

impl Homes {
    /// Notes an entry, if its record begins there.
    pub fn note(&mut self, entry: &Checked, register: &Slug) -> io::Result<()> {
        let statement = entry.leaf.statement.statement();
        if statement.version != 1 {
            return Ok(());
        }
        let place = self.place(register);
        let row = [place.to_le_bytes(), entry.index.to_le_bytes()].concat();
        self.rows.push(statement.record, &row)
    }

    fn place(&mut self, register: &Slug) -> u64 {
        // That of the last entry, nearly always.
        let known = self.registers.iter().rposition(|known| known == register);
        let place = known.unwrap_or_else(|| {
            self.registers.push(register.clone());
            self.registers.len() - 1
        });
        place as u64
    }

    /// Finds the records that began in several registers. The fault is of each register but the first.
    pub fn conclude(self, report: &mut Report) -> Result<(), CouldNotCheck> {
        let Self { rows, registers } = self;
        let register = |place: u64| usize::try_from(place).ok().and_then(|place| registers.get(place));
        for sealed in rows.finish() {
            let rows = sealed.read().map_err(|error| CouldNotCheck::temporary(&error))?;
            for (record, begun) in rows.records() {
                let mut begun: Vec<(u64, u64)> = begun.into_iter().filter_map(decode).collect();
                let Some(home) = begun.first().and_then(|(place, _)| register(*place)) else { continue };
                // Of several archives of a register, each says the same.
                begun.sort_unstable();
                begun.dedup();
                for (place, index) in begun {
                    // Of the roots it was found when they were verified.
                    let other = register(place).filter(|other| *other != home && !is_root(other));
                    let Some(other) = other else { continue };
                    let detail = format!("the record has entries in register {home} too");
                    let fault =
                        Fault { index: Some(index), record: Some(record), rule: "one-register", detail };
                    report.fault(other, fault);
                }
            }
        }
        Ok(())
    }
}

fn decode(row: &[u8]) -> Option<(u64, u64)> {
    let (place, rest) = row.split_first_chunk()?;
    let (index, _) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*place), u64::from_le_bytes(*index)))
}

#[cfg(test)]
mod tests {
    use proofs::body::BodyDigest;
    use proofs::key::PrivateKey;
    use proofs::leaf::Leaf;
    use proofs::statement::Statement;
    use proofs::time::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::audit::Target;
    use crate::audit::report::RegisterReport;

    fn entry(index: u64, register: &Slug, (record, version): (u128, u64)) -> Checked {
        let statement = Statement {
            register: register.clone(),
            record: Uuid::from_u128(record),
            version,
            entry_type: "issued".parse().unwrap(),
            effective_at: Timestamp::from_millis(0),
            issuer: "platform".parse().unwrap(),
            body: BodyDigest([0; 32]),
        };
        let statement = statement.sign(&PrivateKey::from_seed(&[1; 32]));
        Checked { index, leaf: Leaf { recorded_at: Timestamp::from_millis(0), statement } }
    }

    #[test]
    fn a_record_begins_in_one_register() {
        let [one, other]: [Slug; 2] = ["licences", "permits"].map(|slug| slug.parse().unwrap());
        let mut report = Report::new(&Target::Archives(Vec::new()));
        let mut homes = Homes::default();
        // Twice in one register is a matter of versions; a second archive of a register says the same again.
        for (register, record, version, index) in [
            (&one, 1, 1, 0),
            (&one, 1, 1, 1),
            (&one, 2, 1, 2),
            (&other, 1, 1, 5),
            (&other, 2, 2, 6),
            (&other, 3, 1, 7),
            (&one, 1, 1, 0),
            (&other, 1, 1, 5),
        ] {
            homes.note(&entry(index, register, (record, version)), register).unwrap();
        }
        for register in [one, other] {
            report.add(RegisterReport::new(register));
        }
        homes.conclude(&mut report).unwrap();
        let found = report.registers.iter().flat_map(|register| {
            register.faults.iter().map(|fault| (register.register.as_str(), fault.index, fault.rule))
        });
        assert_eq!(found.collect::<Vec<_>>(), [("permits", Some(5), "one-register")]);
    }
}
