//! A real browser: headless Chromium, driven by the W3C's WebDriver protocol through its `chromedriver`, all on loopback.

use std::path::Path;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What Chromium is told: no window, none of its calls home, no host but this machine. As root it cannot have a sandbox.
const ARGUMENTS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
/// What chromedriver says when it listens, before the port.
const LISTENING: &str = "started successfully on port ";
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one page.
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    /// Its profile, gone with it.
    _profile: TempDir,
}

impl Browser {
    /// Starts the driver on a free port, and a browser.
    pub async fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A group of its own, so that the browser's many processes end with the driver, whatever happens.
        let mut driver =
            command.process_group(0).kill_on_drop(true).spawn().expect(
                "chromedriver is not there: run `bash tests/run`, which installs what the tests need",
            );
        let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = loop {
            let line = lines.next_line().await.expect("it prints").expect("it says where it listens");
            if let Some((_, port)) = line.split_once(LISTENING) {
                break port.trim_end_matches('.').to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "performance": "ALL" },
        } } });
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            client: reqwest::Client::new(),
            _profile: profile,
        };
        let made = browser.ask(Method::POST, "", wanted).await;
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().expect("a session"));
        browser
    }

    async fn ask(&self, method: Method, command: &str, body: Value) -> Value {
        let mut request = self.client.request(method.clone(), format!("{}{command}", self.session));
        if method == Method::POST {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.expect("the driver answers").json().await.expect("JSON");
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{command}: {value}");
        value
    }

    /// Opens an address, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.ask(Method::POST, "/url", json!({ "url": url })).await;
    }

    /// Runs a script in the page; the last of its arguments is the function to call with the result.
    pub async fn run(&self, script: &str, args: &[Value]) -> Value {
        self.ask(Method::POST, "/execute/async", json!({ "script": script, "args": args })).await
    }

    /// Picks a file in the input that a CSS selector names.
    pub async fn pick(&self, selector: &str, file: &Path) {
        let found =
            self.ask(Method::POST, "/element", json!({ "using": "css selector", "value": selector })).await;
        let element = found[ELEMENT].as_str().expect("an element");
        self.ask(Method::POST, &format!("/element/{element}/value"), json!({ "text": file })).await;
    }

    /// What was asked of any server, or read from any file, since the last time.
    pub async fn requests(&self) -> Vec<String> {
        let log = self.ask(Method::POST, "/se/log", json!({ "type": "performance" })).await;
        let events = log.as_array().expect("a log").iter().filter_map(|entry| entry["message"].as_str());
        let events = events.filter_map(|event| serde_json::from_str::<Value>(event).ok());
        let sent = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| Some(event.pointer("/message/params/request/url")?.as_str()?.to_owned()))
            .collect()
    }

    /// A command of Chromium's own protocol.
    pub async fn devtools(&self, command: &str, params: Value) -> Value {
        self.ask(Method::POST, "/goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    /// Makes the page so many pixels wide, as a telephone does.
    pub async fn width(&self, pixels: u32) {
        let screen = json!({ "width": pixels, "height": 640, "deviceScaleFactor": 1, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Ends the browser, then the driver.
    pub async fn end(self) {
        self.ask(Method::DELETE, "", Value::Null).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(id) = self.driver.id() {
            let group = format!("-{id}");
            drop(std::process::Command::new("kill").args(["-KILL", "--", &group]).status());
        }
    }
}
