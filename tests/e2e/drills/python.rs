//! The same drills before the verifier that shares no code with us: `tests/verify/verify.py`.

use std::path::Path;

use reestr_tests::server::Server;
use reestr_tests::store::{Kind, Store};

use super::forge::Forge;
use super::served::{ANSWERS, LONG, TILES};
use super::site::{Site, record};
use super::{Drill, Place, honest, keys, operator, text, withholding};
use crate::outsider::verify;
use crate::shared::demo_args;

/// What it does not read: keys are in `registers`.
const NOT_READ: &str = "a bit of the register's key";
/// Rules that it does not know: what registers there are, their definitions' steps, and what was kept.
const PASSED_OVER: &[&str] = &[
    "definition",
    "definition-in-force",
    "issuer-owns-register",
    "log-name",
    "one-register",
    "register-hidden",
    "register-open",
    "status-step",
    "type-known",
];

/// Writes a site as `--keep` would have.
fn keep(site: &Site, directory: &Path) {
    for (path, bytes) in site.answers() {
        let path = if path == "/v1/registers" { "/v1/registers/index.json" } else { path };
        let file = directory.join(path[1..].replace('?', "@"));
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(file, bytes).expect("a file is written");
    }
}

async fn verdict(site: &Site, register: Option<&str>) -> (i32, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    keep(site, directory.path());
    let mut args = vec!["url", text(directory.path())];
    args.extend(register.iter().flat_map(|register| ["--register", register]));
    verify(&args).await
}

/// Runs the drills of a layer that it can find without what was kept, and fails if it passes one.
async fn each<T>(drills: &[Drill<T>], tamper: impl Fn(&T) -> Site) {
    let known =
        |drill: &&Drill<T>| !drill.kept && !PASSED_OVER.contains(&drill.rule) && drill.what != NOT_READ;
    let mut failed = Vec::new();
    for drill in drills.iter().filter(known) {
        let (Place::Log(place) | Place::Entry(place, _)) = drill.place else {
            unreachable!("nothing is started")
        };
        let (code, said) = verdict(&tamper(&drill.deed), Some(place)).await;
        // What is not shown of the registers that all rests on leaves it unable to say anything.
        let unable = code == 2
            && ["platform-entry", "bundle", "tile", "listing", "body-missing"].contains(&drill.rule);
        if !(code == 1 || unable) || said.contains("Traceback") || !said.contains(place) {
            failed.push(format!("{}: {code}: {said}", drill.what));
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_refuses_what_an_operator_with_every_key_seals() {
    for (what, change) in honest::COPIES {
        let mut forge = Forge::honest();
        change(&mut forge);
        let (code, said) = verdict(&forge.site(), None).await;
        assert_eq!(code, 0, "{what}: {said}");
    }
    let tamper = |deed: &fn(&mut Forge)| {
        let mut forge = Forge::honest();
        deed(&mut forge);
        forge.site()
    };
    each(operator::DRILLS, tamper).await;
    each(keys::DRILLS, tamper).await;
    each(withholding::DRILLS, tamper).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_refuses_what_is_changed_on_its_way() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = Server::start("demo", &demo_args(&store)).await;
    let honest = record(&server.url).await;
    server.stop().await;
    let (code, said) = verdict(&honest, Some(LONG)).await;
    assert_eq!(code, 0, "{said}");
    let tamper = |deed: &fn(&mut Site)| {
        let mut site = honest.clone();
        deed(&mut site);
        site
    };
    each(TILES, tamper).await;
    each(ANSWERS, tamper).await;
}
