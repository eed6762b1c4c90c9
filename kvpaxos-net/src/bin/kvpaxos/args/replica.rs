//! Arguments of the commands that concern one replica.

use std::path::PathBuf;

use clap::Args;
use kvpaxos::{Entropy, ReplicaId};
use kvpaxos_net::failures::{Chaos, ChaosRule, ChaosRules};
use kvpaxos_net::{Bounds, Cluster, MemoryLocation, NodeOptions, PeerAddresses, RedisOptions, Security};

use crate::args::address::listen_address;
use crate::args::security::SecurityArguments;

/// The cluster, and the replica in it.
#[derive(Args, Clone, Debug)]
pub(crate) struct IdentityArguments {
    /// The id of this replica in the list.
    #[arg(long, value_name = "N")]
    pub(crate) id: u8,
    /// The ids of all replicas, and where they listen for each other: 0=127.0.0.1:7000,1=127.0.0.1:7001,...
    #[arg(long, value_name = "LIST")]
    pub(crate) peers: PeerAddresses,
    /// The name of the cluster. It tells clusters apart that are otherwise alike.
    #[arg(long, value_name = "NAME", default_value = CLUSTER)]
    pub(crate) cluster: String,
    /// Use two-phase update instead of majorities: every replica must acknowledge every update twice, and one
    /// silent replica stops all updates.
    #[arg(long)]
    pub(crate) two_phase: bool,
}

/// A replica of a cluster, and its data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct MemberArguments {
    #[command(flatten)]
    pub(crate) identity: IdentityArguments,
    /// The data directory of the replica. It belongs to this replica for good.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// The default name of a cluster.
pub(crate) const CLUSTER: &str = "kvpaxos";

impl IdentityArguments {
    /// The options of the replica.
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
            redis: RedisOptions::default(),
            security: Security::default(),
            record: None,
        }
    }
}

impl MemberArguments {
    /// The options of the replica.
    pub(crate) fn options(&self) -> NodeOptions {
        self.identity
            .options(MemoryLocation::Directory(self.data.clone()))
    }

    /// These arguments as flags, for a shell.
    pub(crate) fn flags(&self) -> String {
        let identity = &self.identity;
        let data = self.data.display().to_string();
        let mut flags = format!(
            "--id {} --peers {} --data {}",
            identity.id,
            quoted(&identity.peers.to_string()),
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

/// A word for a shell, in quotation marks where it needs them.
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
    /// The data directory of the replica. It belongs to this replica for good, and must have been formatted
    /// for it.
    #[arg(long, value_name = "DIR", required_unless_present = "memory_only")]
    pub(crate) data: Option<PathBuf>,
    /// Keep nothing on disk. Whenever the replica starts it is without memory, and gets it back from the
    /// others. Of five replicas, three must have their memory at any time, or everything is lost.
    #[arg(long, conflicts_with = "data")]
    pub(crate) memory_only: bool,
    /// With --memory-only: the cluster is new, and this replica has never run. Only for its very first start.
    #[arg(long, requires = "memory_only", conflicts_with = "data")]
    pub(crate) new_cluster: bool,
    /// Listen for the other replicas here, if not at the address in the list (for instance at 0.0.0.0:7000
    /// behind a name).
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) listen: Option<String>,
    /// Listen for clients here. Anyone who reaches this port can read and write, unless a password or a
    /// certificate is asked for.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) client: String,
    /// Serve datagrams here too. They are not encrypted, and show no password.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) udp: Option<String>,
    /// Serve metrics for Prometheus (/metrics) and probes (/health, /ready) over HTTP here.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) http: Option<String>,
    /// Serve Redis clients here.
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) redis: Option<String>,
    /// Cut the log after this many bytes of values, or after as many as the state takes if that is more. All
    /// replicas must have the same value, and refuse each other if they have not [default: 64 MiB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) log_bytes: Option<usize>,
    /// Record what the replica takes in, so that `kvpaxos-sim replay --recording DIR` can execute it again. The
    /// recording holds all that clients write. Several replicas may share the directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) record: Option<PathBuf>,
    /// With --record: the most bytes that the recordings of this replica take. The oldest segments are removed to
    /// make room. If its state takes more than a quarter of this, the recording ends there and says so [default:
    /// 1 GiB].
    #[arg(long, value_name = "BYTES", requires = "record")]
    pub(crate) record_bytes: Option<u64>,
    #[command(flatten)]
    pub(crate) security: SecurityArguments,
    #[command(flatten)]
    pub(crate) chaos: ChaosArguments,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Failures on purpose")]
pub(crate) struct ChaosArguments {
    /// Let the replica disturb itself, again and again, by rules with ; between them. A rule names what is
    /// disturbed, and then every=TIMES (from the beginning of one to that of the next), and
    ///
    /// - acceptor, proposer, learner, replica (all three, as in a crash) or all (any of these):
    ///   down=TIMES, memory=lost or memory=kept;
    ///
    /// - link (to one of the others): for=TIMES, one of drop=20%, delay=10ms..50ms or cut, and
    ///   direction=both, out or in.
    ///
    /// TIMES is a time, or a range from which times are drawn. What is left out is every=5s..20s, down=1s..3s,
    /// memory=lost, for=1s..3s, cut and direction=both. The replicas keep a list of those who are disturbed
    /// under the key kvpaxos/chaos, so that a majority always is not.
    #[arg(long, value_name = "RULES")]
    pub(crate) chaos: Vec<ChaosRules>,
    /// The seed of the random choice of what and when [default: a random one, which is logged].
    #[arg(long, value_name = "SEED", requires = "chaos")]
    pub(crate) chaos_seed: Option<u64>,
    /// Do not see to it that a majority is undisturbed. If too many acceptors are without memory at once,
    /// acknowledged writes are lost, and the cluster may refuse to serve for good.
    #[arg(long, requires = "chaos")]
    pub(crate) chaos_may_lose_data: bool,
}

impl ChaosArguments {
    /// These arguments as flags, for the processes of a cluster.
    #[cfg(unix)]
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for rules in &self.chaos {
            flags.extend(["--chaos".to_owned(), rules.to_string()]);
        }
        if let Some(seed) = self.chaos_seed {
            flags.extend(["--chaos-seed".to_owned(), seed.to_string()]);
        }
        if self.chaos_may_lose_data {
            flags.push("--chaos-may-lose-data".to_owned());
        }
        flags
    }

    /// What is to be disturbed, if anything is.
    ///
    /// # Errors
    /// If the system gives no random bits for a seed.
    pub(crate) fn chaos(&self) -> std::io::Result<Option<Chaos>> {
        let rules: Vec<ChaosRule> = self.chaos.iter().flat_map(|rules| rules.0.clone()).collect();
        if rules.is_empty() {
            return Ok(None);
        }
        let seed = match self.chaos_seed {
            Some(seed) => seed,
            None => {
                let Entropy(bits) = kvpaxos_net::entropy()?;
                // Short enough to be typed again.
                u64::from(u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]))
            }
        };
        Ok(Some(Chaos {
            rules,
            seed,
            may_lose_data: self.chaos_may_lose_data,
        }))
    }
}
