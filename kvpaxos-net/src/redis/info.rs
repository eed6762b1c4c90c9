//! The text of INFO.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kvpaxos::Status;
use kvpaxos::status::ProposerStatus;

use crate::redis::conversation::REDIS_VERSION;
use crate::redis::service::Facts;

/// The sections that were asked for, or all. `keys` is `None` if they could not be counted.
pub(crate) fn render(
    sections: &[Bytes],
    facts: &Facts,
    status: Option<&Status>,
    keys: Option<u64>,
) -> String {
    let all = sections.is_empty();
    let is_wanted = |name: &str| {
        let named = |section: &Bytes| {
            [name, "all", "default", "everything"]
                .iter()
                .any(|wanted| section.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        all || sections.iter().any(named)
    };
    let parts = [
        ("Server", server(facts)),
        ("Clients", clients(facts)),
        ("Stats", stats(facts)),
        ("Replication", "role:master\r\nconnected_slaves:0\r\n".to_owned()),
        ("Cluster", "cluster_enabled:0\r\n".to_owned()),
        ("Kvpaxos", status.map(replica).unwrap_or_default()),
        ("Keyspace", keyspace(keys)),
    ];
    let mut text = String::new();
    for (name, part) in parts {
        if is_wanted(name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text += &format!("# {name}\r\n{part}");
        }
    }
    text
}

fn server(facts: &Facts) -> String {
    let uptime = facts.began.elapsed().as_secs();
    format!(
        "redis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\nkvpaxos_version:{}\r\nprocess_id:{}\r\n\
         tcp_port:{}\r\nuptime_in_seconds:{uptime}\r\nuptime_in_days:{}\r\n",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        facts.port,
        uptime / 86_400,
    )
}

fn clients(facts: &Facts) -> String {
    let connected = facts.connected.load(Ordering::Relaxed);
    format!("connected_clients:{connected}\r\nblocked_clients:0\r\n")
}

fn stats(facts: &Facts) -> String {
    format!(
        "total_connections_received:{}\r\ntotal_commands_processed:{}\r\n",
        facts.accepted.load(Ordering::Relaxed),
        facts.commands.load(Ordering::Relaxed),
    )
}

fn replica(status: &Status) -> String {
    let mut text = format!("replica:{}\r\nmembers:{}\r\n", status.id, status.members);
    let leads = matches!(status.proposer, ProposerStatus::Leading { .. });
    // Writing to a string does not fail.
    let _ = write!(text, "leading:{}\r\n", if leads { "yes" } else { "no" });
    if let Some(ballot) = status.leader {
        let _ = write!(text, "leader:{}\r\n", ballot.replica);
    }
    if !status.silent.is_empty() {
        let _ = write!(text, "silent:{}\r\n", status.silent);
    }
    let _ = write!(text, "pending_requests:{}\r\n", status.pending);
    text
}

fn keyspace(keys: Option<u64>) -> String {
    match keys {
        Some(keys @ 1..) => format!("db0:keys={keys},expires=0,avg_ttl=0\r\n"),
        Some(0) | None => String::new(),
    }
}
