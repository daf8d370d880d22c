//! A receipt in a citizen's hands: taken, kept, printed, verified by the program and by the page, on a machine of their own.

use std::path::{Path, PathBuf};

use reestr_tests::browser::Browser;
use reestr_tests::server::{Server, root, run, tokens};
use reestr_tests::store::{Kind, Store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shared::demo;

/// Waits until the page can check.
const READY: &str = "
const done = arguments[arguments.length - 1];
const look = () => document.body.dataset.ready !== undefined && (observer.disconnect(), done(true));
const observer = new MutationObserver(look);
observer.observe(document.body, { attributes: true });
look();";

/// Gives the page a receipt, keys and a rule as text, and answers with its verdict and the step that failed.
const CHECK: &str = "
const [text, keys, policy, done] = arguments;
const place = document.getElementById('result');
for (const [id, value] of [['text', text], ['keys-text', keys], ['policy-text', policy]]) document.getElementById(id).value = value;
delete place.dataset.verdict;
const look = () => {
  if (place.dataset.verdict === undefined) return;
  observer.disconnect();
  const failed = place.querySelector('[data-outcome=failed]');
  done({ verdict: place.dataset.verdict, failed: failed === null ? null : failed.dataset.step });
};
const observer = new MutationObserver(look);
observer.observe(place, { attributes: true });
document.getElementById('check').click();";

/// Waits for the verdict on a file that was picked or dropped.
const VERDICT: &str = "
const done = arguments[arguments.length - 1];
const place = document.getElementById('result');
const look = () => place.dataset.verdict !== undefined && (observer.disconnect(), done(place.dataset.verdict));
const observer = new MutationObserver(look);
observer.observe(place, { attributes: true });
look();";

/// Runs `reestr verify receipt`; the exit code and what it found.
async fn verify(file: &Path, keys: &str, more: &[&str]) -> (i32, Value) {
    let file = file.to_str().expect("UTF-8");
    let args = [&["verify", "receipt", file, "--keys", keys, "--json"], more].concat();
    let output = run(&args).await;
    (output.status.code().expect("it ended"), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// A fine for the demo's citizen: the address of its receipt.
async fn fine(server: &Server, store: &Store) -> String {
    let body = std::fs::read_to_string(store.data().join("try/fine.json")).expect("the demo writes it");
    let request = server.request(Method::POST, "/v1/registers/fines/entries");
    let request =
        request.bearer_auth(&tokens(store.data())["department"]).header("content-type", "application/json");
    let answer = request.body(body).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let entry: Value = answer.json().await.expect("JSON");
    format!("/v1/account/records/{}/entries/1/receipt", entry["record"].as_str().expect("a record"))
}

/// The receipt as JSON, or as a page.
async fn take(server: &Server, store: &Store, address: &str, accept: &str) -> String {
    let request = server.request(Method::GET, address).bearer_auth(&tokens(store.data())["citizen"]);
    let answer = request.header("accept", accept).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{address}");
    answer.text().await.expect("text")
}

struct Kept {
    json: PathBuf,
    page: PathBuf,
    keys: String,
}

/// What a citizen keeps: the receipt, its page, and the keys that an audit verified.
async fn keep(server: &Server, store: &Store, folder: &Path) -> Kept {
    let address = fine(server, store).await;
    let kept = Kept {
        json: folder.join("receipt.json"),
        page: folder.join("receipt.html"),
        keys: folder.join("keys.json").to_str().expect("UTF-8").to_owned(),
    };
    std::fs::write(&kept.json, take(server, store, &address, "*/*").await).expect("it is kept");
    let html = take(server, store, &address, "text/html,application/xhtml+xml").await;
    std::fs::write(&kept.page, html).expect("it is kept");
    let audit = run(&["audit", "--url", &server.url, "--register", "fines", "--keys-out", &kept.keys]).await;
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_keeps_proof_of_a_notice() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let folder = tempfile::tempdir().expect("a folder");
    let kept = keep(&server, &store, folder.path()).await;
    let listed = server.get("/v1/keys", None).await;
    let audited: Value = serde_json::from_slice(&std::fs::read(&kept.keys).expect("keys")).expect("JSON");
    assert_eq!(audited, listed, "an audit of an honest server finds the keys that it names");
    let url = server.url.clone();
    let (code, found) = verify(&kept.json, &url, &[]).await;
    assert_eq!((code, &found["verdict"]), (0, &json!("verified")), "{found:#}");

    let browser = Browser::start().await;
    browser.open(&format!("{url}/verify")).await;
    browser.run(READY, &[]).await;
    browser.requests().await;
    browser.pick("#file", &kept.page).await;
    assert_eq!(browser.run(VERDICT, &[]).await, "verified");
    assert_eq!(browser.requests().await, Vec::<String>::new(), "nothing leaves the page");

    // Without the server: the page as it was kept, at its own address, on a telephone.
    server.stop().await;
    browser.open(&format!("file://{}", kept.page.display())).await;
    let asked = browser.requests().await;
    assert!(asked.iter().all(|url| url.ends_with("/receipt.html")), "the page needs nothing else: {asked:?}");
    browser.width(320).await;
    let seen = browser
        .run("arguments[arguments.length - 1]([document.documentElement.scrollWidth, document.body.innerText])", &[])
        .await;
    assert!(seen[0].as_u64().is_some_and(|width| width <= 320), "{}", seen[0]);
    let recorded =
        found["proven"]["recorded_at"].as_str().expect("a time").replace('T', " ").replace('Z', " UTC");
    let text = seen[1].as_str().expect("text");
    for said in
        ["18810177999999000001", "750.00", "личном кабинете", "КоАП РФ", &recorded, "BEGIN REESTR RECEIPT"]
    {
        assert!(text.contains(said), "the page says nothing of {said}:\n{text}");
    }
    browser.end().await;

    for file in [&kept.json, &kept.page] {
        let (code, found) = verify(file, &kept.keys, &[]).await;
        assert_eq!((code, &found["verdict"]), (0, &json!("verified")), "{found:#}");
        assert_eq!(found["proven"]["type"], "issued");
    }
    let policy = folder.path().join("policy");
    std::fs::write(&policy, "witness w witness.example+3c9a2b7d+BAAA\nquorum w\n").expect("written");
    let policy = policy.to_str().expect("UTF-8");
    assert_eq!(verify(&kept.json, &kept.keys, &["--witness-policy", policy]).await.0, 2, "no such policy");
    let tampered = folder.path().join("tampered.json");
    let text = std::fs::read_to_string(&kept.json).expect("kept").replacen("750.00", "75.00", 1);
    std::fs::write(&tampered, text).expect("written");
    let (code, found) = verify(&tampered, &kept.keys, &[]).await;
    assert_eq!(
        (code, &found["verdict"], &found["steps"][8]["outcome"]),
        (1, &json!("faulty"), &json!("failed"))
    );
    let absent = folder.path().join("absent.json");
    for (file, keys) in
        [(&absent, kept.keys.as_str()), (&kept.json, "absent.json"), (&kept.json, policy), (&kept.json, &url)]
    {
        assert_eq!(verify(file, keys, &[]).await.0, 2, "{} {keys}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_finds_what_the_program_finds() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = Server::start("serve", &store.args()).await;
    let vectors = std::fs::read(root().join("fixtures/vectors/receipts/receipts.json")).expect("vectors");
    let vectors: Value = serde_json::from_slice(&vectors).expect("JSON");
    let page = server.request(Method::GET, "/verify").send().await.expect("an answer");
    let saved = tempfile::Builder::new().suffix(".html").tempfile().expect("a file");
    std::fs::write(saved.path(), page.text().await.expect("text")).expect("it is saved");

    let browser = Browser::start().await;
    // Served, and as a file that was saved.
    for address in
        [format!("{}/verify?language=en", server.url), format!("file://{}", saved.path().display())]
    {
        browser.open(&address).await;
        browser.run(READY, &[]).await;
        assert!(browser.requests().await.contains(&address), "what is asked for is seen");
        for case in vectors["cases"].as_array().expect("cases") {
            let of = |kind: &str| case[kind].as_str().map_or(Value::Null, |name| vectors[kind][name].clone());
            let policy = of("policy").as_str().unwrap_or_default().to_owned();
            let given = [case["document"].clone(), of("keys").to_string().into(), policy.into()];
            let found = browser.run(CHECK, &given).await;
            let expected = json!({ "verdict": case["verdict"], "failed": case["failed"] });
            assert_eq!(found, expected, "{} at {address}", case["name"]);
        }
        let given = &vectors["cases"][0]["document"];
        let dropped = browser.run(&format!("
const transfer = new DataTransfer();
transfer.items.add(new File([arguments[0]], 'receipt.json'));
delete document.getElementById('result').dataset.verdict;
document.getElementById('keys-text').value = arguments[1];
document.getElementById('drop').dispatchEvent(new DragEvent('drop', {{ dataTransfer: transfer, bubbles: true, cancelable: true }}));
{VERDICT}"), &[given.clone(), vectors["keys"]["plain"].to_string().into()]).await;
        assert_eq!(dropped, "verified");
        let tried = "const done = arguments[arguments.length - 1]; fetch('/v1/keys').then(() => done('sent'), () => done('kept'));";
        assert_eq!(browser.run(tried, &[]).await, "kept", "the page could send something");
        let asked = browser.requests().await;
        let asked: Vec<_> = asked.iter().filter(|url| !url.ends_with("/v1/keys")).collect();
        assert!(asked.is_empty(), "nothing was asked for after it was loaded: {asked:?}");
    }
    server.stop().await;
    usable(&browser, &format!("file://{}", saved.path().display())).await;
    browser.end().await;
}

/// In both languages, on a telephone, with every field named; and a browser that cannot check says so.
async fn usable(browser: &Browser, address: &str) {
    browser.width(320).await;
    let seen = "
const done = arguments[arguments.length - 1];
const all = (selector) => [...document.querySelectorAll(selector)];
const said = (language) => { all(`button[data-language=${language}]`)[0].click(); return document.getElementById('result').innerText; };
for (const details of all('details')) details.open = true;
done({
  width: document.documentElement.scrollWidth,
  unnamed: all('input, textarea').filter((field) => field.labels.length !== 1).length,
  live: document.getElementById('result').getAttribute('aria-live'),
  english: [said('en'), document.documentElement.lang, document.title],
  russian: [said('ru'), document.documentElement.lang, document.title],
});";
    let seen = browser.run(seen, &[]).await;
    assert!(seen["width"].as_u64().is_some_and(|width| width <= 320), "{}", seen["width"]);
    assert_eq!((&seen["unnamed"], &seen["live"]), (&json!(0), &json!("polite")));
    let said = |language: &str, at: usize| seen[language][at].as_str().expect("text").to_owned();
    assert!(said("english", 0).starts_with("The receipt is genuine"), "{seen}");
    assert!(said("russian", 0).starts_with("Квитанция подлинна"), "{seen}");
    assert_eq!((said("english", 1), said("english", 2)), ("en".to_owned(), "Verify a receipt".to_owned()));
    assert_eq!((said("russian", 1), said("russian", 2)), ("ru".to_owned(), "Проверить квитанцию".to_owned()));

    let old = json!({ "source": "crypto.subtle.importKey = () => Promise.reject(new DOMException('', 'NotSupportedError'));" });
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", old).await;
    browser.open(address).await;
    let told = "
const done = arguments[arguments.length - 1];
const place = document.getElementById('too-old');
const look = () => !place.hidden && (observer.disconnect(), done([place.innerText, document.getElementById('form').hidden]));
const observer = new MutationObserver(look);
observer.observe(place, { attributes: true });
look();";
    let told = browser.run(told, &[]).await;
    assert!(told[0].as_str().is_some_and(|text| text.contains("Ed25519")), "{told}");
    assert_eq!(told[1], true);
}
