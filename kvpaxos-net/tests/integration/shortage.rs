//! A shortage of descriptors is no failure of the disk: a replica that has none left for the next segment of
//! its log waits, acknowledges nothing meanwhile, and then goes on. A full disk stops the replica, with the
//! same exit code at its start and while it runs.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command as Program;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{ProcessCluster, run, runtime, text, wait_for};
use kvpaxos::{Command, Op, Record};
use kvpaxos_net::Client;
use kvpaxos_net::inspect::inspect;

/// How many descriptors the replica has. About twenty are in use before anybody connects, and sixteen clients
/// are served in any case.
const DESCRIPTORS: &str = "ulimit -n 32";
/// More than it needs beside its clients; the limit that it begins with is too low, and is raised.
const ENOUGH_DESCRIPTORS: &str = "ulimit -Sn 40; ulimit -Hn 128";
/// Bytes of values after which the log is cut, which begins a segment.
const LOG_BYTES: &str = "30000";
const WAITS: &str = "the log waits";
const GOES_ON: &str = "the log goes on";
const REFUSED: &str = "too many connections";
const NOT_ACCEPTED: &str = "cannot accept a connection";

/// Three replicas with short logs. One of them, which does not lead, has few descriptors.
struct Stage {
    cluster: ProcessCluster,
    leader: usize,
    short: usize,
}

impl Stage {
    async fn set(limit: &str) -> Stage {
        let mut cluster = ProcessCluster::start(3, &["--log-bytes", LOG_BYTES]);
        let leader = cluster.leader().await;
        let short = (leader + 1) % 3;
        cluster.kill(short);
        let mut limited = Program::new("sh");
        let script = format!(r#"{limit}; exec "$0" "$@""#);
        limited.args(["-c", &script, env!("CARGO_BIN_EXE_kvpaxos")]);
        cluster.restart_as(short, limited);
        cluster.converge().await;
        Stage {
            cluster,
            leader,
            short,
        }
    }

    /// How often that replica has logged a line with this text.
    fn said(&self, what: &str) -> usize {
        let log = std::fs::read_to_string(self.cluster.log(self.short)).expect("a log");
        log.matches(what).count()
    }

    /// Connects until that replica has no descriptor left, and some more times, so that these take any that
    /// it frees. The connections are closed when the result is dropped.
    fn exhaust_descriptors(&self) -> Vec<TcpStream> {
        let connect =
            || TcpStream::connect(self.cluster.address(self.short)).expect("there is room in the queue");
        let mut connections = Vec::new();
        wait_for("a replica without descriptors", || {
            connections.push(connect());
            (self.said(NOT_ACCEPTED) > 0).then_some(())
        });
        connections.extend((0..10).map(|_| connect()));
        connections
    }

    fn waits(&self) -> bool {
        self.said(WAITS) > self.said(GOES_ON)
    }

    /// How many of the values its log says it accepted.
    fn accepted(&self) -> usize {
        let inspection = inspect(&self.cluster.data(self.short)).expect("a directory can be read");
        let records = inspection.groups().flat_map(|(_, group)| &group.records);
        let commands = records.flat_map(|record| match record {
            Record::Accepted { value, .. } => value.commands(),
            _ => &[],
        });
        let numbers = commands.filter_map(|command| match command {
            Command::Apply {
                op: Op::Put { value, .. },
                ..
            } => std::str::from_utf8(&value[..3]).ok()?.parse::<usize>().ok(),
            _ => None,
        });
        numbers.max().map_or(0, |number| number + 1)
    }
}

/// Writes values until the log has begun several segments.
struct Writer {
    done: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    const WRITES: usize = 200;

