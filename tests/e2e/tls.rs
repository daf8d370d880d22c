//! TLS: the server's own, both versions of HTTP, a certificate replaced while it runs, and our clients with a CA of their own.

use std::path::{Path, PathBuf};

use reestr_tests::server::{Server, run, succeed, tokens};
use reestr_tests::store::{Kind, Store};
use tokio::process::Command;

use crate::shared::{audit, demo};

/// A CA, and certificates of 127.0.0.1 under it.
struct Authority(tempfile::TempDir);

impl Authority {
    async fn new() -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let (key, certificate) = (authority.path("ca.key"), authority.path("ca.pem"));
        authority
            .openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=Sample CA",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-keyout",
                &key,
                "-out",
                &certificate,
            ])
            .await;
        authority
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A certificate with its key in PEM.
    async fn certificate(&self, name: &str, days: &str) -> (PathBuf, PathBuf) {
        let (key, request, certificate) =
            (self.path(&format!("{name}.key")), self.path("request"), self.path(&format!("{name}.pem")));
        std::fs::write(self.path("extensions"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=sample",
            "-keyout",
            &key,
            "-out",
            &request,
        ])
        .await;
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &self.path("ca.pem"),
            "-CAkey",
            &self.path("ca.key"),
            "-days",
            days,
            "-extfile",
            &self.path("extensions"),
            "-out",
            &certificate,
        ])
        .await;
        (certificate.into(), key.into())
    }

    async fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).output().await.expect("openssl is there");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Writes the settings of a store that is served with this certificate.
fn settings(store: &Store, certificate: &Path, key: &Path) {
    let file = store.data().join("reestr.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let before: Vec<_> = before.lines().filter(|line| !line.starts_with("tls_")).collect();
    let (certificate, key) = (certificate.display(), key.display());
    let lines = format!("{}\ntls_certificate = '{certificate}'\ntls_key = '{key}'\n", before.join("\n"));
    std::fs::write(file, lines).unwrap();
}

fn client(authority: &Authority, http1: bool) -> reqwest::Client {
    let ca = std::fs::read(authority.path("ca.pem")).unwrap();
    let builder = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
        .pool_max_idle_per_host(0)
        .tls_info(true);
    if http1 { builder.http1_only() } else { builder }.build().unwrap()
}

/// The certificate that a new connection is shown, in DER.
async fn shown(authority: &Authority, url: &str) -> Vec<u8> {
    let answer = client(authority, true).get(format!("{url}/health/live")).send().await.unwrap();
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>().expect("it is TLS");
    info.peer_certificate().expect("a certificate").to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_served_and_audited_over_tls() {
    let authority = Authority::new().await;
    let (certificate, key) = authority.certificate("first", "10").await;
    let store = Store::fresh(Kind::Sqlite).await;
    settings(&store, &certificate, &key);
    let server = demo(&store).await;
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);

    for (http1, version) in [(true, reqwest::Version::HTTP_11), (false, reqwest::Version::HTTP_2)] {
        let answer =
            client(&authority, http1).get(format!("{}/health/ready", server.url)).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (version, 200));
    }
    let plain = server.url.replace("https://", "http://");
    assert!(reqwest::get(format!("{plain}/health/live")).await.is_err(), "nothing is said in the clear");

    // Ours take the word of the CA that they are told of, and of no other.
    let ca = authority.path("ca.pem");
    let (code, report) = audit(&server.url, &["--ca", &ca]).await;
    assert_eq!((code, report["verified"].as_bool()), (0, Some(true)), "{report}");
    assert_eq!(audit(&server.url, &[]).await.0, 2, "it could not be checked");
    let feed = succeed(&["feed", "--url", &server.url, "--ca", &ca]).await;
    assert!(feed.lines().count() > 10, "{feed}");
    let place = tempfile::tempdir().unwrap();
    let add = ["witness", "add", "--data", place.path().to_str().unwrap(), "--url", &server.url];
    let stranger = run(&add).await;
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(!stranger.status.success() && said.contains("certificate"), "{said}");
    let said = succeed(&[&add[..], &["--ca", &ca]].concat()).await;
    assert!(said.contains("logs are trusted"), "{said}");
    let nobody = run(&[&add[..4], &["--keys", &ca, "--ca", &ca]].concat()).await;
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(!nobody.status.success() && said.contains("name it with --url"), "{said}");
    let refused = run(&["feed", "--url", &server.url, "--ca", key.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("there is none"), "{said}");
    let tokens = tokens(store.data());
    let answer = client(&authority, false)
        .get(format!("{}/v1/account", server.url))
        .bearer_auth(&tokens["citizen"])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);

    renewed(&authority, &server, &certificate, &key).await;
    server.stop().await;
}

/// A new certificate is shown to who connects after the files changed; a wrong one to nobody.
async fn renewed(authority: &Authority, server: &Server, certificate: &Path, key: &Path) {
    let before = shown(authority, &server.url).await;
    let (new, new_key) = authority.certificate("second", "20").await;
    // The key is not replaced yet: the two do not fit.
    std::fs::copy(&new, certificate).unwrap();
    server.hang_up().await;
    assert_eq!(shown(authority, &server.url).await, before);
    std::fs::copy(&new_key, key).unwrap();
    server.hang_up().await;
    let mut tries = 0;
    while shown(authority, &server.url).await == before {
        tries += 1;
        assert!(tries < 10_000, "the new certificate is not taken");
    }
    let metrics = client(authority, true).get(format!("{}/metrics", server.url)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("reestr_tls_certificate_ends_seconds "));
    let ends: i64 = line.expect("it is measured").parse().unwrap();
    let days = Command::new("date").arg("+%s").output().await.unwrap();
    let now: i64 = String::from_utf8(days.stdout).unwrap().trim().parse().unwrap();
    assert_eq!((ends - now + 3_600) / 86_400, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_said_at_start() {
    let authority = Authority::new().await;
    let (certificate, key) = authority.certificate("one", "1").await;
    let (_, other_key) = authority.certificate("other", "1").await;
    let store = Store::fresh(Kind::Sqlite).await;
    let missing = store.data().join("missing.pem");
    for (certificate, key, said) in [
        (&certificate, &other_key, "the key cannot be used with the certificate"),
        (&key, &key, "has no certificate in PEM"),
        (&certificate, &certificate, "has no private key in PEM"),
        (&missing, &key, "cannot read"),
    ] {
        settings(&store, certificate, key);
        let refused = Server::try_start("serve", &store.args()).await.err().expect("it does not start");
        assert!(refused.contains(said), "{refused}");
    }
    settings(&store, &certificate, &key);
    let server = Server::start("serve", &store.args()).await;
    let log = server.stop().await;
    assert!(log.contains("the certificate ends soon"), "{log}");
}
