//! `reestr export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use api::accesses::{self, Purpose};
use clap::Args;
use domain::definition::Visibility;
use proofs::slug::Slug;

use crate::args::{Export, StoreArgs};
use crate::failure::Failure;
use crate::parquet::{self, Bodies};
use crate::why::WhyArgs;
use crate::wire::Opened;
use crate::{rsf, wire};

/// `reestr export parquet`.
#[derive(Args)]
pub struct Parquet {
    /// The register.
    #[arg(long, value_name = "SLUG")]
    register: Slug,
    /// Directory to write them in; files of a former export are replaced.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Write the bodies of a register that is not public, too: say why, since the people whom they concern see it.
    #[arg(long)]
    bodies: bool,
    /// Why, with --bodies.
    #[command(flatten)]
    why: WhyArgs,
    /// The store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Exports, and says what went out.
pub async fn run(args: Export) -> Result<(), Failure> {
    match args {
        Export::Rsf { register, output, store } => rsf(&register, output, &store).await,
        Export::Parquet(args) => parquet(&args).await,
    }
}

async fn rsf(register: &Slug, output: Option<PathBuf>, store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let out: Box<dyn Write> = match &output {
        None => Box::new(io::stdout().lock()),
        Some(path) => Box::new(
            File::create(path)
                .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?,
        ),
    };
    let exported = rsf::export::export(&opened.store, &opened.registry, register, BufWriter::new(out)).await;
    opened.store.close().await;
    let exported = exported?;
    eprintln!("{register}: {} entries, root sha-256:{}", exported.entries, exported.root);
    Ok(())
}

async fn parquet(args: &Parquet) -> Result<(), Failure> {
    let opened = wire::open(&args.store).await?;
    let exported = match bodies(args, &opened) {
        Ok(bodies) => parquet::export(&opened.registry, &args.register, &bodies, &args.output).await,
        Err(failure) => Err(failure),
    };
    opened.store.close().await;
    let parquet::Exported { head, rows: [entries, statuses] } = exported?;
    eprintln!("{}: {entries} entries, {statuses} periods of statuses, root {}", args.register, head.root);
    Ok(())
}

/// The bodies that may be written.
fn bodies(args: &Parquet, opened: &Opened) -> Result<Bodies, Failure> {
    let register = &args.register;
    let current = opened.registry.knowledge().definitions.current(register);
    let current = current.ok_or_else(|| Failure::usage(format!("there is no register {register}")))?;
    if current.definition.visibility == Visibility::Public {
        return Ok(Bodies::Public);
    }
    if !args.bodies {
        return Ok(Bodies::None);
    }
    let words = |text: &Option<String>| accesses::words(&accesses::value(text.as_deref()?.trim()));
    let purpose = Purpose { purpose: words(&args.why.purpose), legal_basis: words(&args.why.legal_basis) };
    if purpose.purpose.is_none() || purpose.legal_basis.is_none() {
        return Err(Failure::usage(format!(
            "register {register} is not public, and bodies concern people: --bodies needs --purpose \"what for\" and \
             --legal-basis \"by which law\", each of 3 to 300 characters on one line, which those people see"
        )));
    }
    Ok(Bodies::For(purpose))
}
