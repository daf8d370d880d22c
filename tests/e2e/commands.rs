//! Every command in the README and the guides, run as it stands there.
//!
//! A fenced block marked `sh` holds commands; one marked `text` is to be read only. The address, the data directory
//! and the working directory are those of the test; nothing else is changed.

use std::path::Path;

use reestr_tests::server::{binary, root};
use reestr_tests::store::{Kind, Store};

use crate::shared::demo;

const PAGES: [&str; 5] =
    ["README.md", "docs/citizens.md", "docs/departments.md", "docs/auditors.md", "docs/operators.md"];

/// The two commands that this very test runs under.
const OUTSIDE: [&str; 2] = ["cargo run --release -- demo", "bash tests/run"];

/// The `sh` blocks of a page.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) if !OUTSIDE.iter().any(|outside| line.starts_with(outside)) => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_in_the_guides_works() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let here = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("fixtures"), here.path().join("fixtures")).unwrap();
    std::os::unix::fs::symlink(store.data(), here.path().join("reestr-data")).unwrap();
    let mut ran = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        for block in blocks(&text) {
            let script = block.replace("http://127.0.0.1:8080", &server.url).replace("curl -sS", "curl -sSf");
            run(page, &script, here.path()).await;
            ran += 1;
        }
    }
    assert!(ran > 12, "only {ran} blocks were found");
    server.stop().await;
}

async fn run(page: &str, script: &str, here: &Path) {
    let path = format!("{}:/usr/bin:/bin", binary().parent().unwrap().display());
    let output = tokio::process::Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env("PATH", path)
        .current_dir(here)
        .output()
        .await
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{page}:\n{script}\nprinted\n{out}\n{err}");
}
