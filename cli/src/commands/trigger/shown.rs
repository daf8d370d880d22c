//! Reports for people.

use std::collections::BTreeMap;

use domain::trigger::backtest::{Comparison, Example, Report, RuleReport, Side};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::line;

/// Prints JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::because("the answer", &error))?;
    line(&text);
    Ok(())
}

/// Prints what a backtest found.
pub fn report(report: &Report) {
    let from = report.from.map_or_else(|| "the beginning".to_owned(), |from| from.to_string());
    line(&format!(
        "from {from} to {}, {} entries, to position {}",
        report.to, report.entries, report.position
    ));
    for (at, rule) in report.rules.iter().enumerate() {
        let name = match (report.rules.len(), at) {
            (1, _) => format!("rule {}", rule.slug),
            (_, 0) => format!("before: rule {}", rule.slug),
            _ => format!("after: rule {}", rule.slug),
        };
        one(&name, rule);
    }
    if let Some(comparison) = &report.comparison {
        compared(comparison);
    }
}

fn one(name: &str, rule: &RuleReport) {
    line(&format!("\n{name}"));
    line(&format!(
        "  {} proposals to {} people; {} causes, {} evaluations",
        rule.proposals, rule.people, rule.causes, rule.evaluated
    ));
    counts("by month", &rule.by_month);
    counts("by region", &rule.by_region);
    counts("causes that did not count", &rule.unfit);
    counts("conditions that failed", &rule.failed);
    counts("could not be evaluated", &rule.errors);
    examples(&rule.examples);
}

fn compared(comparison: &Comparison) {
    line("\ncompared");
    line(&format!(
        "  the same {}, with other values {}, gained {}, lost {}",
        comparison.same, comparison.changed, comparison.gains.proposals, comparison.loses.proposals
    ));
    counts("values that changed", &comparison.changed_values);
    side("who gains, and why they had nothing", &comparison.gains);
    side("who loses, and why", &comparison.loses);
}

fn side(name: &str, side: &Side) {
    if side.proposals > 0 {
        line(&format!("  {name}: {} people, {} of them entirely", side.people, side.people_entirely));
        for (why, count) in &side.why {
            line(&format!("    {count:>9}  {why}"));
        }
        examples(&side.examples);
    }
}

fn counts(name: &str, counts: &BTreeMap<String, u64>) {
    if !counts.is_empty() {
        line(&format!("  {name}"));
        for (what, count) in counts {
            line(&format!("    {count:>9}  {what}"));
        }
    }
}

fn examples(examples: &[Example]) {
    if !examples.is_empty() {
        line("  for example");
        for example in examples {
            let Example { day, person, register, record, version, .. } = example;
            line(&format!("    {day}  person {person}  {register} {record} version {version}"));
        }
    }
}
