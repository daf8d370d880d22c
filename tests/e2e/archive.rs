//! Archives: the same bytes each time, gone on with after a kill, and verified without any server.

use std::fs;
use std::path::{Path, PathBuf};

use reestr_tests::server::{self, Server, binary, root, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use serde_json::Value;

use crate::shared::{REGISTER, append, audit, demo, entry, rules};
use crate::withholding::command;

/// Exports one register of a store.
pub async fn export(store: &Store, register: &str, file: &Path) -> std::process::Output {
    let mut args = vec!["export", "archive", "--register", register, "--output", file.to_str().unwrap()];
    let store = store.args();
    args.extend(store.iter().map(String::as_str));
    server::run(&args).await
}

async fn exported(store: &Store, register: &str, file: &Path) -> Vec<u8> {
    let output = export(store, register, file).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{register}: {said}");
    fs::read(file).unwrap()
}

/// Audits archives; gives the exit code and the report.
pub async fn audit_files(files: &[&Path], more: &[&str]) -> (i32, Value) {
    let mut args = vec!["audit", "--json", "--archive"];
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    args.extend(more);
    let output = server::run(&args).await;
    let code = output.status.code().expect("it was not killed");
    (code, serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// A demo's store, at rest, and a directory for files.
async fn at_rest(kind: Kind) -> (Store, tempfile::TempDir) {
    let store = Store::fresh(kind).await;
    demo(&store).await.stop().await;
    (store, tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_the_same_bytes_each_time_and_proves_itself() {
    for kind in BOTH {
        let (store, files) = at_rest(kind).await;
        let file = |name: &str| files.path().join(name);
        // One with more than a full bundle, one that is empty, and the two that all others rest on.
        for register in [REGISTER, "departments", "registers", "tax-notices", "interventions"] {
            let first = exported(&store, register, &file("a.tar")).await;
            let second = exported(&store, register, &file("b.tar")).await;
            assert!(first == second, "{register}: two archives differ");
            let (code, report) = audit_files(&[&file("a.tar")], &[]).await;
            assert_eq!(code, 0, "{kind:?} {register}: {report}");
            let rows = report["registers"].as_array().unwrap();
            let row = rows.iter().find(|row| row["register"] == register).unwrap();
            assert_eq!(
                row["bodies"], row["entries"],
                "every body is checked, of a confidential register too"
            );
            assert!(rows.len() <= 3, "{report}");
        }
        let listed = std::process::Command::new("tar").arg("-tf").arg(file("a.tar")).output().unwrap();
        assert!(listed.status.success(), "any tar reads it: {}", String::from_utf8_lossy(&listed.stderr));
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file("a.tar")).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "bodies are for nobody else on the machine");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_goes_on_under_its_own_checkpoints() {
    for kind in BOTH {
        let (store, files) = at_rest(kind).await;
        let (file, part) = (files.path().join("a.tar"), files.path().join("a.tar.part"));
        let token = &tokens(store.data())["department"];
        let server = Server::start("serve", &store.args()).await;
        let (status, made) = append(&server, token, "first", &entry(&store, 2)).await.unwrap();
        assert_eq!(status, 201, "{made}");
        server.stop().await;
        let whole = exported(&store, REGISTER, &file).await;
        // The register grows: what is gone on with does not.
        let server = Server::start("serve", &store.args()).await;
        assert_eq!(append(&server, token, "grown", &entry(&store, 1)).await.unwrap().0, 201);
        server.stop().await;
        // Wherever it was cut, by whatever: after the checkpoints, within a header, a tile, a line, at the very end.
        let step = whole.len() / 19 + 1;
        let cuts =
            (3_072..whole.len()).step_by(step).chain([whole.len() - 1, whole.len() - 1_024, whole.len()]);
        for cut in cuts {
            fs::remove_file(&file).unwrap();
            fs::write(&part, &whole[..cut]).unwrap();
            let again = exported(&store, REGISTER, &file).await;
            assert!(again == whole, "{kind:?}: cut at {cut}, gone on with, and other bytes");
            assert!(!part.exists());
        }
        // What is withheld since must not stay: it begins again, under newer checkpoints.
        fs::write(&part, &whole[..whole.len() - 2_000]).unwrap();
        server::succeed(&command(&store, made["record"].as_str().unwrap())).await;
        let later = exported(&store, REGISTER, &file).await;
        let index = made["index"].as_u64().unwrap();
        let line = format!(r#"{{"body":null,"index":{index},"salt":null}}"#);
        assert!(!String::from_utf8_lossy(&whole).contains(&line));
        assert!(String::from_utf8_lossy(&later).contains(&line), "it began again");
        let (code, report) = audit_files(&[&file], &[]).await;
        assert_eq!(code, 0, "an order names it: {report}");
        let register = report["registers"].as_array().unwrap().iter().find(|one| one["register"] == REGISTER);
        assert_eq!(register.unwrap()["withheld"][0]["index"], index, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_export_goes_on() {
    let (store, files) = at_rest(Kind::Sqlite).await;
    let (file, part) = (files.path().join("a.tar"), files.path().join("a.tar.part"));
    let whole = exported(&store, REGISTER, &file).await;
    let mut killed = 0;
    for round in 1..=8_usize {
        fs::remove_file(&file).unwrap();
        let mut child = std::process::Command::new(binary())
            .args(["export", "archive", "--register", REGISTER, "--output"])
            .arg(&file)
            .args(store.args())
            .current_dir(root())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Killed when the file has grown so far; where it is quicker, it is killed when it is done.
        while child.try_wait().unwrap().is_none() {
            if fs::metadata(&part).is_ok_and(|part| part.len() >= (whole.len() * round / 10) as u64) {
                child.kill().unwrap();
            }
        }
        killed += usize::from(part.exists());
        let again = exported(&store, REGISTER, &file).await;
        assert!(again == whole, "killed in round {round}");
    }
    println!("{killed} of 8 exports were killed before their end");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_archives_are_of_one_moment_and_audited_together() {
    let (store, files) = at_rest(Kind::Sqlite).await;
    let directory = files.path().join("all");
    let mut args = vec!["export", "archive", "--output", directory.to_str().unwrap()];
    let of_store = store.args();
    args.extend(of_store.iter().map(String::as_str));
    server::succeed(&args).await;
    let all: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|item| item.unwrap().path()).collect();
    assert!(all.len() > 60 && all.iter().all(|file| file.extension().is_some_and(|end| end == "tar")));
    let all: Vec<&Path> = all.iter().map(PathBuf::as_path).collect();
    let state = files.path().join("state");
    let state = ["--state", state.to_str().unwrap()];
    let (code, report) = audit_files(&all, &state).await;
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["registers"].as_array().unwrap().len(), all.len(), "one row a register");
    // The state of an audit of files serves the next audit over HTTP, and the other way round.
    let server = Server::start("serve", &store.args()).await;
    let token = &tokens(store.data())["department"];
    assert_eq!(append(&server, token, "later", &entry(&store, 1)).await.unwrap().0, 201);
    let (code, report) = audit(&server.url, &state).await;
    assert_eq!(code, 0, "{report}");
    server.stop().await;
    let old = directory.join(format!("{REGISTER}.tar"));
    let (code, report) = audit_files(&[&old], &state).await;
    assert_eq!(
        (code, rules(&report)),
        (1, vec!["consistency".to_owned()]),
        "older than what is kept: {report}"
    );
    let newer = files.path().join("newer.tar");
    exported(&store, REGISTER, &newer).await;
    let (code, report) = audit_files(&[&newer, &old], &[]).await;
    assert_eq!(code, 0, "the older is verified first, whatever the order: {report}");
}

/// What is changed in an archive, and where the audit finds it.
struct Change {
    what: &'static str,
    make: fn(&mut Vec<u8>),
    rules: &'static [&'static str],
}

/// Changes bytes in place: those that follow the first `after` in the part of the file after `from`.
fn put(bytes: &mut [u8], from: &str, after: &str, with: &[u8]) {
    let find = |start: usize, text: &str| {
        let at = bytes[start..].windows(text.len()).position(|window| window == text.as_bytes());
        start + at.unwrap_or_else(|| panic!("{text} is there")) + text.len()
    };
    let from = if from.is_empty() { 0 } else { find(0, from) };
    let at = find(from, after);
    bytes[at..at + with.len()].copy_from_slice(with);
}

const CHANGES: &[Change] = &[
    Change {
        what: "a checkpoint's size",
        make: |bytes| put(bytes, "", "driving-licences\n", b"9"),
        rules: &["archive", "checkpoint-signature"],
    },
    Change {
        what: "the definition",
        make: |bytes| put(bytes, "definition.json", "\"title\":{\"en\":\"", b"X"),
        rules: &["archive"],
    },
    Change {
        what: "a statement",
        make: |bytes| put(bytes, "\0tile/entries/000", "\"statement\":\"eyJ", b"AAAA"),
        rules: &["leaf", "root"],
    },
    Change {
        what: "a time of recording",
        make: |bytes| put(bytes, "\0tile/entries/000", "\"recorded_at\":\"20", b"1"),
        rules: &["root", "tile"],
    },
    Change {
        what: "a hash",
        make: |bytes| put(bytes, "\0tile/0/000", "ustar", &[0; 300]),
        rules: &["archive"],
    },
    Change {
        what: "a body",
        make: |bytes| put(bytes, "\0bodies.ndjson", "{\"body\":{\"", b"zz"),
        rules: &["archive", "digest"],
    },
    Change {
        what: "a salt",
        make: |bytes| put(bytes, "\0bodies.ndjson", "\"salt\":\"", b"AAAA"),
        rules: &["digest"],
    },
    Change {
        what: "the place of a body",
        make: |bytes| put(bytes, "\0bodies.ndjson", "\"index\":", b"7"),
        rules: &["archive"],
    },
    Change { what: "a byte after the end", make: |bytes| bytes.push(0), rules: &["archive"] },
    Change {
        what: "the last kilobyte",
        make: |bytes| bytes.truncate(bytes.len() - 1_024),
        rules: &["archive"],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_an_archive_is_found() {
    let (store, files) = at_rest(Kind::Sqlite).await;
    let file = files.path().join("a.tar");
    let whole = exported(&store, REGISTER, &file).await;
    for change in CHANGES {
        let mut bytes = whole.clone();
        (change.make)(&mut bytes);
        assert!(bytes != whole, "{}", change.what);
        fs::write(&file, bytes).unwrap();
        let (code, report) = audit_files(&[&file], &[]).await;
        let found = rules(&report);
        let named = change.rules.iter().any(|rule| found.iter().any(|found| found == rule));
        assert!(code == 1 && named, "{}: exit {code}, {found:?}: {report}", change.what);
    }
    for (what, bytes) in
        [("nothing", &b""[..]), ("no archive", &[b'x'; 5_000]), ("half a checkpoint", &whole[..600])]
    {
        fs::write(&file, bytes).unwrap();
        assert_eq!(audit_files(&[&file], &[]).await.0, 2, "{what} promises nothing");
    }
    assert_eq!(audit_files(&[Path::new("no-such-file.tar")], &[]).await.0, 2);
}
