//! The systems: how each is started, and which settings matter.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Server, free_ports, output};

/// How many members a cluster has.
const MEMBERS: usize = 5;
/// How long a system may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// A system.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum System {
    Kvpaxos,
    Etcd,
    /// A Redis that syncs each write before it answers.
    RedisAlways,
    /// A Redis as it is without a configuration.
    Redis,
}

impl System {
    pub(crate) const ALL: [System; 4] = [System::Kvpaxos, System::Etcd, System::RedisAlways, System::Redis];

    pub(crate) fn name(self) -> &'static str {
        match self {
            System::Kvpaxos => "kvpaxos",
            System::Etcd => "etcd",
            System::RedisAlways => "Redis, appendfsync always",
            System::Redis => "Redis, defaults",
        }
    }

    /// What it promises when it answers.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            System::Kvpaxos => {
                "five replicas, defaults: a write is on the disks of three when it is answered; reads are linearizable"
            }
            System::Etcd => {
                "five members, defaults: a write is on the disks of three when it is answered; reads are linearizable"
            }
            System::RedisAlways => {
                "one server, --appendonly yes --appendfsync always: a write is on its disk when it is answered"
            }
            System::Redis => "one server, defaults: a write is in its memory when it is answered",
        }
    }

    /// Its version, or why it cannot be run.
    pub(crate) fn version(self, program: &Path) -> Result<String, String> {
        let mut command = match self {
            System::Kvpaxos => Command::new(program),
            System::Etcd => Command::new("etcd"),
            System::RedisAlways | System::Redis => Command::new("redis-server"),
        };
        let text = output(command.arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }
}

/// A system that serves. It is stopped, and its data is removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    system: System,
    servers: Vec<Server>,
    endpoints: Vec<String>,
    // Dropped after the servers.
    dir: TempDir,
}

impl Running {
    /// Starts a system, and waits until all of it serves.
    pub(crate) async fn start(system: System, program: &Path, dir: Option<&Path>) -> Result<Running, String> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("kvpaxos-compare-");
        let dir = match dir {
            Some(dir) => builder.tempdir_in(dir),
            None => builder.tempdir(),
        };
        let dir = dir.map_err(|error| format!("cannot make a temporary directory: {error}"))?;
        let mut running = Running {
            system,
            servers: Vec::new(),
            endpoints: Vec::new(),
            dir,
        };
        match system {
            System::Kvpaxos => running.start_kvpaxos(program)?,
            System::Etcd => running.start_etcd()?,
            System::RedisAlways => {
                running.start_redis(&["--appendonly", "yes", "--appendfsync", "always"])?
            }
            System::Redis => running.start_redis(&[])?,
        }
        running.wait(program).await?;
        Ok(running)
    }

    pub(crate) fn system(&self) -> System {
        self.system
    }

    /// Where its data is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Kills a server, by its place among the endpoints, as kill -9 does.
    ///
    /// # Errors
    /// If it has ended before.
    pub(crate) fn kill(&self, place: usize) -> Result<(), String> {
        self.servers[place].kill()
    }

    /// Where it serves clients, `host:port`.
    pub(crate) fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    fn launch(&mut self, name: &str, command: &mut Command) -> Result<(), String> {
        let log = self.dir.path().join(format!("{name}.out"));
        self.servers.push(Server::start(command, &log)?);
        Ok(())
    }

    fn start_kvpaxos(&mut self, program: &Path) -> Result<(), String> {
        let ports = free_ports(2 * MEMBERS)?;
        let (peers, clients) = ports.split_at(MEMBERS);
        let peers: Vec<String> = peers
            .iter()
            .enumerate()
            .map(|(id, port)| format!("{id}=127.0.0.1:{port}"))
            .collect();
        let peers = peers.join(",");
        for (id, port) in clients.iter().enumerate() {
            let data = self.dir.path().join(id.to_string());
            let id = id.to_string();
            output(
                Command::new(program)
                    .args(["format", "--id", &id, "--peers", &peers, "--data"])
                    .arg(&data),
            )?;
            let client = format!("127.0.0.1:{port}");
            let mut serve = Command::new(program);
            serve
                .args([
                    "serve", "--id", &id, "--peers", &peers, "--client", &client, "--data",
                ])
                .arg(&data);
            self.launch(&id, &mut serve)?;
            self.endpoints.push(client);
        }
        Ok(())
    }

    fn start_etcd(&mut self) -> Result<(), String> {
        let ports = free_ports(2 * MEMBERS)?;
        let (peers, clients) = ports.split_at(MEMBERS);
        let members: Vec<String> = peers
            .iter()
            .enumerate()
            .map(|(id, port)| format!("m{id}=http://127.0.0.1:{port}"))
            .collect();
        let members = members.join(",");
        for (id, (peer, port)) in peers.iter().zip(clients).enumerate() {
            let (name, data) = (format!("m{id}"), self.dir.path().join(format!("m{id}")));
            let (peer, client) = (format!("http://127.0.0.1:{peer}"), format!("127.0.0.1:{port}"));
            let url = format!("http://{client}");
            let mut command = Command::new("etcd");
            command.args([
                "--name",
                &name,
                "--initial-cluster",
                &members,
                "--initial-cluster-state",
                "new",
            ]);
            command.args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ]);
            command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
            command.arg("--data-dir").arg(&data);
            self.launch(&name, &mut command)?;
            self.endpoints.push(client);
        }
        Ok(())
    }

    fn start_redis(&mut self, settings: &[&str]) -> Result<(), String> {
        let port = free_ports(1)?[0];
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(settings).arg("--dir").arg(self.dir.path());
        self.launch("redis", &mut command)?;
        self.endpoints.push(format!("127.0.0.1:{port}"));
        Ok(())
    }

    /// Waits until every server serves.
    async fn wait(&mut self, program: &Path) -> Result<(), String> {
        let began = Instant::now();
        loop {
            if let Some(place) = self.servers.iter_mut().position(Server::has_ended) {
                return Err(format!(
                    "server {place} of {} has ended:\n{}",
                    self.system.name(),
                    self.logs()
                ));
            }
            let serves = match self.system {
                System::Etcd => crate::etcd::serves(&self.endpoints).await,
                _ => self.is_served(program),
            };
            match serves {
                Ok(()) => return Ok(()),
                Err(why) if began.elapsed() > PATIENCE => {
                    return Err(format!(
                        "{} does not serve: {why}\n{}",
                        self.system.name(),
                        self.logs()
                    ));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn is_served(&self, program: &Path) -> Result<(), String> {
        let mut command = Command::new(program);
        if self.system == System::Kvpaxos {
            command.args([
                "status",
                "--servers",
                &self.endpoints.join(","),
                "--timeout",
                "1s",
            ]);
        } else {
            // One request, and half a moment of load.
            let target = format!("redis=redis://{}", self.endpoints[0]);
            command.args([
                "bench",
                "--targets",
                &target,
                "--reads",
                "100",
                "--clients",
                "1",
                "--seconds",
                "1",
            ]);
            command.args(["--warm-up", "0", "--timeout", "1s"]);
        }
        output(&mut command).map(drop)
    }

    /// The last lines of what the servers have printed.
    fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "out")
            {
                let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(5)..];
                text += &format!("{}:\n{}\n", entry.file_name().to_string_lossy(), last.join("\n"));
            }
        }
        text
    }
}
