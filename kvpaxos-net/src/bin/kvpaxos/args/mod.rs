//! The command line.

mod client;
mod duration;
mod load;
mod replica;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit;
pub(crate) use client::{BenchArguments, ServerArguments};
#[cfg(unix)]
pub(crate) use load::GrowthArguments;
pub(crate) use load::SoakArguments;
pub(crate) use replica::{FailureArguments, MemberArguments, ServeArguments};

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Arguments::command().debug_assert();
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
