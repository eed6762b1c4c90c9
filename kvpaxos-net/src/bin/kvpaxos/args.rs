//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kvpaxos::{ReplicaId, Role};
use kvpaxos_net::{Bounds, Cluster, KeptIn, NodeOptions, Peers};

use crate::exit;
#[cfg(unix)]
use crate::growth::GrowthArguments;
use crate::soak::SoakArguments;

/// A linearizable key-value store, replicated by Multi-Paxos.
#[derive(Parser, Debug)]
#[command(name = "kvpaxos", version, after_help = exit::TABLE, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start five replicas in this process, show what they do while acceptors fail, and give a prompt.
    Demo(DemoArguments),
    /// Prepare a data directory for a replica that is new. Once for each replica of a new cluster.
    Format(MemberArguments),
    /// Run one replica of a cluster, on a data directory that was formatted.
    Serve(ServeArguments),
    /// Prepare a data directory for a replica that is not new, and whose disk is gone: it gets back from the others what counts.
    Recover {
        #[command(flatten)]
        member: MemberArguments,
        /// Even if there is a log that is whole: it is set aside, and the replica forgets what is in it.
        #[arg(long)]
        discard: bool,
    },
    /// Look at write-ahead logs.
    #[command(subcommand)]
    Log(LogCommand),
    /// A prompt against a running cluster.
    Client(ServerArguments),
    /// Print the value of a key.
    Get {
        /// The key.
        key: String,
        /// Do not print a newline after the value.
        #[arg(long)]
        raw: bool,
        #[command(flatten)]
        servers: ServerArguments,
    },
    /// Set a key, and print the revision of the write.
    Put {
        /// The key.
        key: String,
        /// The value; `-` reads it from standard input, all of it. What else begins with a hyphen goes after `--`.
        #[arg(allow_negative_numbers = true)]
        value: String,
        #[command(flatten)]
        servers: ServerArguments,
    },
    /// Remove a key, and print the revision of the write.
    #[command(visible_alias = "del")]
    Delete {
        /// The key.
        key: String,
        #[command(flatten)]
        servers: ServerArguments,
    },
    /// Compare and swap: set a key to NEW if it holds OLD.
    ///
    /// With --absent, leave OLD out: the key must have no value. With --remove, leave NEW out: the key is removed.
    Cas {
        /// The key.
        key: String,
        /// OLD and NEW, unless --absent or --remove stands for one; `-` reads one of them from standard input.
        #[arg(allow_negative_numbers = true, num_args = 0..=2, value_names = ["OLD", "NEW"])]
        values: Vec<String>,
        /// Swap only if the key has no value.
        #[arg(long)]
        absent: bool,
        /// Remove the key rather than set it.
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        servers: ServerArguments,
    },
    /// Print what each of the replicas knows of itself and its peers, a line each.
    Status(ServerArguments),
    /// Put load on a running cluster and print what it bears.
    Bench(BenchArguments),
    /// Run a cluster of processes under load, kill them and damage their disks, round after round: nothing that was acknowledged
    /// may be lost.
    Soak(SoakArguments),
    /// Write millions of times over the same keys, and print what the replicas take of memory and disk on the way.
    #[cfg(unix)]
    Growth(GrowthArguments),
}

