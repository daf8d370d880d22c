//! `reestr client`: third parties that may ask people for consent.

use api::oauth::client::{self, AddError, NewClient};
use clap::{Args, Subcommand};
use domain::definition::Title;
use proofs::slug::Slug;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::wire;

/// `reestr client …`.
#[derive(Subcommand)]
pub enum Client {
    /// Register a client; of a confidential one, print its secret, this once.
    Add(Add),
    /// List the clients.
    List {
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove a client: it is let in no more from now on, and its name is never another's.
    Remove {
        /// Its name among clients.
        #[arg(value_name = "CLIENT")]
        id: Slug,
        /// The store.
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// `reestr client add`.
#[derive(Args)]
pub struct Add {
    /// Its name among clients: its `client_id`.
    #[arg(value_name = "CLIENT")]
    id: Slug,
    /// What people are told it is called, in Russian.
    #[arg(long, value_name = "NAME")]
    name_ru: String,
    /// The same in English.
    #[arg(long, value_name = "NAME")]
    name_en: String,
    /// Where people may be sent back to: https, http on 127.0.0.1, or an app's own scheme; once for each.
    #[arg(long = "redirect", value_name = "URI", required = true)]
    redirects: Vec<String>,
    /// It runs on a server that keeps secrets: make one for it.
    #[arg(long)]
    confidential: bool,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Registers, lists or removes clients.
pub async fn run(args: Client) -> Result<(), Failure> {
    match args {
        Client::Add(args) => add(args).await,
        Client::List { store } => list(&store).await,
        Client::Remove { id, store } => remove(&id, &store).await,
    }
}

async fn add(args: Add) -> Result<(), Failure> {
    let opened = wire::open(&args.store).await?;
    let new = NewClient {
        id: args.id,
        name: Title { ru: args.name_ru.into(), en: args.name_en.into() },
        redirect_uris: args.redirects,
        confidential: args.confidential,
    };
    let added = client::add(&opened.store, new).await;
    opened.store.close().await;
    let added = added.map_err(|error| match error {
        AddError::Store(error) => Failure::because("the store", &error),
        error => Failure::usage(format!("the client is not registered: {error}")),
    })?;
    line(&format!("client {} is registered", added.client.id));
    if let Some(secret) = added.secret {
        line(&format!("its secret, shown this once: {secret}"));
    }
    Ok(())
}

async fn list(store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let clients = client::list(&opened.store).await;
    opened.store.close().await;
    for client in clients.map_err(|error| Failure::because("the store", &error))? {
        let kind = if client.confidential { "confidential" } else { "public" };
        line(&format!("{}  {kind}  {}  {}", client.id, client.name.en, client.redirect_uris.join(" ")));
    }
    Ok(())
}

async fn remove(id: &Slug, store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let removed = client::remove(&opened.store, id.as_str()).await;
    opened.store.close().await;
    if removed.map_err(|error| Failure::because("the store", &error))? {
        line(&format!("client {id} is removed"));
        return Ok(());
    }
    Err(Failure::usage(format!("there is no client {id}")))
}
