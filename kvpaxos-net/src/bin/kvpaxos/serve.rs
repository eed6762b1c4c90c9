//! `kvpaxos serve`: one replica as a process.

use std::sync::Arc;
use std::time::Duration;

use kvpaxos::status::AcceptorStatus;
use kvpaxos_net::failures::{self, Chaos, ChaosError, ChaosRules};
use kvpaxos_net::{
    MemoryLocation, Node, NodeHandle, NodeOptions, RecordOptions, Security, Sockets, StartError,
};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::{MemberArguments, ServeArguments};
use crate::data::with_advice;
use crate::exit::Exit;
use crate::logging::Log;
use crate::signal::{StopSignal, reopen_on_signal};
use crate::terminal::{complain, say};

pub(crate) fn run(arguments: ServeArguments, runtime: &Runtime, log: Log) -> Result<Exit, String> {
    let log = Arc::new(log);
    runtime.block_on(async { serve(arguments, &log).await })
}

async fn serve(arguments: ServeArguments, log: &Arc<Log>) -> Result<Exit, String> {
    // First of all, so that no signal is missed while the replica starts.
    let signal = StopSignal::listen().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let security = match arguments.security.security(arguments.identity.id) {
        Ok(security) => security,
        Err(error) => {
            complain(error);
            return Ok(Exit::Usage);
        }
    };
    let chaos = arguments.chaos.chaos();
    let chaos = chaos.map_err(|error| format!("the system gives no random bits: {error}"))?;
    if let Some(error) = chaos
        .as_ref()
        .and_then(|chaos| check_chaos(chaos, &arguments).err())
    {
        complain(format_args!("--chaos: {error}"));
        return Ok(Exit::Usage);
    }
    let tls = security.tls.clone();
    if log.is_file() || tls.is_some() {
        reopen_on_signal(Arc::clone(log), tls);
    }
    let mut node = match start(&arguments, security).await {
        Ok(node) => node,
        Err(error) => {
            let text = match &arguments.data {
                Some(data) => {
                    let (identity, data) = (arguments.identity.clone(), data.clone());
                    with_advice(&error, &MemberArguments { identity, data })
                }
                None => error.to_string(),
            };
            complain(text);
            return Ok(Exit::from(&error));
        }
    };
    announce(&node);
    let disturber = chaos.map(|chaos| Disturber::start(chaos, node.handle()));
    let reports = tokio::spawn(report_recovery(node.handle(), arguments.memory_only));
    let result = tokio::select! {
        result = node.wait() => result,
        name = signal.wait() => {
            if let Some(disturber) = disturber {
                disturber.stop().await;
            }
            tracing::info!(signal = name, "the replica stops: it syncs what it has written, and closes its connections");
            node.stop().await
        }
    };
    reports.abort();
    match result {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            tracing::error!(%error, "the replica has stopped");
            complain(&error);
            Ok(Exit::from(&error))
        }
    }
}

/// Whether what is to be disturbed makes sense for this replica.
fn check_chaos(chaos: &Chaos, arguments: &ServeArguments) -> Result<(), ChaosError> {
    let options = options(arguments);
    match options.cluster.config(options.id) {
        Ok(config) => chaos.check(&config, arguments.data.is_some()),
        // The replica does not start, and says why.
        Err(_) => Ok(()),
    }
}

fn options(arguments: &ServeArguments) -> NodeOptions {
    let memory = match &arguments.data {
        Some(data) => MemoryLocation::Directory(data.clone()),
        None => MemoryLocation::Process {
            new_cluster: arguments.new_cluster,
        },
    };
    let mut options = arguments.identity.options(memory);
    if let Some(bytes) = arguments.log_bytes {
        options.cluster.limits.log_bytes = bytes;
    }
    options.record = arguments.record.as_ref().map(|directory| RecordOptions {
        directory: directory.clone(),
        bytes: arguments.record_bytes.unwrap_or(RecordOptions::BYTES),
    });
    options
}

