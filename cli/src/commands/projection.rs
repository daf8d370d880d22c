//! `reestr projection`: where projections stand, and what to do about an entry that one cannot apply.

use api::interventions;
use api::routes::v1::projections::list::{PauseItem, ProjectionItem};
use clap::Subcommand;
use projections::ProjectionError;
use serde_json::Value;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::wire::{self, Opened};

/// `reestr projection …`.
#[derive(Subcommand)]
pub enum Projection {
    /// Say where each projection stands, at which entry if it cannot apply one, and what is left out.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Show the entry at which a projection stands.
    Look {
        /// The projection.
        #[arg(value_name = "P")]
        projection: String,
        /// Show the body too: it may say something about people.
        #[arg(long)]
        body: bool,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Try the entry again, here and on every server that runs: exit 0 when the projection goes on, 1 when it still stands.
    Retry {
        /// The projection.
        #[arg(value_name = "P")]
        projection: String,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Leave the entry out of the projection, for ever and in every rebuild.
    Skip {
        /// The projection.
        #[arg(value_name = "P")]
        projection: String,
        /// The position at which it stands.
        #[arg(long, value_name = "N")]
        position: u64,
        /// Why. It is an entry in the public register `interventions`, and must hold nothing about a person.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who decided, as it will stand there.
        #[arg(long, value_name = "NAME", default_value = "local operator")]
        by: String,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Looks after projections.
pub async fn run(command: Projection) -> Result<(), Failure> {
    let (Projection::Status { store, .. }
    | Projection::Look { store, .. }
    | Projection::Retry { store, .. }
    | Projection::Skip { store, .. }) = &command;
    let opened = wire::open(store).await?;
    let done = match &command {
        Projection::Status { json, .. } => status(&opened, *json).await,
        Projection::Look { projection, body, .. } => look(&opened, projection, *body).await,
        Projection::Retry { projection, .. } => retry(&opened, projection).await,
        Projection::Skip { projection, position, reason, by, .. } => {
            skip(&opened, projection, *position, reason, by).await
        }
    };
    opened.store.close().await;
    done
}

fn cannot(error: &ProjectionError) -> Failure {
    match error {
        ProjectionError::Unknown { .. } => Failure::usage(error.to_string()),
        error => Failure::because("the projections cannot be read", error),
    }
}

async fn status(opened: &Opened, json: bool) -> Result<(), Failure> {
    let statuses = projections::statuses(&opened.store).await.map_err(|error| cannot(&error))?;
    let mut items = Vec::with_capacity(statuses.len());
    for status in &statuses {
        items.push(ProjectionItem::of(&opened.store, status).await);
    }
    let skips = projections::skips(&opened.store).await.map_err(|error| cannot(&error))?;
    if json {
        let text = serde_json::to_string_pretty(&items);
        line(&text.map_err(|error| Failure::because("the answer", &error))?);
        return Ok(());
    }
    for item in &items {
        let building = item.building.as_ref().map_or_else(String::new, |new| {
            format!("  building version {} at {}", new.version, new.position)
        });
        line(&format!(
            "{:<14} version {}  position {}  behind {} ({} s){building}",
            item.projection, item.version, item.position, item.lag, item.lag_seconds
        ));
        for pause in &item.pauses {
            line(&format!("  stands at {}: {}", place(pause), pause.why));
        }
        if item.withheld > 0 {
            line(&format!("  made without {} bodies that orders withheld", item.withheld));
        }
        if let Some(order) = item.stale_since {
            line(&format!("  still counts what the order at position {order} withheld; it is made again"));
        }
        for skip in skips.iter().filter(|skip| skip.projection == item.projection) {
            line(&format!("  leaves out position {} of {}: {}", skip.position, skip.register, skip.reason));
        }
    }
    Ok(())
}

fn place(pause: &PauseItem) -> String {
    let which = if pause.live { "" } else { " (of the rows being made)" };
    match (&pause.register, pause.index) {
        (Some(register), Some(index)) => {
            format!("position {}, entry {index} of {register}{which}", pause.position)
        }
        _ => format!("position {}{which}", pause.position),
    }
}

async fn look(opened: &Opened, projection: &str, body: bool) -> Result<(), Failure> {
    let pauses = interventions::pauses(&opened.registry, projection).await.map_err(|error| cannot(&error))?;
    if pauses.is_empty() {
        line(&format!("{projection} stands at no entry"));
        return Ok(());
    }
    for pause in &pauses {
        let item = PauseItem::of(&opened.store, pause).await;
        line(&format!("position    {}", place(&item)));
        line(&format!("type        {}", item.entry_type.as_deref().unwrap_or("it cannot be read")));
        line(&item.record.map_or_else(String::new, |record| format!("record      {record}")));
        line(&format!("why         {}", item.why));
        line(&format!("since       {}, tried {} times, last {}", item.since, item.tries, item.tried_at));
        if body {
            show_body(opened, item.position).await;
        }
    }
    Ok(())
}

/// Prints a body. Whoever runs this holds the database already; the warning is that others may stand behind them.
async fn show_body(opened: &Opened, position: u64) {
    let read = opened.store.read_after(position.saturating_sub(1), 1).await.unwrap_or_default();
    let body: Option<Value> =
        read.first().and_then(|entry| serde_json::from_slice(entry.body.as_deref()?).ok());
    eprintln!("reestr: the body that follows may say something about people");
    line(&body.map_or_else(
        || "body        none, or it cannot be read".to_owned(),
        |body| format!("body        {body}"),
    ));
}

async fn retry(opened: &Opened, projection: &str) -> Result<(), Failure> {
    let asked = projections::retry(&opened.store, projection).await.map_err(|error| cannot(&error))?;
    if !asked {
        line(&format!("{projection} stands at no entry"));
        return Ok(());
    }
    // A server that runs looks within a second; where none does, this process applies what there is.
    match projections::catch_up(&opened.store, projection).await {
        Ok(_) => {
            line(&format!("{projection} goes on"));
            Ok(())
        }
        Err(error @ ProjectionError::Poison { .. }) => Err(Failure::failed(error.to_string())),
        Err(error) => Err(cannot(&error)),
    }
}

async fn skip(
    opened: &Opened,
    projection: &str,
    position: u64,
    reason: &str,
    by: &str,
) -> Result<(), Failure> {
    let skipped = interventions::skip(&opened.registry, projection, position, reason, by).await;
    let appended = skipped.map_err(|error| match &error {
        interventions::InterventionError::Refused(refusal) => {
            Failure::failed(format!("nothing was left out: {}", crate::failure::refused(refusal)))
        }
        _ => Failure::because("nothing was left out", &error),
    })?;
    line(&format!("{projection} leaves out position {position}: entry {} of interventions", appended.index));
    Ok(())
}
