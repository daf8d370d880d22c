//! The verifier that shares no code with us: `tests/verify/verify.py`, written from the wire format's page alone.

use reestr_tests::server::{root, tokens};
use reestr_tests::store::{Kind, Store};

use crate::shared::{REGISTER, demo};

async fn verify(args: &[&str]) -> (i32, String) {
    let output = tokio::process::Command::new("python3")
        .arg(root().join("tests/verify/verify.py"))
        .args(args)
        .output()
        .await
        .expect("python3 is there");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
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
    server.stop().await;
}
