//! Arguments of `kvpaxos cluster`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::args::ChaosArguments;

#[derive(Subcommand, Debug)]
pub(crate) enum ClusterCommand {
    /// Start a cluster whose replicas are processes of their own, on loopback ports, with data and logs in a
    /// directory, and wait until it serves. What runs already goes on.
    Up {
        /// The directory: a new one, or that of an earlier `cluster up`.
        dir: PathBuf,
        /// How many replicas a new cluster has.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST)))]
        replicas: u8,
        /// Let a new cluster use the ports from this one on: first one for each replica, at which it listens
        /// for the others, then one for each, at which it listens for clients, over TCP and UDP, then one for
        /// each, at which it serves Redis clients, then one for each, at which it serves metrics and probes over
        /// HTTP [default: free ones].
        #[arg(long, value_name = "FIRST", value_parser = clap::value_parser!(u16).range(1..))]
        ports: Option<u16>,
        /// Let a new cluster use two-phase update instead of majorities: every replica must acknowledge every
        /// update twice, and one silent replica stops all updates.
        #[arg(long)]
        two_phase: bool,
        /// Let a new cluster speak TLS, with an authority of its own in DIR/tls. Clients with --servers @DIR
        /// trust it. There is no UDP then.
        #[arg(long)]
        tls: bool,
        /// Let the replicas of a new cluster record what they take in, in DIR/recordings, whenever they run: see `serve
        /// --record`. `kvpaxos-sim replay --recording DIR/recordings` executes it again.
        #[arg(long)]
        record: bool,
        #[command(flatten)]
        chaos: ChaosArguments,
    },
    /// Ask all replicas, like `kvpaxos status`, with its exit codes.
    Status {
        /// The directory.
        dir: PathBuf,
        /// Print a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Kill a replica with SIGKILL.
    Kill {
        /// The replica: 0, 1, ..., or `leader`.
        #[arg(value_name = "ID|leader", value_parser = victim)]
        victim: Victim,
        /// The directory.
        dir: PathBuf,
    },
    /// Start a replica that does not run.
    Start {
        /// The replica: 0, 1, ...
        #[arg(value_name = "ID", value_parser = replica)]
        id: u8,
        /// The directory.
        dir: PathBuf,
    },
    /// Stop all replicas in order. Their data stays.
    Down {
        /// The directory.
        dir: PathBuf,
    },
}

/// The replica that is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Victim {
    /// That of this id.
    Id(u8),
    /// The one that leads now.
    Leader,
}

/// The most replicas of a cluster.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the number of a ReplicaId is a u8"
)]
const MOST: u8 = kvpaxos::types::MAX_REPLICAS as u8;

/// Reads `leader`, or the number of a replica.
fn victim(text: &str) -> Result<Victim, String> {
    if text == "leader" {
        return Ok(Victim::Leader);
    }
    replica(text)
        .map(Victim::Id)
        .map_err(|_| format!("{text:?} is no replica; write 0, 1, ... or leader"))
}

/// Reads the number of a replica, with or without an r.
fn replica(text: &str) -> Result<u8, String> {
    let number = text.strip_prefix('r').unwrap_or(text).parse::<u8>();
    match number {
        Ok(number) if number < MOST => Ok(number),
        _ => Err(format!("{text:?} is no replica; write 0, 1, ...")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_numbers() {
        assert_eq!((replica("3"), replica("r3")), (Ok(3), Ok(3)));
        for text in ["", "r", "x", "99", "-1"] {
            assert!(replica(text).is_err(), "{text}");
            assert!(victim(text).is_err(), "{text}");
        }
        assert_eq!(
            (victim("3"), victim("leader")),
            (Ok(Victim::Id(3)), Ok(Victim::Leader))
        );
    }
}
