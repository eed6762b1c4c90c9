//! `kvpaxos demo`: five replicas in one process, operations while acceptors fail and come back, and a prompt.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvpaxos::ReplicaId;
use kvpaxos::status::ProposerStatus;
use kvpaxos_net::failures::{self, Chaos, ChaosEvent, ChaosRule, RoleChoice, Target, TimeRange};
use kvpaxos_net::{
    Bounds, Client, ClientError, ClientOptions, Cluster, MemoryLocation, Node, NodeOptions, PeerAddresses,
    RedisOptions, RestartMemory, Security, Sockets, StartError,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::{DemoArguments, ServerArguments, ServerList};
use crate::exit::Exit;
use crate::prompt::{self, Prompt};
use crate::signal::Interrupts;
use crate::terminal::{complain, say};

const REPLICAS: u8 = 5;
/// The pause between two operations, so that a person can follow.
const PACE: Duration = Duration::from_millis(180);
const FRUIT: [(&str, &str); 5] = [
    ("apple", "red"),
    ("banana", "yellow"),
    ("cherry", "crimson"),
    ("damson", "blue"),
    ("elderberry", "black"),
];

pub(crate) fn run(arguments: &DemoArguments, runtime: &Runtime) -> Result<Exit, String> {
    let began = Instant::now();
    // Whoever takes it removes it: the end of the demo, or a signal that ends the program.
    let temporary = Arc::new(Mutex::new(None::<TempDir>));
    let remove = {
        let temporary = Arc::clone(&temporary);
        move || {
            let taken = temporary.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(temporary) = taken {
                remove_all(&temporary.keep());
            }
        }
    };
    let _inside = runtime.enter();
    // A signal waits until the replicas have made their directories, so that it removes all of them. None comes before
    // it is listened for: it would end the program, and the directory would stay.
    let mut making = temporary.lock().unwrap_or_else(PoisonError::into_inner);
    let interrupts =
        Interrupts::listen(remove.clone()).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => {
            let made =
                tempfile::tempdir().map_err(|error| format!("cannot make a temporary directory: {error}"))?;
            making.insert(made).path().to_owned()
        }
    };
    let started = runtime.block_on(Demo::start(arguments, &dir, began));
    drop(making);
    let demo = match started {
        Ok(demo) => demo,
        Err((exit, error)) => {
            complain(error);
            return Ok(exit);
        }
    };
    runtime.block_on(demo.show(arguments.seed))?;
    let exit = if arguments.no_prompt {
        Exit::Done
    } else {
        demo.prompt(runtime, interrupts)?
    };
    runtime.block_on(demo.stop())?;
    remove();
    Ok(exit)
}

