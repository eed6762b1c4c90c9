//! Clients that put, get, delete and swap at random, one key or several together, and record what they did and
//! saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kvpaxos::Random;
use kvpaxos_history::{Answer, Datum, Operation};
use kvpaxos_net::{Client, ClientOptions, Transport};
use tokio::task::JoinHandle;

use crate::recorder::{Completion, Recorder};
use crate::soak::together::perform_all;

/// The deadline of impatient clients: while nobody serves them, the outcomes of their operations are unknown.
const IMPATIENT: Duration = Duration::from_millis(100);
/// The pause of a client after a refusal: nobody can serve it for a moment.
const PAUSE: Duration = Duration::from_millis(50);

/// How much load there is, and of what kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadSettings {
    pub(crate) clients: u64,
    pub(crate) keys: u64,
    /// The mean time that a client waits between two operations, so that the processors are left to the
    /// replicas.
    pub(crate) pace: Duration,
    pub(crate) seed: u64,
}

/// Clients that run until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts a task for each client. Every fourth client uses UDP, and every fourth is impatient.
    pub(crate) fn start(
        settings: LoadSettings,
        tcp: &[String],
        udp: &[String],
        recorder: &Recorder,
    ) -> Result<Load, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for process in 0..settings.clients {
            let options = match process % 4 {
                1 => ClientOptions {
                    deadline: IMPATIENT,
                    ..ClientOptions::new(tcp.iter().cloned())
                },
                3 => ClientOptions {
                    transport: Transport::Udp,
                    ..ClientOptions::new(udp.iter().cloned())
                },
                _ => ClientOptions::new(tcp.iter().cloned()),
            };
            let client = Client::new(options).map_err(|error| error.to_string())?;
            let (stop, recorder) = (Arc::clone(&stop), recorder.clone());
            tasks.push(tokio::spawn(async move {
                let mut source = OperationSource::new(process, settings);
                while !stop.load(Ordering::Relaxed) {
                    let operations = source.operations();
                    let completions = perform_all(&client, process, &operations, &recorder).await;
                    source.saw(&operations, &completions);
                    if completions
                        .iter()
                        .all(|completion| *completion == Completion::Refused)
                    {
                        tokio::time::sleep(PAUSE).await;
                    }
                    tokio::time::sleep(source.pause()).await;
                }
                client.close().await;
            }));
        }
        Ok(Load { stop, tasks })
    }

    /// Lets every client complete its operation.
    pub(crate) async fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await
                .map_err(|error| format!("a client panicked: {error}"))?;
        }
        Ok(())
    }
}

/// The name of a key.
pub(crate) fn key(number: u64) -> String {
    format!("key{number}")
}

/// Draws operations. All values differ, so that a read shows which write it saw.
struct OperationSource {
    process: u64,
    settings: LoadSettings,
    random: Random,
    count: u64,
    /// The key that was read last, and its value: a compare-and-swap of it may well succeed.
    last: (String, Datum),
}

impl OperationSource {
    fn new(process: u64, settings: LoadSettings) -> OperationSource {
        OperationSource {
            process,
            random: Random::from_seed(settings.seed.wrapping_mul(1_000_003).wrapping_add(process)),
            settings,
            count: 0,
            last: (key(0), Datum::Null),
        }
    }

    /// Draws an operation, or some on different keys that take place together.
    fn operations(&mut self) -> Vec<Operation> {
        self.count += 1;
        let value = format!("{}-{}", self.process, self.count);
        let kind = self.random.below(14);
        let first = self.random.below(self.settings.keys);
        let together = 2 + self.random.below(2);
        let keys =
            (0..together.min(self.settings.keys)).map(|place| key((first + place) % self.settings.keys));
        let (last, seen) = self.last.clone();
        match kind {
            0..4 => vec![Operation::get(key(first))],
            4..7 => vec![Operation::put(key(first), value)],
            7..9 => vec![Operation::cas(last, seen, value)],
            9 => vec![Operation::delete(key(first))],
            10..12 => keys.map(Operation::get).collect(),
            // A transaction: keys are set to one value, and perhaps another key is deleted or only read.
            kind => {
                let mut operations: Vec<Operation> =
                    keys.map(|key| Operation::put(key, value.clone())).collect();
                if let Some(other) = operations.last_mut() {
                    match self.random.below(3) {
                        0 => *other = Operation::delete(other.key.clone()),
                        1 => *other = Operation::get(other.key.clone()),
                        _ => {}
                    }
                }
                // And half of them are done only if a key has not changed.
                if kind == 13 {
                    operations.retain(|operation| operation.key != last);
                    operations.push(Operation::cas(last, seen, value));
                }
                operations
            }
        }
    }

    fn saw(&mut self, operations: &[Operation], completions: &[Completion]) {
        for (operation, completion) in operations.iter().zip(completions) {
            if let Completion::Done(Answer::Value(value), _) = completion {
                self.last = (operation.key.clone(), value.clone());
            }
        }
    }

    fn pause(&mut self) -> Duration {
        let mean =
            u64::try_from(self.settings.pace.as_micros()).expect("the command line allows a day at most");
        Duration::from_micros(self.random.below(mean.saturating_mul(2).max(1)))
    }
}
