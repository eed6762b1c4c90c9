//! Clusters of real `kvpaxos serve` processes, on free loopback ports, for tests.

pub(crate) mod load;
pub(crate) mod local;

use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use kvpaxos::Status;
use kvpaxos::status::{LearnerStatus, ProposerStatus};
use kvpaxos_net::inspect::inspect;
use kvpaxos_net::{Client, ClientOptions};
use tempfile::TempDir;

/// The longest time that a test waits for anything. Far more than it takes, for machines that are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program, without the settings of whoever runs the tests.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvpaxos"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KVPAXOS_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program to its end, with something on its standard input.
pub(crate) fn run(arguments: &[impl AsRef<std::ffi::OsStr>], input: impl AsRef<[u8]>) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that does not read its input may close the pipe early.
    let _ = stdin.write_all(input.as_ref());
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code of a program that was not killed.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

/// Runs a one-shot command against these servers.
pub(crate) fn ask(cluster: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = run(
        &[&["--log-level", "error"], arguments, &["--servers", cluster]].concat(),
        input,
    );
    (code(&output), text(&output.stdout), text(&output.stderr))
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// If there is no answer within [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Finds free ports below the range that the system uses for outgoing connections, so that a replica that was
/// killed finds its port still free when it restarts.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 10_000;
    const PORTS: u16 = 20_000;
    let start = u16::try_from(std::process::id() % 401).expect("small") * 49;
    let mut ports = Vec::new();
    while ports.len() < count {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start.wrapping_add(step)) % PORTS;
        let free =
            TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free {
            ports.push(port);
        }
    }
    ports
}

/// The replicas of a cluster as processes. They are killed when this is dropped.
pub(crate) struct ProcessCluster {
    dir: TempDir,
    peers: Vec<u16>,
    clients: Vec<u16>,
    redis: Vec<u16>,
    arguments: Vec<String>,
    processes: Vec<Option<Child>>,
}

