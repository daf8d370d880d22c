//! `reestr withhold`: carries out an order that bodies be removed, and again what a restored store has lost.

use std::path::PathBuf;

use api::withholding::{Missing, Signer, Withholding};
use clap::Args;
use domain::withholding::WITHHELD;
use proofs::key::PrivateKey;
use proofs::slug::Slug;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::args::StoreArgs;
use crate::failure::{Failure, refused};
use crate::keyfile;
use crate::output::line;
use crate::rsf::parse::hex;
use crate::wire::{self, Opened};

/// `reestr withhold`.
#[derive(Args)]
pub struct Withhold {
    /// The register; with --again, carry out again only orders in it.
    #[arg(long, value_name = "SLUG", required_unless_present = "again")]
    pub register: Option<Slug>,
    /// The record.
    #[arg(long, value_name = "UUID", required_unless_present = "again", conflicts_with = "again")]
    pub record: Option<Uuid>,
    /// The versions of the record whose bodies are removed, separated by commas.
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        required_unless_present = "again",
        conflicts_with = "again"
    )]
    pub versions: Vec<u64>,
    /// Who ordered it.
    #[arg(long, value_name = "TEXT", required_unless_present = "again", conflicts_with = "again")]
    pub authority: Option<String>,
    /// The number of the order.
    #[arg(long, value_name = "TEXT", required_unless_present = "again", conflicts_with = "again")]
    pub number: Option<String>,
    /// The date of the order, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", required_unless_present = "again", conflicts_with = "again")]
    pub date: Option<String>,
    /// By which law.
    #[arg(long, value_name = "TEXT", conflicts_with = "again")]
    pub law: Option<String>,
    /// Why, in words; it must hold nothing of what is removed.
    #[arg(long, value_name = "TEXT", conflicts_with = "again")]
    pub reason: Option<String>,
    /// File with the private key of the register's owner, where the platform does not sign for it.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// File with the passphrase that opens a sealed key, in its first line.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Carry out again every order that the ledger has and the store lacks, because it was restored from before it.
    #[arg(long)]
    pub again: bool,
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Withholds bodies.
pub async fn run(args: Withhold) -> Result<(), Failure> {
    let passphrase = args.passphrase_file.as_deref();
    let key = args.key.as_deref().map(|file| keyfile::read(file, passphrase)).transpose()?;
    let opened =
        if args.again { wire::open_as_it_is(&args.store).await? } else { wire::open(&args.store).await? };
    let done = if args.again {
        again(&opened, &args, key.as_ref()).await
    } else {
        once(&opened, &args, key.as_ref()).await
    };
    opened.store.close().await;
    done
}

fn signer(key: Option<&PrivateKey>) -> Signer<'_> {
    key.map_or(Signer::Platform, Signer::Department)
}

async fn once(opened: &Opened, args: &Withhold, key: Option<&PrivateKey>) -> Result<(), Failure> {
    let (Some(register), Some(record)) = (&args.register, args.record) else {
        return Err(Failure::usage("--register and --record say what the order is about"));
    };
    let mut body = json!({
        "order": { "authority": args.authority, "number": args.number, "date": args.date },
        "versions": args.versions,
    });
    if let Some(law) = &args.law {
        body["order"]["law"] = json!(law);
    }
    if let Some(reason) = &args.reason {
        body["reason"] = json!(reason);
    }
    let same = same(register, record, &body)?;
    let outcome = opened.withholding.order(register, record, body, same, signer(key)).await;
    let outcome =
        outcome.map_err(|refusal| Failure::failed(format!("nothing was withheld: {}", refused(&refusal))))?;
    let appended = outcome.appended;
    let already = if appended.replayed { ", as before" } else { "" };
    line(&format!(
        "{} bodies of record {record} are withheld{already}: entry {} of {register}",
        args.versions.len(),
        appended.index
    ));
    settle(opened).await
}

/// The same order again is the same entry.
fn same(register: &Slug, record: Uuid, body: &Value) -> Result<String, Failure> {
    let canonical = proofs::jcs::canonical(body).map_err(|error| Failure::because("the order", &error))?;
    let digest = Sha256::new().chain_update(register.as_str()).chain_update(record).chain_update(canonical);
    Ok(format!("{WITHHELD}:{}", hex(&digest.finalize())))
}

async fn again(opened: &Opened, args: &Withhold, key: Option<&PrivateKey>) -> Result<(), Failure> {
    let withholding = &opened.withholding;
    let missing = withholding.missing().await.map_err(|error| Failure::because("the ledger", &error))?;
    let (wanted, others): (Vec<Missing>, Vec<Missing>) = missing.into_iter().partition(|missing| {
        args.register.as_ref().is_none_or(|register| *register == missing.noted.register)
    });
    for missing in &wanted {
        let outcome =
            withholding.again(missing, signer(key)).await.map_err(|error| cannot(withholding, &error))?;
        line(&format!(
            "{} bodies are withheld again by entry {} of {}, which was entry {} before",
            missing.leaves.len(),
            outcome.appended.index,
            missing.noted.register,
            missing.noted.index
        ));
    }
    let removed = withholding.remove_again().await.map_err(|error| Failure::because("the store", &error))?;
    line(&format!("{} orders carried out again, {removed} bodies removed that had come back", wanted.len()));
    settle(opened).await?;
    if others.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!("{} orders in other registers are still lacking", others.len())))
}

fn cannot(withholding: &Withholding, error: &api::withholding::WithholdingError) -> Failure {
    if let api::withholding::WithholdingError::Refused { register, index, source } = error {
        let why = refused(source);
        return Failure::failed(format!(
            "the order that was entry {index} of {register} cannot be carried out again: {why}; {} has what it says, and \
             --register with --key signs it with the owner's own key",
            withholding.place()
        ));
    }
    Failure::because("the order cannot be carried out again", error)
}

/// Notes the order, and takes what it withholds out of the files.
async fn settle(opened: &Opened) -> Result<(), Failure> {
    let noted = opened.withholding.catch_up().await;
    noted.map_err(|error| {
        Failure::because("the order stands, but could not be noted in the ledger", &error)
    })?;
    let scrubbed = opened.store.scrub_journal().await;
    if !scrubbed
        .map_err(|error| Failure::because("the order stands, but the files could not be cleaned", &error))?
    {
        line(
            "someone still reads from before: a running server takes it out of the files when they have ended",
        );
    }
    Ok(())
}
