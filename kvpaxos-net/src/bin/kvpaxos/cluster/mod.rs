//! `kvpaxos cluster`: a cluster of processes on this machine, by one command.

mod layout;
mod process;

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::args::{ClusterCommand, ServerArguments, StatusArguments, Victim};
use crate::cert;
use crate::exit::Exit;
use crate::processes::free_ports;
use crate::status;
use crate::terminal::say;
pub(crate) use layout::{Choices, Layout};

/// How long a cluster may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often replicas are asked meanwhile.
const POLL: Duration = Duration::from_millis(50);

pub(crate) fn run(command: &ClusterCommand, runtime: &Runtime) -> Result<Exit, String> {
    match command {
        ClusterCommand::Up {
            dir,
            replicas,
            ports,
            two_phase,
            chaos,
            tls,
            record,
        } => {
            let choices = Choices {
                two_phase: *two_phase,
                tls: *tls,
                record: *record,
            };
            let layout = match Layout::read(dir)? {
                Some(layout) => {
                    agree(dir, choices, layout.choices())?;
                    layout
                }
                None => found(dir, usize::from(*replicas), *ports, choices)?,
            };
            up(dir, &layout, &chaos.flags(), runtime)
        }
        ClusterCommand::Status { dir, json } => runtime.block_on(status::run(&StatusArguments {
            servers: ServerArguments::new(Layout::existing(dir)?.server_list()),
            json: *json,
            watch: None,
        })),
        ClusterCommand::Kill { victim, dir } => {
            let layout = Layout::existing(dir)?;
            let id = match victim {
                Victim::Id(id) => *id,
                Victim::Leader => runtime.block_on(leader(&layout))?,
            };
            if !layout.end(id, "KILL")? {
                return Err(format!("r{id} does not run"));
            }
            say!("r{id} is killed");
            Ok(Exit::Done)
        }
        ClusterCommand::Start { id, dir } => {
            let layout = Layout::existing(dir)?;
            layout.start(*id, &[])?;
            runtime.block_on(wait(&layout, &[*id]))?;
            say!("r{id} serves");
            Ok(Exit::Done)
        }
        ClusterCommand::Down { dir } => {
            let layout = Layout::existing(dir)?;
            let mut stopped = 0;
            for id in layout.replicas() {
                stopped += u32::from(layout.end(id, "TERM")?);
            }
            say!(
                "{stopped} replicas are stopped; their data stays in {}",
                dir.display()
            );
            Ok(Exit::Done)
        }
    }
}

/// Whether a cluster that was made with some choices is what is asked for now.
fn agree(dir: &Path, asked: Choices, made: Choices) -> Result<(), String> {
    let differing = [
        (
            asked.two_phase && !made.two_phase,
            "uses majorities",
            "--two-phase",
        ),
        (asked.tls && !made.tls, "speaks no TLS", "--tls"),
        (
            asked.record && !made.record,
            "has not recorded from its beginning",
            "--record",
        ),
    ];
    match differing.into_iter().find(|(differs, ..)| *differs) {
        None => Ok(()),
        Some((_, what, flag)) => Err(format!(
            "the cluster in {} {what}, which cannot be changed; choose a new directory for {flag}",
            dir.display()
        )),
    }
}

/// Starts what does not run, with further arguments.
fn up(dir: &Path, layout: &Layout, more: &[String], runtime: &Runtime) -> Result<Exit, String> {
    for id in layout.replicas() {
        layout.start(id, more)?;
    }
    let all: Vec<u8> = layout.replicas().collect();
    runtime.block_on(wait(layout, &all))?;
    let servers = ServerArguments::new(layout.server_list());
    let report = runtime.block_on(status::ask(&servers))?;
    status::print(&report);
    say!("");
    say!("Clients find it with --servers @{}, or with:", dir.display());
    say!("export KVPAXOS_SERVERS={}", layout.servers().join(","));
    if layout.choices().tls {
        say!(
            "export KVPAXOS_TLS_CA={}",
            cert::authority(&layout.tls_dir()).display()
        );
    }
    let list = |ports: &[u16]| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        ports.join(", ")
    };
    if !layout.redis().is_empty() {
        let redis = list(layout.redis());
        say!("Redis clients find it at these ports of this machine: {redis}");
    }
    if !layout.http().is_empty() {
        let http = list(layout.http());
        say!("Prometheus finds /metrics at these ports of this machine: {http}");
    }
    if layout.choices().record {
        let recordings = layout.recordings();
        say!(
            "What the replicas take in is recorded; execute it again: kvpaxos-sim replay --recording {}",
            recordings.display()
        );
    }
    Ok(Exit::Done)
}

/// The replica that leads now.
async fn leader(layout: &Layout) -> Result<u8, String> {
    let report = status::ask(&ServerArguments::new(layout.server_list())).await?;
    match report.leader() {
        Some(ballot) => Ok(ballot.replica.0),
        None => Err("no replica that answers knows a leader: name the one to kill".to_owned()),
    }
}

/// Makes the directories of a new cluster. Its description is written last: once it is there, nothing is
/// formatted any more.
fn found(dir: &Path, replicas: usize, first: Option<u16>, choices: Choices) -> Result<Layout, String> {
    let ports = match first {
        None => free_ports(layout::PORTS * replicas)?,
        Some(first) => ports_from(first, layout::PORTS * replicas)?,
    };
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let layout = Layout::new(layout::absolute(dir)?, &ports, choices);
    layout.format()?;
    if choices.tls {
        layout.issue()?;
    }
    layout.write()?;
    Ok(layout)
}

/// So many ports from the first one on, which must be free.
fn ports_from(first: u16, count: usize) -> Result<Vec<u16>, String> {
    let ports: Vec<u16> = (first..=u16::MAX).take(count).collect();
    if ports.len() < count {
        return Err(format!("there are not {count} ports from {first} on"));
    }
    for port in &ports {
        let address = ("127.0.0.1", *port);
        let taken = TcpListener::bind(address)
            .err()
            .or_else(|| UdpSocket::bind(address).err());
        if let Some(error) = taken {
            return Err(format!(
                "port {port} cannot be used: {error}; choose other ones with --ports"
            ));
        }
    }
    Ok(ports)
}

/// Waits until these replicas serve: they answer, and know a leader.
async fn wait(layout: &Layout, replicas: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    let servers = ServerArguments::new(layout.server_list());
    loop {
        let report = status::ask(&servers).await?;
        let lacking = replicas
            .iter()
            .copied()
            .find(|id| !report.serves(usize::from(*id)));
        let Some(id) = lacking else { return Ok(()) };
        let runs = layout.running(id).is_some();
        if !runs || began.elapsed() > PATIENCE {
            let what = if runs {
                "does not serve"
            } else {
                "has stopped by itself"
            };
            return Err(format!("r{id} {what}\n{}", layout.last_words(id)));
        }
        tokio::time::sleep(POLL).await;
    }
}
