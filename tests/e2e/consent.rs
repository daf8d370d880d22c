//! A third party and a person, through the real binary: the operator registers the client, the person lets it read, and ends it
//! on another server than the one that the client asks.

use reestr_tests::server::{Server, run, succeed, tokens};
use reestr_tests::store::{Kind, Store};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shared::demo;

/// The verifier and the challenge of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "https://bank.example/cb";
/// The same, as a form has it.
const REDIRECT_ENCODED: &str = "https%3A%2F%2Fbank.example%2Fcb";

fn with_store(args: &[&str], store: &Store) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).chain(store.args()).collect()
}

async fn post(server: &Server, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = server.request(Method::POST, path).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn status(server: &Server, path: &str, token: &str) -> u16 {
    server.request(Method::GET, path).bearer_auth(token).send().await.unwrap().status().as_u16()
}

/// Registers a confidential client through the command line; gives its secret.
async fn register(store: &Store) -> String {
    let add = ["client", "add", "bank", "--name-ru", "Банк", "--name-en", "Bank", "--redirect", REDIRECT];
    let mut args = add.to_vec();
    args.push("--confidential");
    let printed = succeed(&with_store(&args, store)).await;
    let secret = printed.lines().find_map(|line| line.strip_prefix("its secret, shown this once: "));
    let taken = run(&with_store(&add, store)).await;
    assert!(!taken.status.success(), "a name is one client's");
    let listed = succeed(&with_store(&["client", "list"], store)).await;
    assert!(listed.contains("bank  confidential  Bank") && listed.contains(REDIRECT), "{listed}");
    secret.expect("it is printed").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_reads_while_it_may_whichever_server_it_asks() {
    let store = Store::fresh(Kind::Postgres).await;
    let one = demo(&store).await;
    let two = Server::start("serve", &store.args()).await;
    let citizen = tokens(store.data())["citizen"].clone();
    let secret = register(&store).await;
    let mine = one.get("/v1/account/records?register=tax-numbers", Some(&citizen)).await;
    let record = mine["items"][0]["record"].as_str().expect("the demo citizen has a tax number").to_owned();

    let today = one.get("/v1/oauth/authorize?response_type=code&client_id=bank&redirect_uri=https%3A%2F%2Fbank.example%2Fcb\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&scope=tax-numbers&purpose=Credit", None);
    let until = today.await["valid_until_max"].clone();
    let decision = json!({
        "request": {"response_type": "code", "client_id": "bank", "redirect_uri": REDIRECT, "code_challenge": CHALLENGE,
            "code_challenge_method": "S256", "scope": "tax-numbers", "purpose": "Credit"},
        "decision": "allow", "registers": ["tax-numbers"], "valid_until": until,
    });
    let (code, decided) = post(&one, "/v1/oauth/authorize", &citizen, Some(decision)).await;
    assert_eq!(code, 200, "{decided}");
    let redirect = decided["redirect_to"].as_str().unwrap();
    let code = redirect.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).expect("a code");
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_ENCODED}&code_verifier={VERIFIER}"
    );
    let request = two.request(Method::POST, "/v1/oauth/token").basic_auth("bank", Some(&secret));
    let answer =
        request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let token = answer["access_token"].as_str().unwrap();

    let path = format!("/v1/consented/records/{record}");
    let shown = two.get(&path, Some(token)).await;
    assert_eq!(shown["register"], "tax-numbers");
    let withdraw = format!("/v1/account/consents/{}/withdraw", decided["consent"].as_str().unwrap());
    let (code, withdrawn) = post(&one, &withdraw, &citizen, None).await;
    assert_eq!(code, 200, "{withdrawn}");
    // The withdrawal was recorded after the reading was.
    let accesses = format!("/v1/account/accesses?wait_for={}", withdrawn["position"]);
    let seen = one.get(&accesses, Some(&citizen)).await;
    assert!(seen.to_string().contains("third-party"), "{seen}");
    assert_eq!(status(&two, &path, token).await, 403, "withdrawn on one server, ended on the other");

    succeed(&with_store(&["client", "remove", "bank"], &store)).await;
    let gone = run(&with_store(&["client", "remove", "bank"], &store)).await;
    assert!(!gone.status.success());
    let third_party = ["token", "--role", "third-party", "--subject", "bank"];
    assert!(
        !run(&with_store(&third_party, &store)).await.status.success(),
        "only a consent makes such a token"
    );
    represented(&one, &two, &citizen).await;
    two.stop().await;
    one.stop().await;
}

/// Whoever the demo citizen may act for has an account that they can read, on either server.
async fn represented(one: &Server, two: &Server, citizen: &str) {
    let represented = one.get("/v1/account/represented", Some(citizen)).await;
    for item in represented["items"].as_array().unwrap() {
        for server in [one, two] {
            let request = server.request(Method::GET, "/v1/account").bearer_auth(citizen);
            let whom = item["on_behalf_of"].as_str().unwrap();
            let answer = request.header("on-behalf-of", whom).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{item}");
        }
    }
}
