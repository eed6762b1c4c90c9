//! Replicas as processes of this program, on loopback ports.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kvpaxos::Status;
use kvpaxos::status::AcceptorStatus;
use kvpaxos_net::{Client, ClientOptions};

use crate::configuration;

/// How long a replica may take to answer a request for its status.
const STATUS: Duration = Duration::from_millis(500);
/// How often replicas are asked for their status.
const POLL: Duration = Duration::from_millis(20);
/// How many lines of the log of a replica that failed are shown.
const LINES: usize = 15;

/// The replicas of a cluster as processes. They are killed when this is dropped.
pub(crate) struct Processes {
    program: PathBuf,
    dir: PathBuf,
    peers: Vec<u16>,
    clients: Vec<u16>,
    extra: Vec<String>,
    memory_only: bool,
    processes: Vec<Option<Child>>,
    /// For each replica, a client that asks only that one.
    status_clients: Vec<Client>,
}

impl Processes {
    /// This many replicas, with their data in this directory. None is started yet.
    pub(crate) fn new(
        replicas: usize,
        dir: &Path,
        memory_only: bool,
        extra: Vec<String>,
    ) -> Result<Processes, String> {
        let program = std::env::current_exe()
            .map_err(|error| format!("the system does not say where this program is: {error}"))?;
        let ports = free_ports(2 * replicas)?;
        let (peers, clients) = ports.split_at(replicas);
        let ask = |port: &u16| {
            let options = ClientOptions {
                deadline: STATUS,
                ..ClientOptions::new([format!("127.0.0.1:{port}")])
            };
            Client::new(options).map_err(|error| error.to_string())
        };
        Ok(Processes {
            program,
            dir: dir.to_owned(),
            status_clients: clients.iter().map(ask).collect::<Result<_, _>>()?,
            peers: peers.to_vec(),
            clients: clients.to_vec(),
            extra,
            memory_only,
            processes: (0..replicas).map(|_| None).collect(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.processes.len()
    }

    /// The address of each replica for clients, for TCP and for UDP.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.clients
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect()
    }

    /// The data directory of a replica.
    pub(crate) fn data(&self, replica: usize) -> PathBuf {
        self.dir.join(format!("r{replica}"))
    }

    /// The process id of a replica; `None` if it is not running.
    #[cfg(unix)]
    pub(crate) fn process(&self, replica: usize) -> Option<u32> {
        self.processes[replica].as_ref().map(Child::id)
    }

    /// Formats all directories, and starts all replicas.
    pub(crate) fn found(&mut self) -> Result<(), String> {
        for replica in 0..self.len() {
            if self.memory_only {
                self.spawn(replica, &["--new-cluster"])?;
            } else {
                self.run("format", replica)?;
                self.start(replica)?;
            }
        }
        Ok(())
    }

    /// Runs `kvpaxos format` or `kvpaxos recover` for a replica.
    pub(crate) fn run(&self, command: &str, replica: usize) -> Result<(), String> {
        let output = configuration::process(&self.program)
            .arg(command)
            .args(self.member(replica))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("kvpaxos {command} does not start: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "kvpaxos {command} of r{replica} failed: {}",
            errors.trim()
        ))
    }

    fn member(&self, replica: usize) -> Vec<String> {
        let peers: Vec<String> = (0..)
            .zip(&self.peers)
            .map(|(id, port): (usize, &u16)| format!("{id}=127.0.0.1:{port}"))
            .collect();
        let mut arguments = vec![
            "--id".to_owned(),
            replica.to_string(),
            "--peers".to_owned(),
            peers.join(","),
        ];
        if !self.memory_only {
            arguments.extend(["--data".to_owned(), self.data(replica).display().to_string()]);
        }
        arguments
    }

    /// Starts a replica that is not running.
    pub(crate) fn start(&mut self, replica: usize) -> Result<(), String> {
        self.spawn(replica, &[])
    }

    fn spawn(&mut self, replica: usize, more: &[&str]) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("r{replica} does not start: {error}");
        let errors = File::options()
            .create(true)
            .append(true)
            .open(self.errors(replica))
            .map_err(failed)?;
        let address = format!("127.0.0.1:{}", self.clients[replica]);
        let mut command = configuration::process(&self.program);
        command
            .arg("serve")
            .args(self.member(replica))
            .args(["--client", &address, "--udp", &address, "--log-file"])
            .arg(self.log(replica))
            .args(&self.extra)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        if self.memory_only {
            command.arg("--memory-only");
        }
        self.processes[replica] = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Kills the process of a replica with SIGKILL, so that it cannot do anything more.
    pub(crate) fn kill(&mut self, replica: usize) -> Result<(), String> {
        self.check()?;
        if let Some(mut child) = self.processes[replica].take() {
            let killed = child.kill().and_then(|()| child.wait().map(drop));
            killed.map_err(|error| format!("r{replica} cannot be killed: {error}"))?;
        }
        Ok(())
    }

    /// Checks that no process has stopped by itself.
    ///
    /// # Errors
    /// The replica that has, its exit status, and the end of its log.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        for replica in 0..self.len() {
            let Some(child) = &mut self.processes[replica] else {
                continue;
            };
            let ended = child
                .try_wait()
                .map_err(|error| format!("the system does not tell whether r{replica} runs: {error}"))?;
            if let Some(status) = ended {
                self.processes[replica] = None;
                return Err(format!(
                    "r{replica} stopped by itself ({status})\n{}",
                    self.log_tail(replica)
                ));
            }
        }
        Ok(())
    }

    /// The status of a replica; `None` if it does not answer.
    pub(crate) async fn status(&self, replica: usize) -> Option<Status> {
        self.status_clients[replica].status().await.ok()
    }

    /// Waits until all replicas run and vote, so that none is without memory. Returns how long each of them
    /// took.
    pub(crate) async fn wait_until_voting(&mut self, patience: Duration) -> Result<Vec<Duration>, String> {
        let began = Instant::now();
        let mut took: Vec<Option<Duration>> = vec![None; self.len()];
        loop {
            self.check()?;
            let mut states = Vec::new();
            for (replica, took) in took.iter_mut().enumerate() {
                if took.is_some() {
                    continue;
                }
                let status = self.status(replica).await;
                match status.map(|status| status.acceptor) {
                    Some(AcceptorStatus::Voting { .. }) => *took = Some(began.elapsed()),
                    other => states.push(match other {
                        Some(acceptor) => format!("r{replica}: {acceptor}"),
                        None => format!("r{replica}: no answer"),
                    }),
                }
            }
            if states.is_empty() {
                return Ok(took.into_iter().flatten().collect());
            }
            if began.elapsed() > patience {
                return Err(format!(
                    "not all replicas vote after {} s; {}",
                    patience.as_secs(),
                    states.join(", ")
                ));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops all replicas in order.
    ///
    /// # Errors
    /// If one ends with an error, or one of its threads has panicked.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        self.check()?;
        for replica in 0..self.len() {
            let Some(mut child) = self.processes[replica].take() else {
                continue;
            };
            let failed = |error: std::io::Error| format!("r{replica} cannot be stopped: {error}");
            // The standard library can only send SIGKILL.
            Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status()
                .map_err(failed)?;
            let status = child.wait().map_err(failed)?;
            if !status.success() {
                return Err(format!(
                    "r{replica} was asked to stop and ended with {status}\n{}",
                    self.log_tail(replica)
                ));
            }
        }
        for replica in 0..self.len() {
            let path = self.errors(replica);
            let errors = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if errors.contains("panicked at") {
                return Err(format!("a thread of r{replica} panicked:\n{errors}"));
            }
        }
        Ok(())
    }

    fn log(&self, replica: usize) -> PathBuf {
        self.dir.join(format!("r{replica}.log"))
    }

    fn errors(&self, replica: usize) -> PathBuf {
        self.dir.join(format!("r{replica}.err"))
    }

    /// The last lines of the logs of a replica.
    fn log_tail(&self, replica: usize) -> String {
        let mut tail = String::new();
        for path in [self.log(replica), self.errors(replica)] {
            let text =
                std::fs::read_to_string(&path).unwrap_or_else(|error| format!("cannot be read: {error}"));
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES)..];
            tail += &format!("--- {}\n{}\n", path.display(), last.join("\n"));
        }
        tail
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for mut child in self.processes.iter_mut().filter_map(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Finds free ports below the range that the system uses for outgoing connections, so that a replica that was
/// killed finds its port still free when it is restarted.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    const FIRST: u16 = 10_000;
    const PORTS: u16 = 20_000;
    let start = u16::try_from(std::process::id() % 1009).expect("below 1009") * 19;
    let free = (0..PORTS)
        .map(|step| FIRST + (start + step) % PORTS)
        .filter(|port| {
            let address = ("127.0.0.1", *port);
            TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
        });
    let ports: Vec<u16> = free.take(count).collect();
    if ports.len() == count {
        Ok(ports)
    } else {
        Err(format!(
            "there are not {count} free ports from {FIRST} to {}",
            FIRST + PORTS
        ))
    }
}
