//! `reestr keys attach`.

use clap::Args;
use eventstore::{CHECKPOINT, STATEMENT};
use proofs::note::{KeyType, VerifierKey};
use proofs::slug::Slug;

use crate::args::StoreArgs;
use crate::failure::Failure;
use crate::output::line;
use crate::pkcs11::KeyUri;
use crate::wire::{self, Opened};

/// `reestr keys attach`.
#[derive(Args)]
pub struct Attach {
    /// The key, as pkcs11:token=LABEL;object=LABEL or pkcs11:token=LABEL;id=%01.
    #[arg(value_name = "URI")]
    key: String,
    /// The register whose checkpoints it is to sign, once it is defined, or `keys rotate` puts the key in force.
    #[arg(long, value_name = "SLUG", required_unless_present = "department")]
    register: Option<Slug>,
    /// The department in whose name the platform is to sign with it, once `keys rotate` puts the key in force.
    #[arg(long, value_name = "SLUG", conflicts_with = "register")]
    department: Option<Slug>,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Refers to the key in the store, after it has signed something, and prints its public half.
pub async fn run(args: Attach) -> Result<(), Failure> {
    let key = KeyUri::parse(&args.key).map_err(Failure::usage)?;
    let opened = wire::open(&args.store).await?;
    let attached = attach(&opened, key, args.register, args.department).await;
    opened.store.close().await;
    line(&attached?);
    Ok(())
}

async fn attach(
    opened: &Opened,
    key: KeyUri,
    register: Option<Slug>,
    department: Option<Slug>,
) -> Result<String, Failure> {
    let devices = opened.devices.clone();
    let devices = devices.ok_or_else(|| {
        Failure::usage("set pkcs11_module and pkcs11_pin_file first: they say how to reach it")
    })?;
    let reference = key.to_string();
    let asked = tokio::task::spawn_blocking(move || devices.public(&key)).await;
    let asked = asked.map_err(|error| Failure::because("the device", &error))?;
    let public = asked.map_err(|error| Failure::because("the device", &error))?;
    let (owner, purpose) = match (&register, &department) {
        (Some(register), _) => (register, CHECKPOINT),
        (None, Some(department)) => (department, STATEMENT),
        (None, None) => return Err(Failure::usage("say --register or --department")),
    };
    let put = opened.store.put_reference(owner.as_str(), purpose, &reference, public).await;
    put.map_err(|error| Failure::because("the key is not attached", &error))?;
    if let Some(register) = &register {
        let key = VerifierKey::new(&opened.store.origin(register), KeyType::Ed25519, public);
        return key.map(|key| key.to_string()).map_err(|error| Failure::because("the key's name", &error));
    }
    serde_json::to_string(&public.jwk()).map_err(|error| Failure::because("the key", &error))
}
