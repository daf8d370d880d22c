//! Whose cosignatures a checkpoint has, and whether they suffice for the auditor's policy.

use std::collections::BTreeMap;

use proofs::note::SignedNote;
use proofs::policy::Policy;
use proofs::time::Timestamp;

use super::log_fault;
use super::report::{Cosigned, RegisterReport, Report, WitnessReport};

/// Holds a verified checkpoint's note against the policy.
pub fn check(policy: &Policy, note: &str, report: &mut RegisterReport) {
    // It was opened before with the register's key.
    let Ok(note) = SignedNote::parse(note) else { return };
    let verdict = policy.check(&note);
    let cosigned = verdict.cosigned.iter().map(|(witness, seconds)| Cosigned {
        witness: witness.clone(),
        at: Timestamp::from_millis(i64::try_from(*seconds).unwrap_or(i64::MAX).saturating_mul(1_000)),
    });
    report.cosigned = cosigned.collect();
    if !verdict.log {
        report.fault(log_fault("witness-quorum", "no log of the policy has signed the checkpoint"));
    }
    for witness in &verdict.false_lines {
        let detail = format!("the checkpoint has a cosignature of {witness} that does not verify");
        report.fault(log_fault("witness-quorum", detail));
    }
    if !verdict.quorum && verdict.false_lines.is_empty() {
        let names: Vec<&str> = verdict.cosigned.iter().map(|(name, _)| name.as_str()).collect();
        let by = if names.is_empty() {
            "none of its witnesses".to_owned()
        } else {
            format!("{} alone", names.join(", "))
        };
        let detail = format!("the checkpoint is cosigned by {by}, which is not the quorum of the policy");
        report.fault(log_fault("witness-quorum", detail));
    }
}

/// What each witness of the policy cosigned, of all registers.
pub fn summary(policy: &Policy, report: &Report) -> Vec<WitnessReport> {
    let mut times: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for cosigned in report.registers.iter().flat_map(|register| &register.cosigned) {
        times.entry(&cosigned.witness).or_default().push(cosigned.at);
    }
    let of = |name: &str| times.get(name).map(Vec::as_slice).unwrap_or_default();
    let witnesses = policy.witnesses().iter();
    witnesses
        .map(|witness| WitnessReport {
            witness: witness.name.clone(),
            registers: of(&witness.name).len() as u64,
            oldest: of(&witness.name).iter().min().copied(),
            newest: of(&witness.name).iter().max().copied(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proofs::key::PrivateKey;
    use proofs::note::{Cosigner, NoteSigner, sign};

    use super::*;

    fn cosigner(n: u8) -> Cosigner {
        Cosigner::new(&format!("w{n}.example"), PrivateKey::from_seed(&[n; 32])).unwrap()
    }

    /// What is found of a checkpoint that these witnesses cosigned, by a policy of two of three.
    fn found(cosigned: &[u8], spoil: bool) -> RegisterReport {
        let [one, two, three] = [1, 2, 3].map(|n| cosigner(n).verifier());
        let lines = format!(
            "witness w1 {one}
witness w2 {two}
witness w3 {three}
"
        );
        let policy: Policy = format!("{lines}group two 2 w1 w2 w3\nquorum two\n").parse().unwrap();
        let log = NoteSigner::new("log.example/registers/permits", PrivateKey::from_seed(&[9; 32])).unwrap();
        let root = proofs::hash::EMPTY_ROOT;
        let mut note = sign(&format!("log.example/registers/permits\n0\n{root}\n"), &[log]).unwrap();
        for n in cosigned {
            let mut line = cosigner(*n).cosign(note.text(), 1_780_315_200 + u64::from(*n)).unwrap();
            line.signature[30] ^= u8::from(spoil);
            note.push(line);
        }
        let mut report = RegisterReport::new("permits".parse().unwrap());
        check(&policy, &note.to_string(), &mut report);
        if !cosigned.is_empty() && !spoil {
            let mut whole = Report::new(&crate::audit::Target::Archives(Vec::new()));
            whole.registers.push(report);
            let summary = summary(&policy, &whole);
            let counts: Vec<u64> = summary.iter().map(|witness| witness.registers).collect();
            assert_eq!(counts, [1, 2, 3].map(|n| u64::from(cosigned.contains(&n))));
            return whole.registers.remove(0);
        }
        report
    }

    #[test]
    fn a_quorum_is_no_fault_and_less_is() {
        let good = found(&[1, 3], false);
        assert!(good.faults.is_empty());
        assert_eq!(good.cosigned[1].witness, "w3");
        assert_eq!(good.cosigned[1].at.to_string(), "2026-06-01T12:00:03.000Z");
        for (cosigned, spoil, said) in
            [(&[][..], false, "none of its"), (&[2], false, "w2 alone"), (&[1, 2], true, "does not verify")]
        {
            let bad = found(cosigned, spoil);
            assert!(bad.faults.iter().all(|fault| fault.rule == "witness-quorum"));
            assert!(bad.faults[0].detail.contains(said), "{:?}", bad.faults);
        }
    }
}