#[derive(Args, Debug)]
pub(crate) struct LogArguments {
    /// Append the log to this file rather than to standard error.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Logging")]
    pub(crate) log_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug or trace, or a list such as warn,kvpaxos_net::links=debug
    /// [default: info for serve, else warn].
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub(crate) log_level: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArguments {
    /// Keep the replicas' data here rather than in a directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// End after the show.
    #[arg(long)]
    pub(crate) no_prompt: bool,
    /// Draws which acceptors fail when.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Two-phase update instead of majorities: every replica must acknowledge twice. Watch it stall.
    #[arg(long)]
    pub(crate) two_phase: bool,
    /// Let acceptors that fail come back with the memory they had, rather than without.
    #[arg(long)]
    pub(crate) keep_memory: bool,
    /// Keep nothing on disk: what an acceptor forgets it gets back from the others.
    #[arg(long, conflicts_with_all = ["dir", "keep_memory", "two_phase"])]
    pub(crate) memory_only: bool,
}

/// Which replica of which cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct IdentityArguments {
    /// Which replica of the list this is.
    #[arg(long, value_name = "N")]
    pub(crate) id: u8,
    /// All replicas and where they listen to each other: 0=127.0.0.1:7000,1=127.0.0.1:7001,...
    #[arg(long, value_name = "LIST")]
    pub(crate) peers: Peers,
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
    pub(crate) fn options(&self, memory: KeptIn) -> NodeOptions {
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
        self.identity.options(KeptIn::Directory(self.data.clone()))
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

#[derive(Subcommand, Debug)]
pub(crate) enum LogCommand {
    /// Print what the log in a data directory holds, and where and how it is damaged. Changes nothing; the replica may run.
    Inspect {
        /// The data directory, or one that was set aside in it.
        dir: PathBuf,
        /// Print every record, with its segment and its group's position in the log.
        #[arg(long)]
        records: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print from which slot on data directories of one cluster tell different histories. Changes nothing; their replicas must not run.
    ///
    /// A log tells what it knows to be chosen from its last checkpoint on, and behind that what its replica accepted.
    Compare {
        /// Two or more data directories, copies of them, or logs that were set aside in them.
        #[arg(required = true, num_args = 2.., value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Print what stands in every slot from the first difference on, and keys and values in full.
        #[arg(long)]
        rest: bool,
        /// Print one JSON object; keys and values are in full.
        #[arg(long)]
        json: bool,
    },
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

#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Where replicas listen to clients: 127.0.0.1:8000,127.0.0.1:8001,... Any will do; who fails is passed over.
    #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
    pub(crate) servers: Vec<String>,
    /// Ask by datagrams; the list is then of the replicas' UDP addresses.
    #[arg(long)]
    pub(crate) udp: bool,
    /// How long a request may take in all.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long to wait for one replica before asking the next [default: 2500ms, with --udp 500ms].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) attempt: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) servers: ServerArguments,
    /// Clients, each with a session and a connection of its own, spread over the servers.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) clients: usize,
    /// Requests that each client keeps in flight.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) pipeline: usize,
    /// How long to measure; half a second more goes first, unmeasured.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Of 100 requests, so many are reads.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) reads: u8,
    /// Different keys.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) keys: u64,
    /// Bytes of a value.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub(crate) value_size: usize,
}

/// The longest time that makes sense on a command line, in milliseconds: a day.
const LONGEST: u64 = 24 * 60 * 60 * 1000;

/// `250ms`, `2s`, `1m`; a number without a unit is of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time; write it as 250ms, 2s or 1m, of a day at most");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60 * 1000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit) {
        Some(millis) if millis <= LONGEST => Ok(Duration::from_millis(millis)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Arguments::command().debug_assert();
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert!(duration("3 weeks").is_err());
        assert!(duration("99999999999999999m").is_err());
    }

    #[test]
    fn values_may_begin_with_a_hyphen() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        let Ok(Arguments {
            command: Command::Put { value, servers, .. },
            ..
        }) = parse("kvpaxos put k -5 --servers a:1,b:2")
        else {
            panic!("a put");
        };
        assert_eq!((value.as_str(), servers.servers.len()), ("-5", 2));
        assert!(parse("kvpaxos put k - --servers a:1").is_ok());
        assert!(parse("kvpaxos put --servers a:1 -- k --x").is_ok());
        assert!(parse("kvpaxos put k --servers a:1 v").is_ok());
        assert!(parse("kvpaxos cas k --absent new --servers a:1").is_ok());
        assert!(parse("kvpaxos cas k a b --servers a:1").is_ok());
        assert!(
            parse("kvpaxos cas k a b c --servers a:1").is_err(),
            "no three values"
        );
        assert!(parse("kvpaxos get k").is_err(), "no servers");
    }
}