/// Removes a directory in which replicas may still be writing: a file that they make meanwhile takes another
/// attempt.
fn remove_all(dir: &Path) {
    for _ in 0..100 {
        match std::fs::remove_dir_all(dir) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    complain(format_args!("{} cannot be removed", dir.display()));
}

struct Demo {
    nodes: Vec<Node>,
    /// Where the replicas listen for clients.
    addresses: Vec<String>,
    /// For each replica, a client that asks it first.
    clients: Vec<Client>,
    began: Instant,
    /// The memory with which acceptors come back.
    restart_memory: RestartMemory,
}

impl Demo {
    async fn start(arguments: &DemoArguments, dir: &Path, began: Instant) -> Result<Demo, (Exit, String)> {
        let start_failed = |error: StartError| (Exit::from(&error), error.to_string());
        let failed = |error: String| (Exit::Negative, error);
        let mut sockets = Vec::new();
        for _ in 0..REPLICAS {
            let bound = Sockets::bind("127.0.0.1:0", "127.0.0.1:0", None).await;
            let bound = bound.map_err(start_failed)?.with_redis("127.0.0.1:0").await;
            sockets.push(bound.map_err(start_failed)?);
        }
        let own = |error: io::Error| failed(format!("a socket has no address: {error}"));
        let mut peers = Vec::new();
        let mut addresses = Vec::new();
        for sockets in &sockets {
            peers.push(sockets.peers.local_addr().map_err(own)?);
            addresses.push(sockets.clients.local_addr().map_err(own)?.to_string());
        }
        let peers = PeerAddresses::in_order(peers).map_err(|error| failed(error.to_string()))?;
        let mut cluster = Cluster::new("demo", peers);
        if arguments.two_phase {
            cluster = cluster.two_phase();
        }
        let mut nodes = Vec::new();
        for (id, sockets) in (0..REPLICAS).map(ReplicaId).zip(sockets) {
            let options = NodeOptions {
                id,
                cluster: cluster.clone(),
                memory: if arguments.memory_only {
                    MemoryLocation::Process { new_cluster: true }
                } else {
                    MemoryLocation::Directory(dir.join(id.to_string()))
                },
                bounds: Bounds::default(),
                redis: RedisOptions::default(),
                security: Security::default(),
                record: None,
            };
            let start = || {
                // A directory of an earlier demo is used again.
                if !arguments.memory_only && !options.is_formatted()? {
                    options.format()?;
                }
                Node::start(options, sockets)
            };
            nodes.push(start().map_err(start_failed)?);
        }
        say!(
            "Five replicas run in this process and talk over loopback TCP; {}.",
            if arguments.memory_only {
                "they keep nothing on disk".to_owned()
            } else {
                format!("their logs are in {}", dir.display())
            }
        );
        for (node, address) in nodes.iter().zip(&addresses) {
            let id = node.handle().id();
            match node.redis_address() {
                Some(redis) => say!("  {id} serves clients at {address}, and Redis clients at {redis}"),
                None => say!("  {id} serves clients at {address}"),
            }
        }
        let clients = (0..addresses.len()).map(|first| {
            let options = ClientOptions {
                first: Some(first),
                ..ClientOptions::new(addresses.iter().cloned())
            };
            Client::new(options).map_err(|error| error.to_string())
        });
        let clients = clients.collect::<Result<Vec<Client>, String>>().map_err(failed)?;
        Ok(Demo {
            nodes,
            addresses,
            clients,
            began,
            // In the two-phase setting a lost memory cannot be recovered.
            restart_memory: if arguments.keep_memory || arguments.two_phase {
                RestartMemory::Kept
            } else {
                RestartMemory::Lost
            },
        })
    }

    /// Stores some keys, then puts, gets and deletes through all replicas while acceptors fail.
    async fn show(&self, seed: u64) -> Result<(), String> {
        self.wait_for_leader().await?;
        say!("Some keys are stored, each through a different replica:");
        for (turn, (key, value)) in FRUIT.into_iter().enumerate() {
            self.put(turn, &format!("fruit/{key}"), value).await;
        }
        say!(
            "Now acceptors fail at random and come back{}, at most two of five at a time. Five PUTs, GETs \
             and DELETEs:",
            match self.restart_memory {
                RestartMemory::Kept => "",
                RestartMemory::Lost => " without their memory",
            }
        );
        let (stop, stopped) = watch::channel(false);
        // They see to it themselves that a majority is always up.
        let rule = self.rule();
        let failing: Vec<_> = self
            .nodes
            .iter()
            .map(|node| self.fail_acceptor(node, rule, seed, stopped.clone()))
            .collect();
        for (turn, (key, value)) in FRUIT.into_iter().enumerate() {
            self.put(turn + 1, &format!("colour/{value}"), key).await;
            tokio::time::sleep(PACE).await;
            self.get(turn + 2, &format!("fruit/{key}")).await;
            tokio::time::sleep(PACE).await;
            self.delete(turn + 3, &format!("fruit/{key}")).await;
            tokio::time::sleep(PACE).await;
        }
        // It is no error if all have ended already.
        let _ = stop.send(true);
        for task in failing {
            task.await
                .map_err(|error| format!("the task that makes acceptors fail panicked: {error}"))?;
        }
        say!("All acceptors are back. The keys now:");
        for (turn, (key, value)) in FRUIT.into_iter().enumerate() {
            self.get(turn, &format!("fruit/{key}")).await;
            self.get(turn, &format!("colour/{value}")).await;
        }
        Ok(())
    }

    /// How often acceptors fail, for how long, and with which memory they come back.
    fn rule(&self) -> ChaosRule {
        let (choice, memory) = (RoleChoice::Acceptor, self.restart_memory);
        ChaosRule {
            target: Target::Roles { choice, memory },
            every: TimeRange::between(3 * PACE, 14 * PACE),
            length: TimeRange::between(2 * PACE, 6 * PACE),
        }
    }

    async fn wait_for_leader(&self) -> Result<(), String> {
        for _ in 0..1000 {
            for node in &self.nodes {
                if let Some(status) = node.handle().status().await
                    && let ProposerStatus::Leading { ballot } = status.proposer
                {
                    self.tell(&format!("{} is elected with ballot {ballot}", status.id));
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("no leader was elected within 10 s; --log-level info tells more".to_owned())
    }

    /// Lets the acceptor of a replica fail again and again, while enough others work.
    fn fail_acceptor(
        &self,
        node: &Node,
        rule: ChaosRule,
        seed: u64,
        mut stopped: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let chaos = Chaos {
            rules: vec![rule],
            seed,
            may_lose_data: false,
        };
        let began = self.began;
        let stop = async move {
            // An error means that the show has ended.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        tokio::spawn(failures::run(chaos, node.handle(), stop, move |happened| {
            if let Some(what) = words(&happened) {
                tell(began, &format!("    {what}"));
            }
        }))
    }

    async fn put(&self, turn: usize, key: &str, value: &str) {
        let what = format!("PUT {key} {value:?}");
        self.operation(
            turn,
            &what,
            prompt::put(self.client(turn), key.to_owned(), value.to_owned()),
        )
        .await;
    }

    async fn get(&self, turn: usize, key: &str) {
        let what = format!("GET {key}");
        self.operation(turn, &what, prompt::get(self.client(turn), key.to_owned()))
            .await;
    }

    async fn delete(&self, turn: usize, key: &str) {
        let what = format!("DELETE {key}");
        self.operation(turn, &what, prompt::delete(self.client(turn), key.to_owned()))
            .await;
    }

    fn client(&self, turn: usize) -> &Client {
        &self.clients[turn % self.clients.len()]
    }

    async fn operation(
        &self,
        turn: usize,
        what: &str,
        operation: impl Future<Output = Result<String, ClientError>>,
    ) {
        let began = Instant::now();
        let answer = match operation.await {
            Ok(answer) => answer,
            Err(error) => format!("error: {error}"),
        };
        let replica = turn % self.clients.len();
        let took = began.elapsed().as_secs_f64() * 1e3;
        self.tell(&format!(
            "{what:<28} through r{replica}: {answer}  ({took:.1} ms)"
        ));
    }

    fn tell(&self, what: &str) {
        tell(self.began, what);
    }

    fn prompt(&self, runtime: &Runtime, interrupts: Interrupts) -> Result<Exit, String> {
        let Some(client) = self.clients.first() else {
            return Ok(Exit::Done);
        };
        if io::stdin().is_terminal() {
            say!("The cluster is yours.");
        }
        let prompt = Prompt {
            runtime,
            client: client.clone(),
            servers: ServerArguments::new(ServerList::new(self.addresses.clone())),
            nodes: self.nodes.iter().map(Node::handle).collect(),
            name: None,
            interrupts,
        };
        prompt.run(Exit::Done)
    }

    async fn stop(self) -> Result<(), String> {
        drop(self.clients);
        for node in self.nodes {
            node.stop().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// What the show says of a failure on purpose. That there was no room for one is no news.
fn words(happened: &ChaosEvent) -> Option<String> {
    match happened {
        ChaosEvent::Began(id, _) => Some(format!("the acceptor of {id} fails")),
        ChaosEvent::Ended(id, disturbance) if disturbance.loses_memory() => Some(format!(
            "the acceptor of {id} comes back without its memory, and asks the others"
        )),
        ChaosEvent::Ended(id, _) => Some(format!("the acceptor of {id} comes back with its log")),
        ChaosEvent::Recovered(id, disturbance) if disturbance.loses_memory() => {
            Some(format!("the acceptor of {id} has recovered, and votes"))
        }
        ChaosEvent::Recovered(..) | ChaosEvent::Refused(..) => None,
    }
}

fn tell(began: Instant, what: &str) {
    say!("{:6.2} s  {what}", began.elapsed().as_secs_f64());
}
