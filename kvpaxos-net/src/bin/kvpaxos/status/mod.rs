//! `kvpaxos status`: what all replicas know of themselves and their peers, and whether all is well.

mod ask;
mod report;
mod table;

use std::time::Duration;

use kvpaxos::ReplicaSet;
use kvpaxos_net::ClientError;

use crate::args::{ServerArguments, StatusArguments};
use crate::exit::Exit;
use crate::terminal::{clear, is_read, say};
pub(crate) use report::Report;

/// Asks all replicas, and prints the verdict and a row for each; again and again with `--watch`.
pub(crate) async fn run(arguments: &StatusArguments) -> Result<Exit, String> {
    loop {
        let report = ask(&arguments.servers).await?;
        let (exit, _) = report.verdict();
        if arguments.watch.is_some() && !arguments.json {
            clear();
        }
        if arguments.json {
            say!("{}", report.as_value());
        } else {
            print(&report);
        }
        match arguments.watch {
            Some(pause) if is_read() => tokio::time::sleep(pause.max(SHORTEST)).await,
            _ => return Ok(exit),
        }
    }
}

/// The shortest pause of `--watch`.
const SHORTEST: Duration = Duration::from_millis(100);

/// Asks all replicas at once.
pub(crate) async fn ask(servers: &ServerArguments) -> Result<Report, String> {
    ask::ask(servers).await
}

/// Why a request has no result, in words. A client whose time is up before that of the replica is not told
/// who is silent, so the replicas are asked.
pub(crate) async fn explain(error: &ClientError, servers: &ServerArguments) -> String {
    let text = error.to_string();
    let (ClientError::Unavailable { silent, failures } | ClientError::Unknown { silent, failures }) = error
    else {
        return text;
    };
    let none_is_reached =
        failures.len() == servers.list().len() && failures.iter().all(|failure| !failure.is_reached);
    if !silent.is_empty() || none_is_reached {
        return text;
    }
    let silent = ask(servers)
        .await
        .map_or(ReplicaSet::EMPTY, |report| report.silent());
    match silent.len() {
        0 => text,
        1 => format!("{text}; {silent} is silent"),
        _ => format!("{text}; {silent} are silent"),
    }
}

/// Prints the verdict and a row for each replica.
pub(crate) fn print(report: &Report) {
    let (_, verdict) = report.verdict();
    say!("{verdict}");
    for line in report.table() {
        say!("{line}");
    }
}
