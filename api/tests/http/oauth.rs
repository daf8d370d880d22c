//! OAuth 2.0: the flow with codes, and everything that is refused of it; on both stores.

use api::oauth::encoding::with_parameters;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::authorisation::Case;
use crate::bank::{
    PURPOSE, REDIRECT, VERIFIER, access, allow, asked, bank, consent, form, parameter, redeem, redemption,
    refresh,
};
use crate::relatives::{ask, enter, token};
use crate::world::{Answer, Who, World};

const UNTIL: &str = "2026-08-31";

fn with(
    mut form: Vec<(&'static str, String)>,
    name: &'static str,
    value: &str,
) -> Vec<(&'static str, String)> {
    form.retain(|(found, _)| *found != name);
    if !value.is_empty() {
        form.push((name, value.to_owned()));
    }
    form
}

async fn withdrawn(world: &World, consent: uuid::Uuid) -> bool {
    let entries = world.store.read_record(consent).await.expect("read");
    entries.last().expect("an entry").statement.statement().entry_type.as_str() == "withdrawn"
}

#[tokio::test]
async fn a_code_goes_to_the_client_with_its_state_and_our_name() {
    for world in World::both().await {
        bank(&world, false).await;
        let mine = token(&world, world.citizen);
        let decided =
            ask(&world, &mine, None, "POST", "/v1/oauth/authorize", Some(allow(&["notices"], &[], UNTIL)))
                .await;
        let decided = decided.expect(200);
        let redirect = decided["redirect_to"].as_str().expect("an address");
        assert!(redirect.starts_with("https://bank.example/cb?from=reestr&code="), "{redirect}");
        assert_eq!(parameter(redirect, "state").as_deref(), Some("s%20t%261"));
        assert_eq!(parameter(redirect, "iss").as_deref(), Some("https%3A%2F%2Flog.test"));
        let metadata = world.get(Who::Anyone, "/.well-known/oauth-authorization-server").await.expect(200);
        assert_eq!(metadata["issuer"], "https://log.test");
        assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        for (member, method) in [
            ("token_endpoint", "POST"),
            ("revocation_endpoint", "POST"),
            ("authorization_endpoint", "GET"),
            ("jwks_uri", "GET"),
        ] {
            let path =
                metadata[member].as_str().and_then(|url| url.strip_prefix("https://log.test")).expect("ours");
            assert_ne!(world.send(Who::Anyone, method, path, &[], None).await.status, 404, "{path}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_address_and_verifier_for_a_minute() {
    for world in World::both().await {
        bank(&world, false).await;
        let mine = token(&world, world.citizen);
        let (given, code) = consent(&world, &mine, allow(&["notices"], &[], UNTIL)).await;
        let right = redemption(&code);
        let wrong_verifier = VERIFIER.replace('d', "e");
        for (name, value, error) in [
            ("code_verifier", wrong_verifier.as_str(), "invalid_grant"),
            ("code_verifier", "", "invalid_request"),
            ("code_verifier", "short", "invalid_grant"),
            ("redirect_uri", "https://bank.example/other", "invalid_grant"),
            ("redirect_uri", "https://bank.example/cb", "invalid_grant"),
            ("redirect_uri", "", "invalid_request"),
            ("code", "nonsense", "invalid_grant"),
            ("client_id", "nobody", "invalid_client"),
            ("client_id", "", "invalid_request"),
            ("client_secret", "a-secret-of-a-public-client", "invalid_client"),
            ("grant_type", "password", "unsupported_grant_type"),
            ("grant_type", "", "invalid_request"),
        ] {
            let answer = redeem(&world, &with(right.clone(), name, value)).await;
            let status = if error == "invalid_client" { 401 } else { 400 };
            assert_eq!(answer.expect(status)["error"], error, "{name}={value}");
        }
        let mut twice = right.clone();
        twice.push(("code", code.clone()));
        assert_eq!(redeem(&world, &twice).await.expect(400)["error"], "invalid_request");
        assert!(!withdrawn(&world, given).await, "none of these had the code and its verifier");

        let record = enter(&world, "notices", None, "issued", world.body("A001")).await.appended.record;
        let answer = redeem(&world, &right).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let access = answer.expect(200);
        let read = |access: Value| {
            let (world, path) = (&world, format!("/v1/consented/records/{record}"));
            async move {
                ask(world, access["access_token"].as_str().expect("a token"), None, "GET", &path, None).await
            }
        };
        read(access.clone()).await.expect(200);
        // The second who has it, with the verifier: the tokens of the first are dead, on the spot.
        assert_eq!(redeem(&world, &right).await.expect(400)["error"], "invalid_grant");
        assert!(withdrawn(&world, given).await);
        read(access.clone()).await.problem(403);
        let refused = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(400);
        assert_eq!(refused["error"], "invalid_grant");

        let (given, code) = consent(&world, &mine, allow(&["notices"], &[], UNTIL)).await;
        world.clock.advance(60_000);
        assert_eq!(redeem(&world, &redemption(&code)).await.expect(400)["error"], "invalid_grant");
        assert!(!withdrawn(&world, given).await, "it was late, and no theft");
        world.end().await;
    }
}

#[tokio::test]
async fn of_two_who_redeem_at_once_one_is_the_second() {
    for world in World::both().await {
        bank(&world, false).await;
        let (given, code) =
            consent(&world, &token(&world, world.citizen), allow(&["notices"], &[], UNTIL)).await;
        let right = redemption(&code);
        let (one, other) = tokio::join!(redeem(&world, &right), redeem(&world, &right));
        let good = [&one, &other].iter().filter(|answer| answer.status == 200).count();
        // The consent may end before the first has its token, and then nobody gets one.
        assert!(good <= 1, "{one:?} {other:?}");
        assert!(withdrawn(&world, given).await);
        world.end().await;
    }
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_gives_the_next() {
    for world in World::both().await {
        bank(&world, false).await;
        let (given, first) =
            access(&world, &token(&world, world.citizen), allow(&["notices"], &[], UNTIL)).await;
        let text = |answer: &Value| answer["refresh_token"].as_str().expect("a token").to_owned();
        world.clock.advance(1_000_000);
        let old = first["access_token"].as_str().expect("a token");
        ask(&world, old, None, "GET", "/v1/consented/records", None).await.problem(401);
        let second = refresh(&world, &text(&first)).await.expect(200);
        let third = refresh(&world, &text(&second)).await.expect(200);
        let now = third["access_token"].as_str().expect("a token");
        ask(&world, now, None, "GET", "/v1/consented/records", None).await.expect(200);
        // Another client cannot use it, nor end the consent with it.
        let other =
            [("grant_type", "refresh_token"), ("client_id", "clinic"), ("refresh_token", &text(&third))];
        assert_eq!(
            form(&world, "/v1/oauth/token", None, &other).await.expect(401)["error"],
            "invalid_client"
        );
        assert_eq!(refresh(&world, &text(&second)).await.expect(400)["error"], "invalid_grant");
        assert!(withdrawn(&world, given).await, "one of the two who have it is a thief");
        ask(&world, now, None, "GET", "/v1/consented/records", None).await.problem(403);
        world.end().await;
    }
}

#[tokio::test]
async fn a_client_gives_its_tokens_back_and_the_consent_stays() {
    for world in World::both().await {
        bank(&world, false).await;
        let (given, first) =
            access(&world, &token(&world, world.citizen), allow(&["notices"], &[], UNTIL)).await;
        let second = refresh(&world, first["refresh_token"].as_str().expect("a token")).await.expect(200);
        let token = second["refresh_token"].as_str().expect("a token");
        let revoke = |client: &'static str, token: String| {
            let world = &world;
            async move { form(world, "/v1/oauth/revoke", None, &[("client_id", client), ("token", &token)]).await }
        };
        revoke("nobody", token.to_owned()).await.expect(401);
        revoke("bank", "unknown".to_owned()).await.expect(200);
        revoke("bank", token.to_owned()).await.expect(200);
        assert_eq!(refresh(&world, token).await.expect(400)["error"], "invalid_grant");
        assert!(!withdrawn(&world, given).await);
        world.end().await;
    }
}

#[tokio::test]
async fn a_confidential_client_says_its_secret_in_one_way() {
    for world in World::both().await {
        let secret = bank(&world, true).await.secret.expect("a secret");
        let mine = token(&world, world.citizen);
        let right = STANDARD.encode(format!("bank:{secret}"));
        let wrong = STANDARD.encode("bank:nonsense");
        let ask_with = |basic: Option<String>, in_form: Option<String>| {
            let (world, mine) = (&world, &mine);
            async move {
                let (_, code) = consent(world, mine, allow(&["notices"], &[], UNTIL)).await;
                let mut parameters = redemption(&code);
                parameters.extend(in_form.map(|secret| ("client_secret", secret)));
                let parameters: Vec<(&str, &str)> =
                    parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
                form(world, "/v1/oauth/token", basic.as_deref(), &parameters).await
            }
        };
        let refused = |answer: Answer, error: &str| {
            let status = if error == "invalid_client" { 401 } else { 400 };
            let offered = answer.header("www-authenticate").to_owned();
            assert_eq!(answer.expect(status)["error"], error);
            assert_eq!(offered.starts_with("Basic"), status == 401);
        };
        ask_with(Some(right.clone()), None).await.expect(200);
        ask_with(None, Some(secret.clone())).await.expect(200);
        refused(ask_with(None, None).await, "invalid_client");
        refused(ask_with(Some(wrong), None).await, "invalid_client");
        refused(ask_with(None, Some("nonsense".to_owned())).await, "invalid_client");
        refused(ask_with(Some(right), Some(secret.clone())).await, "invalid_request");
        refused(ask_with(Some("***".to_owned()), None).await, "invalid_client");
        let kept = world
            .store
            .db()
            .fetch_all("SELECT secret_hash FROM oauth_client", Vec::new())
            .await
            .expect("read");
        assert_ne!(kept[0].blob("secret_hash").expect("a hash"), secret.as_bytes(), "the secret is not kept");
        world.end().await;
    }
}

/// Asks for a description with one parameter changed, or left out.
async fn describe(world: &World, name: &str, value: Option<&str>, html: bool) -> Answer {
    let mut request = asked();
    match value {
        Some(value) => request[name] = json!(value),
        None => drop(request.as_object_mut().expect("an object").remove(name)),
    }
    let mut url = address("/v1/oauth/authorize", &request);
    url.push_str("&unknown=ignored");
    let accept = if html { "text/html,application/xhtml+xml" } else { "application/json" };
    world.send(Who::Anyone, "GET", &url, &[("accept", accept)], None).await
}

fn address(path: &str, parameters: &Value) -> String {
    let parameters = parameters.as_object().expect("an object").iter();
    let parameters: Vec<(&str, &str)> =
        parameters.map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect();
    with_parameters(path, &parameters)
}

#[tokio::test]
async fn a_request_is_described_in_words_or_refused() {
    for world in World::both().await {
        bank(&world, false).await;
        let described = describe(&world, "state", Some("x"), false).await.expect(200);
        assert_eq!(
            (&described["client"]["name"]["ru"], &described["purpose"]),
            (&json!("Банк"), &json!(PURPOSE))
        );
        assert_eq!(described["registers"][0]["register"], "notices");
        assert_eq!(described["valid_until_max"], "2027-06-01");
        let page = describe(&world, "purpose", Some("<b>credit</b>"), true).await;
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(
            page.text().contains("&lt;b&gt;credit") && !page.text().contains("<b>credit"),
            "{}",
            page.text()
        );

        // Nobody is sent to an address that is not the client's: there is no telling whose it is.
        for (name, value) in [
            ("client_id", Some("nobody")),
            ("client_id", None),
            ("redirect_uri", Some("https://evil.example/cb")),
            ("redirect_uri", Some("https://bank.example/cb")),
            ("redirect_uri", Some("https://bank.example/cb?from=reestr&x=1")),
            ("redirect_uri", None),
        ] {
            for html in [true, false] {
                let answer = describe(&world, name, value, html).await;
                assert_eq!(answer.header("location"), "");
                answer.problem(400);
            }
        }
        for (name, value, error) in [
            ("response_type", Some("token"), "unsupported_response_type"),
            ("response_type", None, "invalid_request"),
            ("code_challenge_method", Some("plain"), "invalid_request"),
            ("code_challenge_method", None, "invalid_request"),
            ("code_challenge", None, "invalid_request"),
            ("code_challenge", Some("short"), "invalid_request"),
            ("scope", None, "invalid_scope"),
            ("scope", Some("nonsense"), "invalid_scope"),
            ("scope", Some("notices accesses"), "invalid_scope"),
            ("scope", Some("consents"), "invalid_scope"),
            ("purpose", None, "invalid_request"),
        ] {
            describe(&world, name, value, false).await.problem(400);
            let back = describe(&world, name, value, true).await;
            assert_eq!(back.status, 303, "{name} {value:?}");
            let location = back.header("location");
            assert!(location.starts_with(REDIRECT), "{location}");
            assert_eq!(parameter(location, "error").as_deref(), Some(error), "{name} {value:?}");
            assert!(parameter(location, "iss").is_some() && parameter(location, "code").is_none());
            // What may not be asked cannot be allowed either.
            let mut decision = allow(&["notices"], &[], UNTIL);
            match value {
                Some(value) => decision["request"][name] = json!(value),
                None => drop(decision["request"].as_object_mut().expect("an object").remove(name)),
            }
            let mine = token(&world, world.citizen);
            ask(&world, &mine, None, "POST", "/v1/oauth/authorize", Some(decision)).await.problem(400);
        }
        let url = format!("{}&client_id=bank", address("/v1/oauth/authorize", &asked()));
        world.get(Who::Anyone, &url).await.problem(400);
        world.end().await;
    }
}

#[tokio::test]
async fn a_client_that_is_removed_is_let_in_no_more_and_nobody_takes_its_name() {
    for world in World::both().await {
        let new = json!({"id": "bank", "name": {"ru": "Банк", "en": "Bank"}, "redirect_uris": [REDIRECT]});
        let url = "/v1/oauth/clients";
        let added = world.post(Who::Operator, url, new.clone()).await.expect(201);
        assert_eq!((&added["id"], &added["secret"]), (&json!("bank"), &Value::Null));
        world.post(Who::Operator, url, new.clone()).await.problem(409);
        let listed = world.get(Who::Operator, url).await.expect(200);
        assert_eq!(
            (&listed["items"][0]["redirect_uris"], listed["items"].as_array().expect("items").len()),
            (&json!([REDIRECT]), 1)
        );
        let mine = token(&world, world.citizen);
        let (_, access) = access(&world, &mine, allow(&["notices"], &[], UNTIL)).await;
        let (_, code) = consent(&world, &mine, allow(&["notices"], &[], UNTIL)).await;
        let read = || {
            ask(
                &world,
                access["access_token"].as_str().expect("a token"),
                None,
                "GET",
                "/v1/consented/records",
                None,
            )
        };
        read().await.expect(200);
        world.send(Who::Operator, "DELETE", "/v1/oauth/clients/bank", &[], None).await.expect(204);
        world.send(Who::Operator, "DELETE", "/v1/oauth/clients/bank", &[], None).await.problem(404);
        read().await.problem(403);
        assert_eq!(redeem(&world, &redemption(&code)).await.expect(401)["error"], "invalid_client");
        let refused = refresh(&world, access["refresh_token"].as_str().expect("a token")).await.expect(401);
        assert_eq!(refused["error"], "invalid_client");
        describe(&world, "state", Some("x"), false).await.problem(400);
        world.post(Who::Operator, url, new).await.problem(409);
        world.end().await;
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_is_not_registered() {
    for world in World::both().await {
        let right = json!({"id": "bank", "name": {"ru": "Банк", "en": "Bank"}, "redirect_uris": [REDIRECT], "confidential": true});
        for (pointer, value, at) in [
            ("/redirect_uris/0", json!("http://bank.example/cb"), "/redirect_uris/0"),
            ("/redirect_uris/0", json!("https://bank.example/cb#x"), "/redirect_uris/0"),
            ("/redirect_uris", json!([]), "/redirect_uris"),
            ("/name/en", json!(" "), "/name/en"),
        ] {
            let mut wrong = right.clone();
            *wrong.pointer_mut(pointer).expect("a place") = value;
            let (_, document) = world.post(Who::Operator, "/v1/oauth/clients", wrong).await.problem(400);
            assert_eq!(document["errors"][0]["pointer"], at);
        }
        let mut wrong = right.clone();
        wrong["id"] = json!("Bank!");
        world.post(Who::Operator, "/v1/oauth/clients", wrong).await.problem(400);
        let added = world.post(Who::Operator, "/v1/oauth/clients", right).await.expect(201);
        assert!(added["secret"].as_str().is_some_and(|secret| secret.len() == 43));
        let listed = world.get(Who::Operator, "/v1/oauth/clients").await.expect(200);
        assert_eq!(listed["items"][0].get("secret"), None, "a secret is told once");
        world.end().await;
    }
}

#[tokio::test]
async fn a_third_partys_token_names_its_client_and_consent_and_nobody_else() {
    for world in World::both().await {
        bank(&world, false).await;
        let (given, access) =
            access(&world, &token(&world, world.citizen), allow(&["notices"], &[], UNTIL)).await;
        let token = access["access_token"].as_str().expect("a token");
        let payload = token.split('.').nth(1).expect("a payload");
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(
            (&claims["role"], &claims["client_id"], &claims["consent"]),
            (&json!("third-party"), &json!("bank"), &json!(given))
        );
        assert!(
            !claims.to_string().contains(&world.citizen.to_string()),
            "two clients cannot tell that it is one person"
        );
        // One client's token does not read by a consent given to another.
        let grant = api::auth::ClientGrant {
            client: "clinic".to_owned(),
            consent: given,
            issued_at: world.store.clock().now(),
            expires_at: world.store.clock().now().plus_millis(60_000),
        };
        let others = world.tokens.mint_for_client(grant).await.expect("a token");
        ask(&world, &others, None, "GET", "/v1/consented/records", None).await.problem(403);
        world.end().await;
    }
}

/// Who registers clients, and who decides.
pub fn cases() -> Vec<Case> {
    let operator = |who| match who {
        Who::Operator => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let adding = |who| match who {
        Who::Operator => 400,
        Who::Anyone => 401,
        _ => 403,
    };
    let removing = |who| match who {
        Who::Operator => 404,
        Who::Anyone => 401,
        _ => 403,
    };
    // Nobody is a client here: the form is read, and the client is not known.
    let deciding = |who| match who {
        Who::Citizen | Who::OtherCitizen => 400,
        Who::Anyone => 401,
        _ => 403,
    };
    let clients = "/v1/oauth/clients";
    vec![
        Case::get(clients, clients.to_owned(), operator),
        Case::post(clients, clients.to_owned(), json!({}), adding),
        Case::of("DELETE", "/v1/oauth/clients/{client}", format!("{clients}/nobody"), None, removing),
        Case::post(
            "/v1/oauth/authorize",
            "/v1/oauth/authorize".to_owned(),
            allow(&["notices"], &[], UNTIL),
            deciding,
        ),
    ]
}
