//! What is unusual in how officials look, found in the looks alone. Pure: the same looks give the same findings.

use std::collections::{BTreeMap, BTreeSet};

use proofs::{slug::Slug, time::Timestamp};
use uuid::Uuid;

/// An official looked at what concerns a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The access.
    pub record: Uuid,
    /// Its position.
    pub position: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub official: Uuid,
    /// For which department.
    pub department: Slug,
    /// Whom it concerns.
    pub person: Uuid,
    /// What for.
    pub purpose: String,
}

impl Look {
    fn by(&self) -> (&Slug, Uuid) {
        (&self.department, self.official)
    }
}

/// Looks of one official that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The department that they acted for.
    pub department: Slug,
    /// The official.
    pub official: Uuid,
    /// How many persons the looks concern.
    pub persons: usize,
    /// The accesses, the first first.
    pub accesses: Vec<Uuid>,
}

impl Pattern {
    /// Of these looks, which are one official's; nothing when there are none.
    pub(super) fn of<'a>(looks: impl IntoIterator<Item = &'a Look>) -> Option<Self> {
        let looks: Vec<&Look> = looks.into_iter().collect();
        let first = looks.first()?;
        Some(Self {
            department: first.department.clone(),
            official: first.official,
            persons: looks.iter().map(|look| look.person).collect::<BTreeSet<_>>().len(),
            accesses: looks.iter().map(|look| look.record).collect(),
        })
    }
}

/// Many persons in a short time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Many {
    /// So many persons, or more.
    pub persons: usize,
    /// Within less than so many minutes.
    pub minutes: u32,
}

/// A time in which an official looked at many persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// All looks of it.
    pub pattern: Pattern,
    /// The first look.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// The most persons in any one window of it.
    pub peak: usize,
}

/// One text for many persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purposes {
    /// The looks.
    pub pattern: Pattern,
    /// The purpose as it was said first.
    pub purpose: String,
}

/// The looks of each official, each official's in their order.
fn by_official(looks: &[Look]) -> BTreeMap<(&Slug, Uuid), Vec<&Look>> {
    let mut officials: BTreeMap<_, Vec<&Look>> = BTreeMap::new();
    for look in looks {
        officials.entry(look.by()).or_default().push(look);
    }
    for looks in officials.values_mut() {
        looks.sort_by_key(|look| (look.at, look.position));
    }
    officials
}

/// Times in which one official looked at many persons: each window of the given length that has so many, joined with those
/// that overlap it.
pub fn many_persons(looks: &[Look], many: Many) -> Vec<Run> {
    let window = i64::from(many.minutes) * 60_000;
    let mut runs = Vec::new();
    for looks in by_official(looks).into_values() {
        // (first look, last look, peak) of each run; looks of one window are neighbours.
        let mut spans: Vec<(usize, usize, usize)> = Vec::new();
        let mut counts: BTreeMap<Uuid, usize> = BTreeMap::new();
        let mut first = 0;
        for (last, look) in looks.iter().enumerate() {
            *counts.entry(look.person).or_default() += 1;
            while look.at.millis() - looks[first].at.millis() >= window {
                if let Some(count) = counts.get_mut(&looks[first].person) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&looks[first].person);
                    }
                }
                first += 1;
            }
            if counts.len() < many.persons {
                continue;
            }
            match spans.last_mut() {
                Some(span) if first <= span.1 => *span = (span.0, last, span.2.max(counts.len())),
                _ => spans.push((first, last, counts.len())),
            }
        }
        for (first, last, peak) in spans {
            let (from, to) = (looks[first].at, looks[last].at);
            let found = Pattern::of(looks[first..=last].iter().copied());
            runs.extend(found.map(|pattern| Run { pattern, from, to, peak }));
        }
    }
    runs
}

/// Officials who looked at what concerns themselves.
pub fn own_records(looks: &[Look]) -> Vec<Pattern> {
    where_(looks, |look| look.official == look.person)
}

/// Officials who looked by night: 22:00 to 6:00 (Labour Code of the Russian Federation, article 96), in a zone that is so
/// many minutes ahead of UTC.
pub fn night(looks: &[Look], utc_offset_minutes: i32) -> Vec<Pattern> {
    const HOUR: i64 = 3_600_000;
    where_(looks, |look| {
        let hour =
            (look.at.millis() + i64::from(utc_offset_minutes) * 60_000).div_euclid(HOUR).rem_euclid(24);
        !(6..22).contains(&hour)
    })
}

/// Officials who gave one purpose for so many persons or more. Letters' case and spaces make no other purpose.
pub fn same_purpose(looks: &[Look], persons: usize) -> Vec<Purposes> {
    let mut found = Vec::new();
    for looks in by_official(looks).into_values() {
        let mut texts: BTreeMap<String, Vec<&Look>> = BTreeMap::new();
        for look in looks {
            let words: Vec<String> = look.purpose.split_whitespace().map(str::to_lowercase).collect();
            texts.entry(words.join(" ")).or_default().push(look);
        }
        for looks in texts.into_values() {
            let purpose = looks.first().map(|look| look.purpose.clone()).unwrap_or_default();
            let pattern = Pattern::of(looks).filter(|pattern| pattern.persons >= persons);
            found.extend(pattern.map(|pattern| Purposes { pattern, purpose }));
        }
    }
    found
}

