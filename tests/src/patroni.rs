//! A PostgreSQL of three nodes under Patroni, with etcd and HAProxy, on free ports of 127.0.0.1: the files of `docs/operators`,
//! in which only addresses, directories and times are replaced.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::postgres::{free_port, is_root, programs, run_as_postgres};
use crate::server::root;

/// Nodes: with synchronous replication made strict, writing needs two, and one may be lost.
const NODES: usize = 3;
/// Bound on each wait, on a busy machine too: a node that was killed recovers for as long as its disk needs.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);
/// Seconds: the lease of a leader, between rounds, and of one call to etcd. `TTL >= LOOP + 2 * RETRY`.
const TIMES: [(&str, &str); 3] =
    [("ttl: 30", "ttl: 5"), ("loop_wait: 10", "loop_wait: 1"), ("retry_timeout: 10", "retry_timeout: 2")];

struct Node {
    name: String,
    rest: u16,
    patroni: Option<Child>,
}

/// The whole of it; stopped when it is dropped.
pub struct Patroni {
    directory: tempfile::TempDir,
    etcd: Child,
    proxy: Child,
    proxy_port: u16,
    nodes: Vec<Node>,
    client: reqwest::Client,
}

impl Patroni {
    /// Starts all and waits until there is a leader with a synchronous standby, which the proxy has found.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(directory.path()).status();
            assert!(owned.expect("chown is there").success());
        }
        let etcd_port = free_port();
        let etcd = etcd(&directory, etcd_port);
        let mut nodes = Vec::new();
        let mut backends = Vec::new();
        for number in 1..=NODES {
            let (name, rest, port) = (format!("node{number}"), free_port(), free_port());
            write_node(&directory, &name, [etcd_port, rest, port]);
            backends.push((
                format!("10.0.0.1{number}:5432 check port 8008"),
                format!("127.0.0.1:{port} check port {rest}"),
            ));
            nodes.push(Node { name, rest, patroni: None });
        }
        let proxy_port = free_port();
        backends.push(("bind 127.0.0.1:5432".to_owned(), format!("bind 127.0.0.1:{proxy_port}")));
        write(&directory, "haproxy.cfg", &replaced("haproxy.cfg", &backends));
        let config = directory.path().join("haproxy.cfg").display().to_string();
        let proxy = spawn(&directory, "haproxy", &["-db", "-f", &config]);
        let mut patroni = Self { directory, etcd, proxy, proxy_port, nodes, client: reqwest::Client::new() };
        for node in 0..NODES {
            patroni.start_node(node);
        }
        patroni.settled(NODES).await;
        patroni
    }

    /// URL of the administrative database, on whichever node leads.
    pub fn url(&self) -> String {
        format!("postgres://postgres:change-me-superuser@127.0.0.1:{}/postgres", self.proxy_port)
    }

    /// Starts the Patroni of a node, as its service manager does.
    pub fn start_node(&mut self, node: usize) {
        let config = self.config(node);
        self.nodes[node].patroni = Some(spawn(&self.directory, "patroni", &[&config]));
    }

    /// Kills a node, as when its machine is lost: its Patroni, and its PostgreSQL.
    pub fn kill_node(&mut self, node: usize) {
        let pidfile = self.data(node).join("postmaster.pid");
        let text = std::fs::read_to_string(pidfile).expect("its PostgreSQL runs");
        let postmaster = text.lines().next().expect("its first line is the process").to_owned();
        let mut patroni = self.nodes[node].patroni.take().expect("it runs");
        let killed = Command::new("kill").args(["-KILL", &patroni.id().to_string(), &postmaster]).status();
        assert!(killed.expect("kill is there").success());
        patroni.wait().expect("it has ended");
    }

    /// Has the leader hand over to a standby, as an operator does before work on its machine.
    pub async fn switch_over(&self) {
        let config = self.config(0);
        let mut command = Command::new("patronictl");
        command.args(["-c", &config, "switchover", "--force", "reestr"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut running = command.spawn().expect("patronictl is there");
        let done = within(async || running.try_wait().expect("it is ours")).await;
        assert!(done.success(), "patronictl switchover: {done}");
    }

    /// The number of the node that leads; waits until one does.
    pub async fn leader(&self) -> usize {
        within(async || {
            let members = self.members().await;
            let leader = members.iter().find(|member| member["role"] == "leader")?;
            self.nodes.iter().position(|node| leader["name"] == node.name.as_str())
        })
        .await
    }

    /// Waits until one of so many members leads, one stands by synchronously, and all are on one timeline, and gives that.
    pub async fn settled(&self, members: usize) -> u64 {
        within(async || {
            let found = self.members().await;
            let timelines: Vec<_> = found.iter().filter_map(|member| member["timeline"].as_u64()).collect();
            let roles = |role: &str| found.iter().filter(|member| member["role"] == role).count();
            let one = timelines.iter().all(|timeline| Some(timeline) == timelines.first());
            let settled = one && timelines.len() == members;
            let ready = settled && roles("leader") == 1 && roles("sync_standby") == 1;
            if ready { timelines.first().copied() } else { None }
        })
        .await
    }

    /// What the log of a node has, for a test that failed or that counts.
    pub fn log(&self, node: usize) -> String {
        std::fs::read_to_string(self.directory.path().join(format!("{}.log", self.nodes[node].name)))
            .unwrap_or_default()
    }

    /// The members as any node that answers sees them.
    async fn members(&self) -> Vec<Value> {
        for node in self.nodes.iter().filter(|node| node.patroni.is_some()) {
            let url = format!("http://127.0.0.1:{}/cluster", node.rest);
            let Ok(answer) = self.client.get(url).send().await else { continue };
            let Ok(text) = answer.text().await else { continue };
            let cluster: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(members) = cluster["members"].as_array() {
                return members.clone();
            }
        }
        Vec::new()
    }

    fn config(&self, node: usize) -> String {
        self.directory.path().join(format!("{}.yml", self.nodes[node].name)).display().to_string()
    }

    fn data(&self, node: usize) -> std::path::PathBuf {
        self.directory.path().join(&self.nodes[node].name)
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(patroni) = &mut node.patroni {
                stop(patroni);
            }
        }
        stop(&mut self.proxy);
        stop(&mut self.etcd);
        for node in 0..NODES {
            let data = self.data(node);
            if data.join("postmaster.pid").exists() {
                let mut command = run_as_postgres(&programs().join("pg_ctl").display().to_string());
                let stop = ["-m", "immediate", "-w", "stop", "-D"];
                command.args(stop).arg(&data).current_dir(self.directory.path());
                // One that was killed has left the file behind: then there is nothing to stop.
                let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
        }
    }
}

/// Asks until there is an answer.
async fn within<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut pace = tokio::time::interval(LOOK);
    let asking = async {
        loop {
            pace.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it comes about in time")
}

fn etcd(directory: &tempfile::TempDir, port: u16) -> Child {
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", free_port()));
    let (data, cluster) = (directory.path().join("etcd").display().to_string(), format!("etcd={peer}"));
    let args = [
        ["--name", "etcd"],
        ["--data-dir", &data],
        ["--listen-client-urls", &client],
        ["--advertise-client-urls", &client],
        ["--listen-peer-urls", &peer],
        ["--initial-advertise-peer-urls", &peer],
        ["--initial-cluster", &cluster],
    ];
    spawn(directory, "etcd", &args.concat())
}

/// The file of one node.
fn write_node(directory: &tempfile::TempDir, name: &str, [etcd, rest, port]: [u16; 3]) {
    let place = directory.path().display();
    let mut changes = vec![
        ("name: node1".to_owned(), format!("name: {name}")),
        ("10.0.0.21:2379,10.0.0.22:2379,10.0.0.23:2379".to_owned(), format!("127.0.0.1:{etcd}")),
        ("10.0.0.11:8008".to_owned(), format!("127.0.0.1:{rest}")),
        ("10.0.0.11:5432".to_owned(), format!("127.0.0.1:{port}")),
        ("/var/lib/postgresql/15/reestr".to_owned(), format!("{place}/{name}")),
        ("/var/lib/postgresql/reestr.pgpass".to_owned(), format!("{place}/{name}.pgpass")),
        ("/usr/lib/postgresql/15/bin".to_owned(), programs().display().to_string()),
        ("/var/run/postgresql".to_owned(), place.to_string()),
        ("10.0.0.0/24".to_owned(), "127.0.0.1/32".to_owned()),
    ];
    changes.extend(TIMES.map(|(from, to)| (from.to_owned(), to.to_owned())));
    write(directory, &format!("{name}.yml"), &replaced("patroni.yml", &changes));
}

/// A file of `docs/operators` with each of these replaced; every one is there.
fn replaced(file: &str, changes: &[(String, String)]) -> String {
    let path = root().join("docs/operators").join(file);
    let mut text = std::fs::read_to_string(&path).expect("the guide's file");
    for (from, to) in changes {
        assert!(text.contains(from), "{}: {from} is not in it", path.display());
        text = text.replace(from, to);
    }
    let left = text.lines().find(|line| line.contains("10.0.0.") && !line.starts_with('#'));
    assert_eq!(left, None, "{}: an address is left", path.display());
    text
}

fn write(directory: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(directory.path().join(name), text).expect("it is written");
}

/// Starts a program as the user that PostgreSQL accepts; what it says goes to a file named after its configuration.
fn spawn(directory: &tempfile::TempDir, program: &str, args: &[&str]) -> Child {
    let last = args.last().and_then(|arg| arg.strip_suffix(".yml"));
    let log = last.map_or(directory.path().join(program), std::path::PathBuf::from).with_extension("log");
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
    let mut command = run_as_postgres(program);
    // A password in the environment would take the place of the files'.
    command.args(args).current_dir(directory.path()).env_remove("PGPASSWORD").stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a log")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn stop(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}
