//! A register whose checkpoints are signed by a PKCS#11 device: SoftHSM, which `tests/run` installs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proofs::key::PrivateKey;
use proofs::note::VerifierKey;
use reestr_tests::server::{Server, run_with, tokens};
use reestr_tests::store::{BOTH, Store};
use serde_json::Value;

use crate::shared::{REGISTER, append, audit, demo_args, entry};

const PIN: &str = "48151623";
/// An Ed25519 key in PKCS#8 (RFC 8410) is this, and then its seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const REGISTER_SEED: [u8; 32] = [0x2a; 32];
const DEPARTMENT_SEED: [u8; 32] = [0x2b; 32];

/// Where Debian puts the module.
fn module() -> &'static str {
    let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
    places
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("SoftHSM: run bash tests/run, which installs it")
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A device of the test's own, with one key.
struct Device {
    directory: tempfile::TempDir,
    settings: String,
}

impl Device {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("tokens")).unwrap();
        let settings = at("softhsm2.conf").display().to_string();
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", at("tokens").display());
        std::fs::write(&settings, text).unwrap();
        write_private(&at("pin"), PIN);
        let device = Self { directory, settings };
        device.tool(&["--init-token", "--free", "--label", "registers", "--so-pin", PIN, "--pin", PIN]);
        device.import("licences", "01", &REGISTER_SEED);
        device.import("gibdd", "02", &DEPARTMENT_SEED);
        device
    }

    fn import(&self, label: &str, id: &str, seed: &[u8; 32]) {
        let (pem, path) = (STANDARD.encode([PKCS8.as_slice(), seed].concat()), self.at("key.pem"));
        write_private(
            path.as_ref(),
            &format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"),
        );
        self.tool(&["--import", &path, "--token", "registers", "--label", label, "--id", id, "--pin", PIN]);
        std::fs::remove_file(path).unwrap();
    }

    fn at(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn environment(&self) -> [(&'static str, &str); 1] {
        [("SOFTHSM2_CONF", &self.settings)]
    }

    fn tool(&self, args: &[&str]) {
        let done = Command::new("softhsm2-util").args(args).envs(self.environment()).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Takes the token out of its slot.
    fn unplug(&self) {
        std::fs::rename(self.at("tokens"), self.at("elsewhere")).unwrap();
        std::fs::create_dir(self.at("tokens")).unwrap();
    }

    fn plug_in(&self) {
        std::fs::remove_dir_all(self.at("tokens")).unwrap();
        std::fs::rename(self.at("elsewhere"), self.at("tokens")).unwrap();
    }
}

/// The settings of a store, and where its device is.
fn set_up(store: &Store, device: &Device) {
    let path = store.data().join("reestr.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    let (module, pin) = (module(), device.at("pin"));
    let settings = format!("{settings}pkcs11_module = {module:?}\npkcs11_pin_file = {pin:?}\n");
    std::fs::write(path, settings).unwrap();
}

async fn verifier(server: &Server) -> VerifierKey {
    let path = format!("/v1/registers/{REGISTER}/key");
    let text = server.request(reqwest::Method::GET, &path).send().await.unwrap().text().await.unwrap();
    text.trim().parse().unwrap()
}

/// Runs a command on the store with the device; gives what it printed.
async fn command(store: &Store, device: &Device, words: &[&str]) -> String {
    let args = store.args();
    let args: Vec<&str> = words.iter().copied().chain(args.iter().map(String::as_str)).collect();
    let done = run_with(&args, &device.environment()).await;
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Appends an entry that the platform signs; gives the key that signed the statement.
async fn signed_by(store: &Store, server: &Server, serial: u64) -> String {
    let token = &tokens(store.data())["department"];
    let (status, answer) =
        append(server, token, &format!("key-{serial}"), &entry(store, serial)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    let path = format!("/v1/registers/{REGISTER}/entries/{}/receipt", answer["index"]);
    let receipt: Value = server.get(&path, Some(token)).await;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let leaf: Value = serde_json::from_slice(&decode(receipt["leaf"].as_str().unwrap())).unwrap();
    let header = leaf["statement"].as_str().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_a_register_goes_away_and_comes_back() {
    for kind in BOTH {
        let (store, device) = (Store::fresh(kind).await, Device::new());
        set_up(&store, &device);
        let attach = ["keys", "attach", "pkcs11:token=registers;object=licences", "--register", REGISTER];
        wrong_pin(&store, &device, &attach).await;
        let attached = command(&store, &device, &attach).await;

        let server = Server::start_with("demo", &demo_args(&store), &device.environment()).await;
        let key = verifier(&server).await;
        assert_eq!(attached, key.to_string());
        assert_eq!(*key.key(), PrivateKey::from_seed(&REGISTER_SEED).public());
        assert_eq!(audit(&server.url, &[]).await.0, 0);

        device.unplug();
        let token = &tokens(store.data())["department"];
        let (status, problem) = append(&server, token, "away", &entry(&store, 600_002)).await.unwrap();
        assert_eq!(
            (status, problem["type"].as_str()),
            (503, Some("/problems/signer-unavailable")),
            "{problem}"
        );
        assert!(!problem.to_string().contains(PIN));
        // What needs no signature of the device goes on, reading in office with its entries in `accesses` too.
        let page: Value = server.get(&format!("/v1/registers/{REGISTER}/entries?limit=5"), Some(token)).await;
        assert_eq!(page["items"].as_array().unwrap().len(), 5);
        assert_eq!(audit(&server.url, &[]).await.0, 0);

        device.plug_in();
        let (status, answer) = append(&server, token, "away", &entry(&store, 600_002)).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        statements_too(&store, &device, &server).await;
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!(code, 0, "{report}");
        let said = server.stop().await;
        assert!(said.contains("cannot be signed") && !said.contains(PIN), "{said}");
    }
}

/// A wrong PIN is given once, is not shown, and attaches nothing.
async fn wrong_pin(store: &Store, device: &Device, attach: &[&str]) {
    write_private(device.at("pin").as_ref(), "31415926");
    let args = store.args();
    let args: Vec<&str> = attach.iter().copied().chain(args.iter().map(String::as_str)).collect();
    let refused = run_with(&args, &device.environment()).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("refused the PIN"), "{said}");
    assert!(!said.contains("31415926"), "{said}");
    write_private(device.at("pin").as_ref(), PIN);
}

/// A department's key on the device: attached, enrolled, and used for what the platform signs for it.
async fn statements_too(store: &Store, device: &Device, server: &Server) {
    let kid = PrivateKey::from_seed(&DEPARTMENT_SEED).kid().to_string();
    assert_ne!(signed_by(store, server, 600_003).await, kid);
    let jwk =
        command(store, device, &["keys", "attach", "pkcs11:id=%02;token=registers", "--department", "gibdd"])
            .await;
    // Attached is not enrolled: the key before still signs.
    assert_ne!(signed_by(store, server, 600_004).await, kid);
    let file = device.at("gibdd.jwk");
    std::fs::write(&file, jwk).unwrap();
    command(store, device, &["keys", "enrol", &file, "--department", "gibdd"]).await;
    assert_eq!(signed_by(store, server, 600_005).await, kid);
    let listed = command(store, device, &["keys", "list"]).await;
    assert!(listed.lines().any(|line| line.contains(&kid) && line.contains("on a device")), "{listed}");
}
