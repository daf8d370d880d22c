//! What of a breakdown by region may be told, so that no small group is given away (`docs/decisions/0019-statistics.md`).

/// The people of a group that may be told, at least, when the operator says nothing else: the bound that offices of
/// statistics commonly take for tables of persons.
pub const THRESHOLD_DEFAULT: u64 = 10;

/// One region's part of a row: of one register, type and month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The region; empty where none is known.
    pub region: String,
    /// Its entries.
    pub entries: u64,
    /// The people whom they concern, each counted in one region of the row only.
    pub units: u64,
}

/// What is told of a row: parts that add up to its total, which everyone knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Entries by region, by its name.
    pub regions: Vec<(String, u64)>,
    /// Entries of all other regions together, and of those whose region is not known.
    pub other: u64,
}

/// Tells regions that concern at least `threshold` people. The others are told as one sum; while that concerns fewer
/// people, the smallest region told is added to it, because a sum of one small group is that group.
pub fn protect(row: &[Part], threshold: u64) -> Told {
    let is_told = |part: &&Part| !part.region.is_empty() && part.units >= threshold.max(1);
    let mut told: Vec<&Part> = row.iter().filter(is_told).collect();
    let hidden = || row.iter().filter(|part| !is_told(part));
    let mut other = hidden().map(|part| part.entries).sum();
    let mut units: u64 = hidden().map(|part| part.units).sum();
    // The smallest last; of equal ones the same whenever this is asked.
    told.sort_unstable_by(|one, next| (next.units, &next.region).cmp(&(one.units, &one.region)));
    while other > 0 && units < threshold {
        let Some(smallest) = told.pop() else { break };
        other += smallest.entries;
        units += smallest.units;
    }
    let mut regions: Vec<(String, u64)> =
        told.into_iter().map(|part| (part.region.clone(), part.entries)).collect();
    regions.sort_unstable();
    Told { regions, other }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    fn told(row: &[(&str, u64, u64)]) -> (Vec<String>, u64) {
        let part = |(region, entries, units): &(&str, u64, u64)| Part {
            region: (*region).to_owned(),
            entries: *entries,
            units: *units,
        };
        let told = protect(&row.iter().map(part).collect::<Vec<_>>(), 10);
        (told.regions.into_iter().map(|(region, n)| format!("{region} {n}")).collect(), told.other)
    }

    #[test]
    fn small_groups_are_told_together_or_not_at_all() {
        let says = |regions: &[&str], other| (regions.iter().map(|&r| r.to_owned()).collect(), other);
        assert_eq!(told(&[]), says(&[], 0));
        assert_eq!(told(&[("A", 12, 10), ("B", 20, 15)]), says(&["A 12", "B 20"], 0));
        assert_eq!(told(&[("A", 50, 40), ("B", 9, 9), ("C", 1, 1)]), says(&["A 50"], 10));
        // Nine alone would be told by the total: the smallest that could be told goes with them.
        assert_eq!(told(&[("A", 50, 40), ("B", 9, 9), ("C", 30, 20)]), says(&["A 50"], 39));
        assert_eq!(told(&[("A", 50, 40), ("B", 9, 9)]), says(&[], 59));
        // Twelve entries of one person are a group of one.
        assert_eq!(told(&[("A", 50, 40), ("B", 12, 1)]), says(&[], 62));
        // A person who moved is counted where they were first.
        assert_eq!(told(&[("A", 50, 40), ("B", 1, 0)]), says(&[], 51));
        assert_eq!(told(&[("A", 50, 40), ("", 30, 30)]), says(&["A 50"], 30));
        assert_eq!(told(&[("", 3, 3)]), says(&[], 3));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_small(
            row in btree_map("[A-H]?", (1..60_u64, 0..40_u64), 0..8), threshold in 0..20_u64
        ) {
            let row: Vec<Part> = row
                .into_iter()
                .map(|(region, (entries, units))| Part { region, entries, units: units.min(entries) })
                .collect();
            let told = protect(&row, threshold);
            let part = |region: &str| row.iter().find(|part| part.region == region).unwrap();
            let total: u64 = row.iter().map(|part| part.entries).sum();
            prop_assert_eq!(told.regions.iter().map(|(_, n)| n).sum::<u64>() + told.other, total);
            for (region, entries) in &told.regions {
                prop_assert!(part(region).entries == *entries && part(region).units >= threshold);
            }
            let named: Vec<&String> = told.regions.iter().map(|(region, _)| region).collect();
            let hidden: Vec<&Part> = row.iter().filter(|part| !named.contains(&&part.region)).collect();
            let units: u64 = hidden.iter().map(|part| part.units).sum();
            // The rest is no small group, or all that there is, and never one small region alone beside others.
            prop_assert!(hidden.is_empty() || told.regions.is_empty() || units >= threshold);
            let alone = matches!(&hidden[..], [one] if one.units < threshold);
            prop_assert!(!alone || row.len() == 1);
        }
    }
}
