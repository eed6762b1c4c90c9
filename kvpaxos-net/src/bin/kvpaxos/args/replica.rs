//! What one replica is started with.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kvpaxos::{ReplicaId, Role};
use kvpaxos_net::{Bounds, Cluster, MemoryLocation, NodeOptions, PeerAddresses};

use crate::args::duration::duration;

/// Which replica of which cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct IdentityArguments {
    /// Which replica of the list this is.
    #[arg(long, value_name = "N")]
    pub(crate) id: u8,
    /// All replicas and where they listen to each other: 0=127.0.0.1:7000,1=127.0.0.1:7001,...
    #[arg(long, value_name = "LIST")]
    pub(crate) peers: PeerAddresses,
    /// Keeps clusters apart that are otherwise alike.
    #[arg(long, value_name = "NAME", default_value = CLUSTER)]
    pub(crate) cluster: String,
    /// Two-phase update instead of majorities: every replica must acknowledge twice, and one silent replica stops all.
    #[arg(long)]
    pub(crate) two_phase: bool,
}

/// Which replica of which cluster, and where it keeps its memory.
#[derive(Args, Clone, Debug)]
pub(crate) struct MemberArguments {
    #[command(flatten)]
    pub(crate) identity: IdentityArguments,
    /// Where the replica keeps its memory. A directory belongs to one replica for good.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// The name of a cluster that was given none.
pub(crate) const CLUSTER: &str = "kvpaxos";

impl IdentityArguments {
    /// What the replica is started with.
    pub(crate) fn options(&self, memory: MemoryLocation) -> NodeOptions {
        let mut cluster = Cluster::new(&self.cluster, self.peers.clone());
        if self.two_phase {
            cluster = cluster.two_phase();
        }
        NodeOptions {
            id: ReplicaId(self.id),
            cluster,
            memory,
            bounds: Bounds::default(),
        }
    }
}

impl MemberArguments {
    /// What the replica is started with.
    pub(crate) fn options(&self) -> NodeOptions {
        self.identity
            .options(MemoryLocation::Directory(self.data.clone()))
    }

    /// The flags that give these arguments, for a shell.
    pub(crate) fn flags(&self) -> String {
        let identity = &self.identity;
        let peers: Vec<String> = identity
            .peers
            .iter()
            .map(|(id, address)| format!("{}={address}", id.0))
            .collect();
        let data = self.data.display().to_string();
        let mut flags = format!(
            "--id {} --peers {} --data {}",
            identity.id,
            quoted(&peers.join(",")),
            quoted(&data)
        );
        if identity.cluster != CLUSTER {
            flags += &format!(" --cluster {}", quoted(&identity.cluster));
        }
        if identity.two_phase {
            flags += " --two-phase";
        }
        flags
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@%+[]".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) identity: IdentityArguments,
    /// Where the replica keeps its memory. A directory belongs to one replica for good, and must have been formatted for it.
    #[arg(long, value_name = "DIR", required_unless_present = "memory_only")]
    pub(crate) data: Option<PathBuf>,
    /// Keep nothing on disk. Whenever it starts, the replica has lost its memory and gets it back from the others: of five, three must
    /// have theirs at any time, or all is lost.
    #[arg(long, conflicts_with = "data")]
    pub(crate) memory_only: bool,
    /// With --memory-only: the cluster is new, and this replica has never run. Only for the very first start.
    #[arg(long, requires = "memory_only")]
    pub(crate) new_cluster: bool,
    /// Listen to the other replicas here, if it is not what the list says (such as 0.0.0.0:7000 behind a name).
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Listen to clients here. Whoever reaches this port can read and write.
    #[arg(long, value_name = "ADDR")]
    pub(crate) client: String,
    /// Serve datagrams here, too.
    #[arg(long, value_name = "ADDR")]
    pub(crate) udp: Option<String>,
    /// Cut the log after so many bytes of values, if the state takes no more than they do. The same at all replicas
    /// [default: 64 MiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) log_bytes: Option<usize>,
    #[command(flatten)]
    pub(crate) failures: FailureArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Failures on purpose")]
pub(crate) struct FailureArguments {
    /// Let these roles fail at random times and come back without their memory: acceptor, proposer, learner. An acceptor does so only
    /// while enough others have theirs, as far as its replica knows; the replicas' clocks must agree to a tenth of a second.
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    pub(crate) fail: Vec<RoleName>,
    /// The mean time between two failures.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) fail_every: Duration,
    /// The mean time a role is down.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) fail_for: Duration,
    /// Let roles that fail come back with the memory they had.
    #[arg(long)]
    pub(crate) keep_memory: bool,
    /// Draws the times and the roles; otherwise drawn from the system and logged.
    #[arg(long, value_name = "SEED")]
    pub(crate) fail_seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum RoleName {
    Proposer,
    Acceptor,
    Learner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::Proposer => Role::Proposer,
            RoleName::Acceptor => Role::Acceptor,
            RoleName::Learner => Role::Learner,
        }
    }
}