async fn start(arguments: &ServeArguments, security: Security) -> Result<Node, StartError> {
    let mut options = options(arguments);
    options.security = security;
    options.cluster.config(options.id)?;
    let own = options.cluster.peers.address(options.id);
    let own = own.expect("the configuration was checked, so the replica is in the list");
    let listen = arguments.listen.as_deref().unwrap_or(own);
    let mut sockets = Sockets::bind(listen, &arguments.client, arguments.udp.as_deref()).await?;
    if let Some(http) = &arguments.http {
        sockets = sockets.with_http(http).await?;
    }
    if let Some(address) = &arguments.redis {
        sockets = sockets.with_redis(address).await?;
    }
    Node::start(options, sockets)
}

/// Prints one line once the ports are open, so that the process that started this one can wait for it.
fn announce(node: &Node) {
    let id = node.handle().id();
    let mut line = format!("ready {id}");
    let addresses = [
        ("peers", node.peer_address()),
        ("client", node.client_address()),
        ("udp", node.udp_address()),
        ("http", node.http_address()),
        ("redis", node.redis_address()),
    ];
    for (what, address) in addresses {
        if let Some(address) = address {
            line += &format!(" {what}={address}");
        }
    }
    tracing::info!(replica = %id, "{line}");
    say!("{line}");
}

/// After this long without memory, a replica says what it waits for.
const FIRST_REPORT: Duration = Duration::from_secs(5);
/// And again after each further such time.
const REMINDER: Duration = Duration::from_secs(60);

/// Tells the operator why the replica does not get back its memory, and what to do.
async fn report_recovery(node: NodeHandle, memory_only: bool) {
    tokio::time::sleep(FIRST_REPORT).await;
    while let Some(status) = node.status().await {
        if let AcceptorStatus::Recovering { unanswered, .. } = status.acceptor {
            let needed = status.members.len() - node.spare_memories();
            let mut text = format!(
                "{} has lost its memory and waits: {needed} others must have theirs, and answer",
                status.id
            );
            for (replicas, what) in [
                (unanswered, "no answer yet from"),
                (status.silent, "silent:"),
                (status.lost, "without memory:"),
            ] {
                if !replicas.is_empty() {
                    text += &format!("; {what} {replicas}");
                }
            }
            text += ". Start the replicas that are not running";
            if memory_only {
                text += ". If the cluster is new and nothing was ever stored in it, stop all its replicas and start each \
                         with --new-cluster. If too many replicas have lost their memory, what was stored is lost, and \
                         this is the only way out as well";
            }
            complain(&text);
            tracing::warn!(replica = %status.id, "{text}");
            tokio::time::sleep(REMINDER).await;
        }
        tokio::time::sleep(FIRST_REPORT).await;
    }
}

/// How long a disturbance may take to end when the replica is to stop. One that takes longer is cut short, and
/// the replica stays on the roster until it starts again.
const END_OF_CHAOS: Duration = Duration::from_secs(1);

/// The task that disturbs the replica on purpose.
struct Disturber {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Disturber {
    fn start(chaos: Chaos, node: NodeHandle) -> Disturber {
        let rules = ChaosRules(chaos.rules.clone());
        tracing::warn!(
            replica = %node.id(), %rules, seed = chaos.seed, may_lose_data = chaos.may_lose_data,
            "this replica will be disturbed on purpose (--chaos; --chaos-seed repeats the choice)"
        );
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // If the other end is gone, the process ends.
            let _ = stopped.await;
        };
        // The replica logs each disturbance itself.
        let task = tokio::spawn(failures::run(chaos, node, stopped, |_| {}));
        Disturber { task, stop }
    }

    /// Lets the replica recover from what disturbs it.
    async fn stop(mut self) {
        // The task may have ended with the replica.
        let _ = self.stop.send(());
        if tokio::time::timeout(END_OF_CHAOS, &mut self.task).await.is_err() {
            tracing::warn!("a disturbance on purpose does not end in time; the replica stops with it");
            self.task.abort();
        }
    }
}
