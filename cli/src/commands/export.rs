//! `reestr export`.

use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use api::accesses::{self, Purpose};
use clap::Args;
use domain::definition::Visibility;
use proofs::slug::Slug;

use crate::archive::export::{self, Draft, ExportError, Exported};
use crate::args::{Export, StoreArgs};
use crate::failure::{Failure, chain};
use crate::parquet::{self, Bodies};
use crate::progress::Progress;
use crate::why::WhyArgs;
use crate::wire::Opened;
use crate::{memory, rsf, wire};

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
        Export::Archive { register, output, store } => archive(register, &output, &store).await?,
        Export::Rsf { register, output, store } => rsf(&register, output.as_deref(), &store).await?,
        Export::Parquet(args) => parquet(&args).await?,
    }
    memory::tell();
    Ok(())
}

async fn archive(registers: Vec<Slug>, output: &Path, store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let exported = archives(&opened, registers, output).await;
    opened.store.close().await;
    exported
}

/// Begins every archive under heads that were read at one moment, so that they make one mirror; then writes them.
async fn archives(opened: &Opened, registers: Vec<Slug>, output: &Path) -> Result<(), Failure> {
    let notes = export::shown(&opened.store).await.map_err(|error| failure(&error))?;
    let files: Vec<(Slug, PathBuf)> = if let [register] = &registers[..] {
        vec![(register.clone(), output.to_owned())]
    } else {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(output);
        made.map_err(|error| Failure::usage(format!("cannot make {}: {error}", output.display())))?;
        let all = notes.keys().cloned();
        let registers = if registers.is_empty() { all.collect() } else { registers };
        registers.into_iter().map(|slug| (slug.clone(), output.join(format!("{slug}.tar")))).collect()
    };
    let mut drafts = Vec::with_capacity(files.len());
    for (register, file) in files {
        let draft = Draft::open(&opened.store, &register, &file, &notes).await;
        drafts.push((register, draft.map_err(|error| failure(&error))?));
    }
    for (register, draft) in drafts {
        let Exported { entries, root, resumed } =
            draft.finish(Progress::detect()).await.map_err(|error| failure(&error))?;
        let how = if resumed { ", gone on with under the checkpoints it began with" } else { "" };
        eprintln!("{register}: {entries} entries, root {root}{how}");
    }
    Ok(())
}

fn failure(error: &ExportError) -> Failure {
    match error {
        ExportError::Store(_) | ExportError::Contradiction(_) => Failure::because("the export failed", error),
        _ => Failure::usage(chain(error)),
    }
}

async fn rsf(register: &Slug, output: Option<&Path>, store: &StoreArgs) -> Result<(), Failure> {
    let opened = wire::open(store).await?;
    let out: Box<dyn Write> = match output {
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
