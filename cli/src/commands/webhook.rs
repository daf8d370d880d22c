//! `reestr webhook`: the webhooks of the local store, and the messages that were given up.

use api::webhooks::{self, Delivery, DeliveryState, ListFilter, Replayed, Webhook};
use clap::Subcommand;
use eventstore::Store;
use uuid::Uuid;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::wire;

/// Messages read at once.
const PAGE: u32 = 200;

/// `reestr webhook …`.
#[derive(Subcommand)]
pub enum Command {
    /// List webhooks, with how many messages of each are parked.
    List {
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List parked messages: those that every attempt has failed at.
    Parked {
        /// Only of this webhook.
        #[arg(long, value_name = "ID")]
        webhook: Option<Uuid>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Send parked messages of a webhook again: the server does, as soon as it looks.
    Replay {
        /// The webhook.
        #[arg(value_name = "WEBHOOK")]
        webhook: Uuid,
        /// The message; all that are parked when none is named.
        #[arg(value_name = "DELIVERY")]
        delivery: Option<Uuid>,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Lists or replays.
pub async fn run(command: Command) -> Result<(), Failure> {
    let args = match &command {
        Command::List { store } | Command::Parked { store, .. } | Command::Replay { store, .. } => store,
    };
    let opened = wire::open(args).await?;
    let done = match command {
        Command::List { .. } => list(&opened.store).await,
        Command::Parked { webhook, .. } => parked(&opened.store, webhook).await,
        Command::Replay { webhook, delivery, .. } => replay(&opened.store, webhook, delivery).await,
    };
    opened.store.close().await;
    done
}

async fn list(store: &Store) -> Result<(), Failure> {
    let found = all(store).await?;
    for webhook in &found {
        let parked = parked_of(store, webhook.id).await?.len();
        let registers: Vec<&str> = webhook.registers.iter().map(proofs::slug::Slug::as_str).collect();
        let of = match webhook.channel {
            Some(channel) => channel.as_str().to_owned(),
            None if registers.is_empty() => "all registers".to_owned(),
            None => registers.join(","),
        };
        line(&format!(
            "{}  {}  {}  {of}  {}  position {}  parked {parked}  {}",
            webhook.id,
            webhook.owner,
            webhook.kind.as_str(),
            webhook.state.as_str(),
            webhook.position,
            webhook.url
        ));
    }
    if found.is_empty() {
        line("There are no webhooks.");
    }
    Ok(())
}

async fn parked(store: &Store, only: Option<Uuid>) -> Result<(), Failure> {
    let mut any = false;
    for webhook in all(store).await?.iter().filter(|webhook| only.is_none_or(|only| only == webhook.id)) {
        for delivery in parked_of(store, webhook.id).await? {
            any = true;
            let status = delivery.last_status.map(|status| format!(" {status}")).unwrap_or_default();
            let ended = delivery.ended_at.map(|at| at.to_string()).unwrap_or_default();
            line(&format!(
                "{}  {}  {}  position {}  attempts {}  {}{status}  {ended}",
                webhook.id,
                delivery.id,
                delivery.event,
                delivery.position,
                delivery.attempts,
                delivery.last_fault.unwrap_or_default()
            ));
        }
    }
    if !any {
        line("Nothing is parked.");
    }
    Ok(())
}

async fn replay(store: &Store, webhook: Uuid, delivery: Option<Uuid>) -> Result<(), Failure> {
    let ids = match delivery {
        Some(delivery) => vec![delivery],
        None => parked_of(store, webhook).await?.iter().map(|delivery| delivery.id).collect(),
    };
    let mut again = 0;
    for id in &ids {
        let replayed = webhooks::replay(store, webhook, *id).await;
        match replayed.map_err(|error| Failure::because("the store", &error))? {
            Replayed::Again => again += 1,
            Replayed::Waiting => {
                line(&format!("{id} is to be sent anyway"));
            }
            Replayed::Unknown => {
                return Err(Failure::usage(format!("webhook {webhook} has no message {id}")));
            }
        }
    }
    line(&format!("{again} to be sent again"));
    Ok(())
}

async fn all(store: &Store) -> Result<Vec<Webhook>, Failure> {
    webhooks::all(store).await.map_err(|error| Failure::because("the store", &error))
}

/// Everything that is parked of a webhook.
async fn parked_of(store: &Store, webhook: Uuid) -> Result<Vec<Delivery>, Failure> {
    let mut found: Vec<Delivery> = Vec::new();
    loop {
        let filter =
            ListFilter { state: Some(DeliveryState::Parked), before: found.last().map(|last| last.id) };
        let page = webhooks::list(store, webhook, filter, PAGE).await;
        let page = page.map_err(|error| Failure::because("the store", &error))?;
        let more = page.len() == PAGE as usize;
        found.extend(page);
        if !more {
            return Ok(found);
        }
    }
}
