//! The command line.

mod address;
mod bench;
mod cert;
mod client;
#[cfg(unix)]
mod cluster;
mod count;
mod duration;
mod load;
mod replica;
mod request;
mod security;
mod snapshot;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;
pub(crate) use address::ServerList;
pub(crate) use bench::BenchArguments;
pub(crate) use cert::CertCommand;
pub(crate) use client::{ClientArguments, ServerArguments, StatusArguments};
#[cfg(unix)]
pub(crate) use cluster::{ClusterCommand, Victim};
#[cfg(unix)]
pub(crate) use load::GrowthArguments;
pub(crate) use load::SoakArguments;
#[cfg(unix)]
pub(crate) use replica::CLUSTER;
pub(crate) use replica::{ChaosArguments, MemberArguments, ServeArguments};
pub(crate) use request::{CasArguments, DeleteArguments, GetArguments, PutArguments, RequestArguments};
pub(crate) use security::AccessArguments;
pub(crate) use snapshot::SnapshotCommand;

/// A linearizable key-value store, replicated by Multi-Paxos.
#[derive(Parser, Debug)]
#[command(name = "kvpaxos", version, after_help = exit::TABLE, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Take settings from this TOML file. Each flag is a key of it, at the top for all commands, in [serve] for
    /// one, and so on; and each is a variable, KVPAXOS_LOG_LEVEL for all commands or KVPAXOS_SERVE_LOG_LEVEL for
    /// one. A flag counts more than a variable, and a variable more than the file. KVPAXOS_CONFIG names a
    /// file too.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Configuration")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Start five replicas in this process, show how they serve clients while acceptors fail, and open a
    /// prompt.
    Demo(DemoArguments),
    /// Start, stop and look at a cluster of processes on this machine.
    #[cfg(unix)]
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Make a certificate authority and certificates for replicas and clients, for TLS.
    #[command(subcommand)]
    Cert(CertCommand),
    /// Prepare the data directory of a new replica. Do this once for each replica of a new cluster.
    Format {
        #[command(flatten)]
        member: MemberArguments,
        /// Leave a directory that is formatted already as it is, and report success. For containers, whose
        /// first start is like every other.
        #[arg(long)]
        if_missing: bool,
    },
    /// Run one replica of a cluster. Its data directory must have been formatted.
    Serve(ServeArguments),
    /// Prepare a data directory for a replica that has lost its disk. It then gets back from the others what
    /// it may have promised.
    Recover {
        #[command(flatten)]
        member: MemberArguments,
        /// Do so even if the directory holds an intact log: it is set aside, and the replica forgets its
        /// contents.
        #[arg(long)]
        discard: bool,
    },
    /// Inspect or compare write-ahead logs.
    #[command(subcommand)]
    Log(LogCommand),
    /// Open a prompt for a running cluster.
    ///
    /// Standard input may be a pipe, with a command a line; what fails is told on standard error, and the exit
    /// code is that of the first command that failed. With --log-file, every request and every answer is
    /// logged.
    Client(ClientArguments),
    /// Print the value of a key. A pipe or a file gets its bytes and nothing else.
    Get(GetArguments),
    /// Set a key, and print the revision of the write.
    Put(PutArguments),
    /// Remove a key, and print the revision of the write.
    #[command(visible_alias = "del")]
    Delete(DeleteArguments),
    /// Compare and swap: set a key to NEW if it holds OLD.
    ///
    /// With --absent, leave out OLD: the key must have no value. With --remove, leave out NEW: the key is
    /// removed.
    Cas(CasArguments),
    /// Ask all replicas at once, and print whether the cluster serves, why not, and a row for each replica.
    ///
    /// Exit codes: 0 all is well; 4 no replica answers; 9 replicas differ; 12 no leader is known; 13 the
    /// cluster serves, but a replica cannot be reached, or one of its roles does not work.
    Status(StatusArguments),
    /// Put load on a running cluster, and print its throughput and latencies.
    Bench(BenchArguments),
    /// Run a cluster of processes under load, and kill them and damage their disks, round after round. No
    /// acknowledged write may be lost.
    Soak(SoakArguments),
    /// Write the same keys millions of times, and print how much memory and disk the replicas use meanwhile.
    #[cfg(unix)]
    Growth(GrowthArguments),
    /// Copy a store into a file while it serves, and restore it into a new cluster.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Print the settings of a command, and where each comes from: a flag, a variable, a configuration file, or
    /// the default. Without a command, check the whole file and print what it and the variables set.
    ///
    /// What is printed is a configuration file itself. If a file or a variable is wrong, the exit code is 2.
    /// Nothing is started.
    Config(ConfigArguments),
    /// Print a script that completes command lines in a shell.
    Completions {
        /// The shell.
        shell: ShellName,
    },
    /// Write the man pages of all commands into a directory.
    Man {
        /// The directory; it is made if there is none.
        dir: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ConfigArguments {
    /// Print a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
    /// The command, and flags of it as they would be given.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// Shells that can complete command lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ShellName {
    Bash,
    Zsh,
    Fish,
}

#[derive(Args, Debug)]
pub(crate) struct LogArguments {
    /// Append log lines to this file instead of writing them to standard error.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Logging")]
    pub(crate) log_file: Option<PathBuf>,
    /// Begin a new log file when it would become longer than this many bytes, and rename the old one to
    /// FILE.1; 0 never does. After SIGHUP the file is opened again.
    #[arg(
        long,
        global = true,
        value_name = "BYTES",
        default_value_t = 64 * 1024 * 1024,
        help_heading = "Logging"
    )]
    pub(crate) log_file_bytes: u64,
    /// How many earlier log files to keep, as FILE.1, FILE.2, ...
    #[arg(
        long,
        global = true,
        value_name = "N",
        default_value_t = 4,
        help_heading = "Logging"
    )]
    pub(crate) log_files_kept: u32,
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Logging")]
    pub(crate) log_format: LogFormat,
    /// What to log: error, warn, info, debug or trace, or a list such as warn,kvpaxos_net::links=debug
    /// [default: info for serve, error for demo, else warn; with --log-file, clients log their requests too].
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Logging")]
    pub(crate) log_level: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArguments {
    /// Keep the replicas' data here, instead of in a directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Exit after the show.
    #[arg(long)]
    pub(crate) no_prompt: bool,
    /// The seed of the random choice which acceptors fail when.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Use two-phase update instead of majorities: every replica must acknowledge every update twice. Watch
    /// it stall.
    #[arg(long)]
    pub(crate) two_phase: bool,
    /// Let acceptors that fail come back with their memory, instead of without.
    #[arg(long)]
    pub(crate) keep_memory: bool,
    /// Keep nothing on disk: an acceptor gets back from the others what it forgot.
    #[arg(long, conflicts_with_all = ["dir", "keep_memory", "two_phase"])]
    pub(crate) memory_only: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum LogCommand {
    /// Print what the log in a data directory holds, and where and how it is damaged. Changes nothing; the
    /// replica may be running.
    Inspect {
        /// The data directory, or a log that was set aside in it.
        dir: PathBuf,
        /// Print every record too, with its segment and the position of its group in the log.
        #[arg(long)]
        records: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Find the first slot at which the histories in several data directories of a cluster differ. Changes
    /// nothing; the replicas must not be running.
    ///
    /// A log holds the values that it knows to be chosen, from its last checkpoint on, and then values that
    /// its replica accepted.
    Compare {
        /// Two or more data directories, copies of them, or logs that were set aside in them.
        #[arg(required = true, num_args = 2.., value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Print every slot from the first difference on, with keys and values in full.
        #[arg(long)]
        rest: bool,
        /// Print one JSON object, with keys and values in full.
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Arguments::command().debug_assert();
    }

    /// Nothing is measured with none of them, and what would be printed makes no sense.
    #[test]
    fn of_what_a_load_is_made_there_is_one_at_least() {
        for line in [
            "bench --servers a:1 --clients",
            "bench --servers a:1 --pipeline",
            "bench --servers a:1 --seconds",
            "bench --servers a:1 --keys",
            "soak --rounds",
            "soak --minutes",
            "soak --clients",
            #[cfg(unix)]
            "growth --clients",
            #[cfg(unix)]
            "growth --pipeline",
        ] {
            let parse = |number: &str| {
                let line = format!("kvpaxos {line} {number}");
                Arguments::try_parse_from(line.split(' ')).is_ok()
            };
            assert_eq!([parse("0"), parse("1")], [false, true], "{line}");
        }
    }

    #[test]
    fn values_may_begin_with_a_hyphen() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        let Ok(Arguments {
            command: Command::Put(PutArguments { value, request, .. }),
            ..
        }) = parse("kvpaxos put k -5 --servers a:1,b:2")
        else {
            panic!("a put");
        };
        assert_eq!((value.to_str(), request.servers.list().len()), (Some("-5"), 2));
        assert!(parse("kvpaxos put k - --servers a:1").is_ok());
        assert!(parse("kvpaxos put --servers a:1 -- k --x").is_ok());
        assert!(parse("kvpaxos put --servers a:1 -- -k --x").is_ok());
        assert!(parse("kvpaxos get --servers a:1 -- -k").is_ok());
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