impl ProcessCluster {
    /// Starts this many replicas, with these additional arguments.
    pub(crate) fn start(replicas: usize, arguments: &[&str]) -> ProcessCluster {
        let ports = free_ports(3 * replicas);
        let mut cluster = ProcessCluster {
            dir: tempfile::tempdir().expect("a temporary directory"),
            peers: ports[..replicas].to_vec(),
            clients: ports[replicas..2 * replicas].to_vec(),
            redis: ports[2 * replicas..].to_vec(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            processes: (0..replicas).map(|_| None).collect(),
        };
        for replica in 0..replicas {
            cluster.format(replica);
            cluster.restart(replica);
        }
        cluster
    }

    fn format(&self, replica: usize) {
        let output = run(&self.member("format", replica), "");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// A command about a replica's directory, with the flags that say whose it is.
    pub(crate) fn member(&self, command: &str, replica: usize) -> Vec<String> {
        let serve = self.serve(replica);
        let mut arguments = vec![command.to_owned()];
        for pair in serve.windows(2) {
            if ["--id", "--peers", "--data"].contains(&pair[0].as_str()) {
                arguments.extend_from_slice(pair);
            }
        }
        arguments.extend(serve.into_iter().filter(|flag| flag == "--two-phase"));
        arguments
    }

    /// The arguments with which a replica is started.
    pub(crate) fn serve(&self, replica: usize) -> Vec<String> {
        let peers: Vec<String> = self
            .peers
            .iter()
            .enumerate()
            .map(|(id, port)| format!("{id}=127.0.0.1:{port}"))
            .collect();
        let own = [
            "serve",
            "--id",
            &replica.to_string(),
            "--peers",
            &peers.join(","),
            "--client",
            &self.address(replica),
            "--udp",
            &self.address(replica),
            "--redis",
            &format!("127.0.0.1:{}", self.redis[replica]),
            "--data",
            &self.data(replica).display().to_string(),
            "--log-file",
            &self.log(replica).display().to_string(),
        ]
        .map(str::to_owned);
        own.into_iter().chain(self.arguments.clone()).collect()
    }

    pub(crate) fn data(&self, replica: usize) -> PathBuf {
        self.dir.path().join(format!("r{replica}"))
    }

    pub(crate) fn log(&self, replica: usize) -> PathBuf {
        self.dir.path().join(format!("r{replica}.log"))
    }

    pub(crate) fn address(&self, replica: usize) -> String {
        format!("127.0.0.1:{}", self.clients[replica])
    }

    pub(crate) fn peer_address(&self, replica: usize) -> String {
        format!("127.0.0.1:{}", self.peers[replica])
    }

    /// Where a replica serves Redis clients, on loopback.
    pub(crate) fn redis_port(&self, replica: usize) -> u16 {
        self.redis[replica]
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        (0..self.clients.len())
            .map(|replica| self.address(replica))
            .collect()
    }

    /// The addresses of all replicas for clients, as `--servers` takes them.
    pub(crate) fn servers(&self) -> String {
        self.addresses().join(",")
    }

    /// Starts a replica that is not running, and waits until it listens.
    pub(crate) fn restart(&mut self, replica: usize) {
        self.restart_as(replica, program());
    }

    /// Starts it with another command, to which the arguments of the program are added.
    pub(crate) fn restart_as(&mut self, replica: usize, mut command: Command) {
        let errors = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join(format!("r{replica}.err")))
            .expect("a file");
        let child = command
            .args(self.serve(replica))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("a replica starts");
        self.processes[replica] = Some(child);
        let address = self.address(replica);
        wait_for("a replica that listens", || {
            let child = self.processes[replica].as_mut().expect("started");
            let ended = child.try_wait().expect("a process can be asked");
            assert_eq!(ended, None, "r{replica} ended at once");
            TcpStream::connect(&address).ok()
        });
    }

    /// Kills the process with SIGKILL, so that it cannot do anything more.
    pub(crate) fn kill(&mut self, replica: usize) {
        if let Some(mut child) = self.processes[replica].take() {
            child.kill().expect("a process can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Asks the process to stop, and returns its exit code.
    pub(crate) fn terminate(&mut self, replica: usize) -> Option<i32> {
        self.signal(replica, "TERM");
        let mut child = self.processes[replica].take().expect("it runs");
        child.wait().expect("it ends").code()
    }

    /// Sends a signal: `STOP` suspends the process, `CONT` resumes it.
    pub(crate) fn signal(&self, replica: usize, name: &str) {
        let child = self.processes[replica].as_ref().expect("it runs");
        let told = Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .status();
        assert!(told.expect("kill runs").success());
    }

    /// Waits until the process ends by itself, and returns its exit code.
    pub(crate) fn ended(&mut self, replica: usize) -> Option<i32> {
        let mut child = self.processes[replica].take().expect("it runs");
        let status = wait_for("the process to end", || {
            child.try_wait().expect("a process can be asked")
        });
        status.code()
    }

    /// Whether the process is still running.
    pub(crate) fn runs(&mut self, replica: usize) -> bool {
        match &mut self.processes[replica] {
            Some(child) => child.try_wait().expect("a process can be asked").is_none(),
            None => false,
        }
    }

    /// Sets `balance` to old at all replicas, and then to NEW while the last two are down, so that only the
    /// first three know.
    pub(crate) fn write_twice(&mut self) {
        runtime().block_on(async {
            self.leader().await;
            self.patient_client()
                .put("balance", "old")
                .await
                .expect("it is done");
            self.converge().await;
        });
        self.kill(3);
        self.kill(4);
        let put = async {
            let client = self.patient_client_of(&[0, 1, 2]);
            client.put("balance", "NEW").await.expect("it is done");
        };
        runtime().block_on(put);
    }

    /// Waits until these replicas have applied the same slots, and until their logs say that the slots are
    /// chosen.
    pub(crate) fn wait_for_logs(&self, replicas: &[usize]) {
        wait_for("logs that tell what was applied", || {
            let mut all = Vec::new();
            for replica in replicas {
                let LearnerStatus::Learning { applied, .. } =
                    runtime().block_on(self.status(*replica))?.learner
                else {
                    return None;
                };
                all.push(applied);
                all.push(inspect(&self.data(*replica)).ok()?.summary().chosen);
            }
            all.windows(2).all(|pair| pair[0] == pair[1]).then_some(())
        });
    }

    /// Reads `balance` at some of the replicas: the output and the exit code.
    pub(crate) fn get(&self, replicas: &[usize]) -> (Option<i32>, String) {
        let servers: Vec<String> = replicas.iter().map(|id| self.address(*id)).collect();
        let servers = servers.join(",");
        let output = run(&["get", "balance", "--servers", &servers, "--timeout", "3s"], "");
        (output.status.code(), text(&output.stdout))
    }

    pub(crate) fn client(&self) -> Client {
        self.client_of(&(0..self.clients.len()).collect::<Vec<_>>())
    }

    /// A client of these replicas only.
    pub(crate) fn client_of(&self, replicas: &[usize]) -> Client {
        let servers = replicas.iter().map(|replica| self.address(*replica));
        Client::new(ClientOptions::new(servers)).expect("a client")
    }

    /// A client whose deadline is [`PATIENCE`].
    pub(crate) fn patient_client(&self) -> Client {
        self.patient_client_of(&(0..self.clients.len()).collect::<Vec<_>>())
    }

    pub(crate) fn patient_client_of(&self, replicas: &[usize]) -> Client {
        let servers = replicas.iter().map(|replica| self.address(*replica));
        let options = ClientOptions {
            deadline: 4 * PATIENCE,
            ..ClientOptions::new(servers)
        };
        Client::new(options).expect("a client")
    }

    pub(crate) async fn status(&self, replica: usize) -> Option<Status> {
        let options = ClientOptions {
            deadline: Duration::from_millis(500),
            ..ClientOptions::new([self.address(replica)])
        };
        Client::new(options).expect("a client").status().await.ok()
    }

    /// Waits until a replica leads, and returns which.
    pub(crate) async fn leader(&self) -> usize {
        let began = Instant::now();
        loop {
            for replica in 0..self.clients.len() {
                if let Some(status) = self.status(replica).await
                    && matches!(status.proposer, ProposerStatus::Leading { .. })
                {
                    return replica;
                }
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for a leader");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until all replicas have applied the same slots, and checks that their states are equal.
    pub(crate) async fn converge(&self) {
        let began = Instant::now();
        loop {
            let mut states = Vec::new();
            for replica in 0..self.clients.len() {
                states.push(self.status(replica).await.map(|status| status.learner));
            }
            if states.iter().all(|state| state.is_some() && *state == states[0]) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "replicas do not converge: {states:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for ProcessCluster {
    fn drop(&mut self) {
        for replica in 0..self.processes.len() {
            if let Some(mut child) = self.processes[replica].take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        if std::thread::panicking() {
            for replica in 0..self.processes.len() {
                for name in [format!("r{replica}.log"), format!("r{replica}.err")] {
                    let log = std::fs::read_to_string(self.dir.path().join(&name)).unwrap_or_default();
                    let lines: Vec<&str> = log.lines().collect();
                    let last = &lines[lines.len().saturating_sub(15)..];
                    eprintln!("--- {name}\n{}", last.join("\n"));
                }
            }
        }
    }
}

/// A runtime for the clients of a test.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}
