//! When a message that failed is sent again.

use eventstore::Entropy;

/// Attempts at a message; with the pauses below they are spread over some 23 hours. Then it is parked.
pub const ATTEMPTS_MAX: u64 = 12;
/// While a message has failed no oftener, those after it wait: a receiver that is away for a minute gets everything in order.
pub const HELD_ATTEMPTS: u64 = 3;
/// The pause after the first failure; it triples with each.
const FIRST_MILLIS: i64 = 5_000;
/// The longest pause, also when a receiver asks for a longer one.
const LONGEST_MILLIS: i64 = 6 * 3_600_000;

/// Milliseconds to wait after so many failures; nothing when there is no next attempt. A quarter more or less by chance, so that
/// what failed together does not come back together.
pub fn pause_millis(failures: u64, asked_seconds: Option<u64>, entropy: &dyn Entropy) -> Option<i64> {
    if failures >= ATTEMPTS_MAX {
        return None;
    }
    let tripled = 3_i64.saturating_pow(u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let plain = FIRST_MILLIS.saturating_mul(tripled).min(LONGEST_MILLIS);
    let mut chance = [0; 2];
    entropy.fill(&mut chance);
    let jittered = plain / 4 * 3 + plain / 2 * i64::from(u16::from_be_bytes(chance)) / i64::from(u16::MAX);
    let asked =
        asked_seconds.map_or(0, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000));
    Some(jittered.max(asked.min(LONGEST_MILLIS)))
}

#[cfg(test)]
mod tests {
    use eventstore::testing::SeededEntropy;

    use super::*;

    #[test]
    fn pauses_triple_vary_and_end() {
        let entropy = SeededEntropy::new(3);
        let mut whole = 0;
        for failures in 1..ATTEMPTS_MAX {
            let plain = (FIRST_MILLIS * 3_i64.pow(u32::try_from(failures - 1).unwrap())).min(LONGEST_MILLIS);
            let pauses: Vec<i64> =
                (0..100).map(|_| pause_millis(failures, None, &entropy).unwrap()).collect();
            assert!(
                pauses.iter().all(|pause| (plain / 4 * 3..=plain / 4 * 5 + 1).contains(pause)),
                "{pauses:?}"
            );
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
            whole += plain;
        }
        assert_eq!(pause_millis(ATTEMPTS_MAX, Some(1), &entropy), None);
        assert_eq!(whole / 3_600_000, 22);
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
        let entropy = SeededEntropy::new(3);
        assert_eq!(pause_millis(1, Some(60), &entropy), Some(60_000));
        assert_eq!(pause_millis(1, Some(u64::MAX), &entropy), Some(LONGEST_MILLIS));
        assert!(pause_millis(1, Some(1), &entropy) >= Some(FIRST_MILLIS / 4 * 3));
    }
}
