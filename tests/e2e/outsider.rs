//! The verifier that shares no code with us: `tests/verify/verify.py`, written from the wire format's page alone.

use reestr_tests::server::{root, tokens};
use reestr_tests::store::{Kind, Store};

use crate::shared::{REGISTER, WHY, demo};

/// Runs it; gives its exit code and what it printed.
pub async fn verify(args: &[&str]) -> (i32, String) {
    let output = tokio::process::Command::new("python3")
        .arg(root().join("tests/verify/verify.py"))
        .args(args)
        .output()
        .await
        .expect("python3 is there");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_verifies_a_served_register_and_a_receipt() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    for register in ["registers", "departments", "country", "driving-licences", "persons"] {
        let (code, said) = verify(&["url", &server.url, "--register", register]).await;
        assert_eq!(code, 0, "{register}: {said}");
    }
    let token = &tokens(store.data())["auditor"];
    let receipt = server.get(&format!("/v1/registers/{REGISTER}/entries/3/receipt"), Some(token)).await;
    assert!(!receipt["body"].is_null(), "an auditor with scope sees the body");
    let file = store.data().join("receipt.json");
    std::fs::write(&file, receipt.to_string()).unwrap();
    let (code, said) = verify(&["receipt", file.to_str().unwrap(), "--url", &server.url]).await;
    assert_eq!(code, 0, "{said}");

    let mut forged = receipt.clone();
    forged["body"]["number"] = "00 00 000000".into();
    std::fs::write(&file, forged.to_string()).unwrap();
    let (code, said) = verify(&["receipt", file.to_str().unwrap(), "--url", &server.url]).await;
    assert_eq!(code, 1, "{said}");
    let mut forged = receipt.clone();
    forged["proof"] = receipt["proof"].as_str().unwrap().replacen("index 3\n", "index 2\n", 1).into();
    forged["index"] = 2.into();
    std::fs::write(&file, forged.to_string()).unwrap();
    let (code, said) = verify(&["receipt", file.to_str().unwrap(), "--url", &server.url]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("root by the inclusion path"), "{said}");
    server.stop().await;
}

/// What a server served is kept file by file, and verified once more without it.
#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_verifies_what_was_kept_of_a_server() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let kept = store.data().join("served");
    let kept = kept.to_str().unwrap();
    let token = &tokens(store.data())["auditor"];
    let mut options = vec!["--register", REGISTER, "--keep", kept, "--token", token];
    options.extend(WHY);
    let (code, said) = verify(&[&["url", &server.url], &options[..]].concat()).await;
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains(&format!("verified {REGISTER}: 0 entries")) && said.contains(" bodies"), "{said}");
    server.stop().await;
    let (code, again) = verify(&["url", kept, "--register", REGISTER]).await;
    assert_eq!((code, again), (0, said), "the same without the server");

    // Of what is not there, nothing can be said: a register's tile, and the keys of departments.
    for missing in [format!("{REGISTER}/checkpoint"), "departments/entries@limit=256".to_owned()] {
        let file = std::path::Path::new(kept).join("v1/registers").join(missing);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let (code, said) = verify(&["url", kept, "--register", REGISTER]).await;
        assert_eq!(code, 2, "{}: {said}", file.display());
        std::fs::write(&file, bytes).unwrap();
    }
}