/// The looks of each official that are so.
pub(super) fn where_(looks: &[Look], is: impl Fn(&Look) -> bool) -> Vec<Pattern> {
    let of = |looks: Vec<&Look>| Pattern::of(looks.into_iter().filter(|look| is(look)));
    by_official(looks).into_values().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn look(n: u64, at: i64, official: u128, person: u128, purpose: &str) -> Look {
        Look {
            record: Uuid::from_u128(1_000 + u128::from(n)),
            position: n,
            at: Timestamp::from_millis(at),
            official: Uuid::from_u128(official),
            department: "roads".parse().unwrap(),
            person: Uuid::from_u128(person),
            purpose: purpose.to_owned(),
        }
    }

    fn records(pattern: &Pattern) -> Vec<u128> {
        pattern.accesses.iter().map(|record| record.as_u128() - 1_000).collect()
    }

    #[test]
    fn a_night_is_told_by_the_clock_of_the_place() {
        // 1970-01-01, in Moscow three hours ahead of UTC.
        let at = |hours: i64, minutes: i64| (hours * 60 + minutes) * MINUTE;
        let looks: Vec<_> = [at(18, 59), at(19, 0), at(21, 0), at(26, 59), at(27, 0)]
            .into_iter()
            .zip(0..)
            .map(|(at, n)| look(n, at, 1, 2, ""))
            .collect();
        assert_eq!(night(&looks, 180).iter().map(records).collect::<Vec<_>>(), [[1, 2, 3]]);
        assert_eq!(night(&looks, 0).iter().map(records).collect::<Vec<_>>(), [[3, 4]]);
    }

    #[test]
    fn one_text_for_many_is_found_however_it_is_spaced() {
        let looks = [
            look(0, 0, 1, 2, "A  check"),
            look(1, 1, 1, 3, "a check"),
            look(2, 2, 1, 3, "A Check"),
            look(3, 3, 1, 4, "another"),
            look(4, 4, 9, 4, "a check"),
        ];
        let found = same_purpose(&looks, 2);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].purpose.as_str(), found[0].pattern.persons), ("A  check", 2));
        assert_eq!(records(&found[0].pattern), [0, 1, 2]);
        assert_eq!(same_purpose(&looks, 3), []);
    }

    /// The slow way: each look's window by looking at all, then windows that share a look joined until none do.
    fn naive(looks: &[Look], many: Many) -> Vec<(Uuid, BTreeSet<u64>, usize)> {
        let window = i64::from(many.minutes) * MINUTE;
        let mut found: Vec<(Uuid, BTreeSet<u64>, usize)> = Vec::new();
        for last in looks {
            let order = |look: &Look| (look.at, look.position);
            let within: Vec<_> = looks
                .iter()
                .filter(|look| look.official == last.official && order(look) <= order(last))
                .filter(|look| last.at.millis() - look.at.millis() < window)
                .collect();
            let persons = within.iter().map(|look| look.person).collect::<BTreeSet<_>>().len();
            if persons >= many.persons {
                found.push((last.official, within.iter().map(|look| look.position).collect(), persons));
            }
        }
        loop {
            let overlap = (0..found.len())
                .flat_map(|a| (0..a).map(move |b| (a, b)))
                .find(|(a, b)| found[*a].0 == found[*b].0 && !found[*a].1.is_disjoint(&found[*b].1));
            let Some((a, b)) = overlap else { break };
            let (_, looks, peak) = found.remove(a);
            found[b].1.extend(looks);
            found[b].2 = found[b].2.max(peak);
        }
        found.sort_by_key(|(official, looks, _)| (*official, looks.first().copied()));
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn windows_are_those_of_the_slow_way(
            looks in prop::collection::vec((0..3_i64, 1..3_u128, 10..16_u128), 0..40),
            persons in 1..5_usize,
            minutes in 1..6_u32,
        ) {
            let mut at = 0;
            let looks: Vec<Look> = (0..).zip(looks).map(|(n, (later, official, person))| {
                at += later * MINUTE;
                look(n, at, official, person, "")
            }).collect();
            let many = Many { persons, minutes };
            let mut found: Vec<_> = many_persons(&looks, many).into_iter().map(|run| {
                let positions = run.pattern.accesses.iter().map(|record| {
                    u64::try_from(record.as_u128() - 1_000).unwrap()
                });
                (run.pattern.official, positions.collect::<BTreeSet<_>>(), run.peak)
            }).collect();
            found.sort_by_key(|(official, looks, _)| (*official, looks.first().copied()));
            prop_assert_eq!(found, naive(&looks, many));
        }
    }
}