    fn start(client: Client) -> Writer {
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let task = tokio::spawn(async move {
            for number in 0..Writer::WRITES {
                client
                    .put("k", value(number))
                    .await
                    .expect("it is answered in the end");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Writer { done, task }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }
}

fn value(number: usize) -> String {
    format!("{number:03}").repeat(1000)
}

#[test]
fn a_log_without_descriptors_waits_and_goes_on() {
    runtime().block_on(async {
        let mut stage = Stage::set(DESCRIPTORS).await;
        let (leader, short) = (stage.leader, stage.short);
        // Nothing is chosen without that replica now, and it promises nothing that it has not written.
        let third = 3 - leader - short;
        stage.cluster.kill(third);
        let connections = stage.exhaust_descriptors();
        let writer = Writer::start(stage.cluster.patient_client_of(&[leader]));
        let (mut last, mut looks) = (0, 0);
        while looks < 30 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(stage.cluster.runs(short), "nothing is wrong with its disk");
            let done = writer.done();
            assert!(
                done < Writer::WRITES,
                "it needed no descriptor, or promised what is not durable"
            );
            looks = if done == last && stage.waits() {
                looks + 1
            } else {
                0
            };
            last = done;
        }
        let written = stage.accepted();
        assert!(
            written >= last,
            "{last} writes were answered, {written} are in the log that waits"
        );

        drop(connections);
        writer.task.await.expect("all is answered in the end");
        assert!(stage.cluster.runs(short));
        assert!(stage.said(GOES_ON) > 0);
        stage.cluster.restart(third);
        stage.cluster.converge().await;
        // A failure to accept is logged once, not fifty times a second.
        let told = stage.said(NOT_ACCEPTED);
        println!("{last} writes were done before the log waited; {told} lines about connections");
        assert!(told <= 20, "{told} lines about connections");
    });
}

/// However many clients connect, the log and the peers have the descriptors that they need, and the log of the
/// program is not filled.
#[test]
fn clients_leave_descriptors_to_the_log() {
    runtime().block_on(async {
        let mut stage = Stage::set(ENOUGH_DESCRIPTORS).await;
        let (leader, short) = (stage.leader, stage.short);
        let connect =
            || TcpStream::connect(stage.cluster.address(short)).expect("there is room in the queue");
        let connections: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
        wait_for("clients that are refused", || {
            (stage.said(REFUSED) > 0).then_some(())
        });
        // Nothing is chosen without that replica now, and it begins segments for what is written.
        stage.cluster.kill(3 - leader - short);
        let client = stage.cluster.patient_client_of(&[leader]);
        for number in 0..40 {
            client.put("k", value(number)).await.expect("it is answered");
        }
        assert_eq!((stage.said(WAITS), stage.said(NOT_ACCEPTED)), (0, 0));
        // 177 were refused; some lines sum them up.
        assert!(
            stage.said(REFUSED) <= 4,
            "{} lines about refusals",
            stage.said(REFUSED)
        );
        // Those who say nothing make room for a client that does.
        let client = stage.cluster.patient_client_of(&[short]);
        client.put("k", value(0)).await.expect("it is served in the end");
        drop(connections);
    });
}

/// A replica whose log waits can be stopped, and that is no failure of the disk.
#[test]
fn a_replica_that_waits_for_descriptors_can_be_stopped() {
    runtime().block_on(async {
        let mut stage = Stage::set(DESCRIPTORS).await;
        let short = stage.short;
        let connections = stage.exhaust_descriptors();
        let writer = Writer::start(stage.cluster.patient_client_of(&[stage.leader]));
        wait_for("a log that waits", || stage.waits().then_some(()));
        stage.cluster.signal(short, "TERM");
        assert_eq!(stage.cluster.ended(short), Some(0));
        drop(connections);
        stage.cluster.restart(short);
        writer.task.await.expect("the others answer");
        stage.cluster.converge().await;
    });
}

/// A write to this device fails because no space is left.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_has_one_exit_code() {
    runtime().block_on(async {
        let mut cluster = ProcessCluster::start(3, &["--log-bytes", LOG_BYTES]);
        let leader = cluster.leader().await;
        let other = (leader + 1) % 3;
        // It listens before it has opened its directory; when it answers, it has opened it.
        cluster.converge().await;
        let draft = cluster.data(other).join("superblock.new");
        // The replica may be writing its draft just now.
        wait_for("a moment without a draft", || symlink("/dev/full", &draft).ok());
        // While it runs, at the next segment.
        let client = cluster.client_of(&[leader]);
        for number in 0..100 {
            client.put("k", value(number)).await.expect("two of three answer");
        }
        assert_eq!(cluster.ended(other), Some(7));
        let log = std::fs::read_to_string(cluster.log(other)).expect("a log");
        assert!(log.contains("No space left on device"), "{log}");
        // At its start.
        let output = run(&cluster.serve(other), "");
        let why = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{why}");
        assert!(
            why.contains("No space left on device") && why.contains("Check the disk"),
            "{why}"
        );
        // With room again it restarts with its memory.
        std::fs::remove_file(&draft).expect("the link goes");
        cluster.restart(other);
        cluster.converge().await;
        // When a directory is formatted.
        let new = cluster.data(7);
        std::fs::create_dir(&new).expect("a directory");
        symlink("/dev/full", new.join("superblock.new")).expect("a link");
        let mut format = cluster.member("format", other);
        let data = format
            .iter_mut()
            .find(|argument| **argument == cluster.data(other).display().to_string());
        *data.expect("it is named") = new.display().to_string();
        let output = run(&format, "");
        assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
    });
}
