//! Whoever does not answer, or answers that they will not, is asked again later: at growing intervals.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proofs::slug::Slug;

use super::Options;

/// Whose pause: a witness's altogether, or for one register.
type Whose = (usize, Option<Slug>);

/// The pauses of a publisher, by index of the witness in the policy.
pub struct Backoff {
    first: Duration,
    longest: Duration,
    pauses: HashMap<Whose, (u32, Instant)>,
}

impl Backoff {
    /// No pauses yet.
    pub fn new(options: Options) -> Self {
        Self { first: options.first_pause, longest: options.longest_pause, pauses: HashMap::new() }
    }

    /// May a witness be asked about a register now?
    pub fn free(&self, witness: usize, register: &Slug, now: Instant) -> bool {
        let over = |whose: &Whose| self.pauses.get(whose).is_none_or(|(_, until)| *until <= now);
        over(&(witness, None)) && over(&(witness, Some(register.clone())))
    }

    /// A witness answered.
    pub fn answered(&mut self, witness: usize) {
        self.pauses.remove(&(witness, None));
    }

    /// And was content.
    pub fn content(&mut self, witness: usize, register: &Slug) {
        self.answered(witness);
        self.pauses.remove(&(witness, Some(register.clone())));
    }

    /// A witness was away, or said that it will not have a register.
    pub fn pause(&mut self, witness: usize, register: Option<&Slug>, now: Instant) {
        let (failures, until) = self.pauses.entry((witness, register.cloned())).or_insert((0, now));
        // Several registers find a witness away at once: that is one failure.
        if *failures > 0 && *until > now {
            return;
        }
        let pause = self.first.saturating_mul(2_u32.saturating_pow(*failures)).min(self.longest);
        (*failures, *until) = (failures.saturating_add(1), now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_longest_and_end_with_an_answer() {
        let options = Options {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(5),
            ..Options::default()
        };
        let mut backoff = Backoff::new(options);
        let mut now = Instant::now();
        let permits: Slug = "permits".parse().unwrap();
        for seconds in [1, 2, 4, 5, 5] {
            assert!(backoff.free(0, &permits, now));
            backoff.pause(0, None, now);
            backoff.pause(0, None, now);
            now += Duration::from_millis(seconds * 1_000 - 1);
            assert!(!backoff.free(0, &permits, now) && backoff.free(1, &permits, now), "{seconds}");
            now += Duration::from_millis(1);
        }
        backoff.answered(0);
        backoff.pause(0, Some(&permits), now);
        assert!(!backoff.free(0, &permits, now));
        assert!(backoff.free(0, &"others".parse().unwrap(), now), "it has nothing against the others");
        backoff.content(0, &permits);
        assert!(backoff.free(0, &permits, now));
    }
}
