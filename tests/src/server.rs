//! The `reestr` binary as a process: started, asked, stopped, killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Nothing that the binary is asked for in a test takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// The root of the clone.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the clone is there")
}

/// The binary under test: built by `tests/run`, beside the test binaries.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test binary knows itself");
    let target = test.parent().and_then(Path::parent).expect("test binaries are in target/PROFILE/deps");
    let binary = target.join("reestr");
    assert!(binary.exists(), "{} is missing: run `bash tests/run`, which builds it", binary.display());
    binary
}

/// Runs a command of the binary to its end, in the root of the clone.
pub async fn run<S: AsRef<str>>(args: &[S]) -> Output {
    run_with(args, &[]).await
}

/// The same, with these variables in its environment.
pub async fn run_with<S: AsRef<str>>(args: &[S], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.envs(environment.iter().copied());
    command.args(args.iter().map(AsRef::as_ref)).current_dir(root()).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("the command ends").expect("it starts")
}

/// Standard output of a command that must succeed.
pub async fn succeed<S: AsRef<str>>(args: &[S]) -> String {
    let output = run(args).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?} ended with {}: {said}", args[0].as_ref(), output.status);
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// A server process.
pub struct Server {
    child: Child,
    /// Base URL, without a trailing slash.
    pub url: String,
    /// What it printed up to the line that says where it listens.
    pub printed: String,
    client: reqwest::Client,
    output: Option<tokio::task::JoinHandle<String>>,
}

impl Server {
    /// Starts `reestr COMMAND …` on a free port and waits until it says that it listens.
    pub async fn start<S: AsRef<str>>(command: &str, args: &[S]) -> Self {
        Self::start_with(command, args, &[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_with<S: AsRef<str>>(command: &str, args: &[S], environment: &[(&str, &str)]) -> Self {
        match Self::launch(command, args, environment).await {
            Ok(server) => server,
            Err(said) => panic!("the server ended before it listened: {said}"),
        }
    }

    /// [`Self::start`], or what a server said that ended before it listened.
    pub async fn try_start<S: AsRef<str>>(command: &str, args: &[S]) -> Result<Self, String> {
        Self::launch(command, args, &[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn try_start_with<S: AsRef<str>>(
        command: &str,
        args: &[S],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        Self::launch(command, args, environment).await
    }

    /// A server that is told by an error, and not killed, when it may not write so far into a file.
    pub async fn start_unsignalled<S: AsRef<str>>(command: &str, args: &[S]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary());
        match Self::launched(shell, command, args, &[]).await {
            Ok(server) => server,
            Err(said) => panic!("the server ended before it listened: {said}"),
        }
    }

    async fn launch<S: AsRef<str>>(
        command: &str,
        args: &[S],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        Self::launched(Command::new(binary()), command, args, environment).await
    }

    async fn launched<S: AsRef<str>>(
        mut program: Command,
        command: &str,
        args: &[S],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut child = program
            .envs(environment.iter().copied())
            .args(command.split(' '))
            .args(["--listen", "127.0.0.1:0"])
            .args(args.iter().map(AsRef::as_ref))
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let errors = child.stderr.take().expect("piped");
        let errors = tokio::spawn(async move {
            let mut lines = BufReader::new(errors).lines();
            let mut text = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut printed = String::new();
        let listening = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                printed.push_str(&line);
                printed.push('\n');
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Some(url.trim_end_matches('/').to_owned());
                }
            }
            None
        })
        .await
        .expect("the server starts in time");
        let Some(url) = listening else {
            return Err(printed + &errors.await.unwrap_or_default());
        };
        // The rest of the output is drained, so that the server never blocks on a full pipe.
        let output = tokio::spawn(async move {
            let mut text = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                text.push_str(&line);
                text.push('\n');
            }
            text.push_str(&errors.await.unwrap_or_default());
            text
        });
        Ok(Self { child, url, printed, client: reqwest::Client::new(), output: Some(output) })
    }

    /// A request to a path of it.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// GET, which must answer 200 with JSON.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Value {
        let mut request = self.request(reqwest::Method::GET, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
            request =
                request.header("purpose", "a test of the server").header("legal-basis", "1-FZ, article 1");
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status();
        let text = response.text().await.expect("a whole answer");
        assert!(status.is_success(), "GET {path}: {status}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Asks it to end (SIGTERM), and gives what it printed after it listened.
    pub async fn stop(mut self) -> String {
        self.signal("-TERM").await;
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("waited");
        assert!(status.success(), "the server did not end cleanly: {status}");
        self.output.take().expect("once").await.unwrap_or_default()
    }

    /// Asks it to end (SIGTERM), and does not wait.
    pub async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Tells it to read its certificate again (SIGHUP).
    pub async fn hang_up(&self) {
        self.signal("-HUP").await;
    }

    /// Its exit code, once it has ended by itself.
    pub async fn ended(mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        ended.expect("waited").code()
    }

    /// Waits until it has ended by itself; gives how, and what it printed after it listened.
    pub async fn died(mut self) -> (std::process::ExitStatus, String) {
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("waited");
        (status, self.output.take().expect("once").await.unwrap_or_default())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal, as in `-STOP`.
    pub async fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.expect("kill is there");
        assert!(sent.success());
    }
}

/// The bearer tokens that a demo wrote.
pub fn tokens(data: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(data.join("tokens.json")).expect("the demo writes tokens.json");
    serde_json::from_str(&text).expect("a flat object of strings")
}
