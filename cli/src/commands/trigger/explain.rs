//! `reestr trigger explain`.

use api::accesses::{self, Endpoint, Looker, Purpose};
use api::proactive::explain::{CauseExplained, CauseOutcome, Explained, RuleExplained, explain};
use clap::Args;
use eventstore::Clock as _;
use proofs::slug::Slug;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{read, shown};
use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::system::SystemClock;
use crate::wire::{self, Opened};

/// `reestr trigger explain`.
#[derive(Args)]
pub struct ExplainArgs {
    /// The person: their record in `persons`.
    #[arg(long, value_name = "UUID")]
    person: Uuid,
    /// Only this rule.
    #[arg(long, value_name = "SLUG")]
    rule: Option<Slug>,
    /// What for: the person will see it among their accesses.
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// By which law.
    #[arg(long, value_name = "TEXT")]
    legal_basis: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Explains.
pub async fn run(args: ExplainArgs) -> Result<(), Failure> {
    let opened = wire::open(&args.store).await?;
    let explained = explained(&args, &opened).await;
    opened.store.close().await;
    let explained = explained?;
    if args.json {
        return shown::json(&explained);
    }
    line(&format!("person {} on {}", explained.person, explained.today));
    if !explained.reachable {
        line("  nothing can be offered: there is no account in force, or a death is recorded");
    }
    let (looked, others): (Vec<_>, Vec<_>) = explained.rules.iter().partition(|rule| !rule.causes.is_empty());
    for rule in looked {
        told(rule);
    }
    if !others.is_empty() {
        line("\nnothing has made these rules look at this person");
        for rule in others {
            line(&format!("  {}: {}", rule.slug, rule.title.en));
        }
    }
    Ok(())
}

async fn explained(args: &ExplainArgs, opened: &Opened) -> Result<Explained, Failure> {
    let rules = read::rules(&opened.registry).await?;
    if let Some(slug) = args.rule.as_ref().filter(|slug| rules.find(slug.as_str()).is_none()) {
        return Err(Failure::usage(format!("there is no rule {slug}")));
    }
    let caught_up = projections::catch_up(&opened.store, "account").await;
    caught_up.map_err(|error| Failure::because("the projection account cannot catch up", &error))?;
    let today = SystemClock.now().date();
    let explained = explain(&opened.registry, &rules, args.person, args.rule.as_ref(), today).await;
    let (explained, disclosed) =
        explained.map_err(|error| Failure::because("it cannot be explained", &error))?;
    if disclosed.is_empty() {
        return Err(Failure::usage(format!("there is no person {}", args.person)));
    }
    let purpose =
        Purpose { purpose: Some(args.purpose.clone()), legal_basis: Some(args.legal_basis.clone()) };
    let told =
        accesses::disclose_in(&opened.registry, Looker::local(), &purpose, Endpoint::Offer, &disclosed).await;
    told.map_err(|problem| Failure::failed(format!("nothing is shown: {}", problem.detail())))?;
    Ok(explained)
}

fn told(rule: &RuleExplained) {
    let retired = rule.retired_at.map_or_else(String::new, |at| format!(", retired {at}"));
    let off = if rule.switched_off { ", switched off by the person" } else { "" };
    line(&format!("\n{} (version {}{retired}{off}): {}", rule.slug, rule.version, rule.title.en));
    for cause in &rule.causes {
        line(&format!("  {}", cause_words(cause)));
    }
}

fn cause_words(cause: &CauseExplained) -> String {
    let CauseExplained { register, record, day, .. } = cause;
    let what = match (cause.version, cause.base) {
        (Some(version), _) => format!("{day}  {register} {record} version {version}"),
        (None, base) => {
            let base = base.map_or_else(String::new, |base| format!(" from {base}"));
            format!("{day}  date{base} of {register} {record}")
        }
    };
    format!("{what}: {}", outcome(&cause.outcome))
}

fn outcome(outcome: &CauseOutcome) -> String {
    match outcome {
        CauseOutcome::Offered { offer, status } => format!("offer {offer}, {status}"),
        CauseOutcome::BeforePublication => "before the rule was published".to_owned(),
        CauseOutcome::Retired => "after the rule was retired".to_owned(),
        CauseOutcome::OutOfForce => "the rule is not in force on that day".to_owned(),
        CauseOutcome::NotFresh => "it took effect too long before it was recorded".to_owned(),
        CauseOutcome::Status { status } => format!("the record is in status {status}"),
        CauseOutcome::NotYetDue => "falls due then".to_owned(),
        CauseOutcome::Failed { condition, missing, values, .. } => {
            let missing =
                missing.as_ref().map_or_else(String::new, |missing| format!(": {missing} is not there"));
            format!("no, for `{condition}` does not hold{missing}{}", values_words(values))
        }
        CauseOutcome::Error { message } => format!("the rule cannot be evaluated: {message}"),
        CauseOutcome::Withheld => {
            "it holds, but the person wants no such proposals or cannot be offered any".to_owned()
        }
        CauseOutcome::Holds => "it holds, and an offer is to come".to_owned(),
    }
}

fn values_words(values: &Map<String, Value>) -> String {
    if values.is_empty() {
        return String::new();
    }
    let values = values.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>();
    format!(" (with {})", values.join(", "))
}
