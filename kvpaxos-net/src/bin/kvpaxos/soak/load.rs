//! Clients that put, get, delete and swap at random, and record what they did and saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kvpaxos::Random;
use kvpaxos_history::{Answer, Datum, Operation};
use kvpaxos_net::{Client, ClientOptions, Transport};
use tokio::task::JoinHandle;

use crate::recorder::{Completion, Recorder, perform};

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
                    let operation = source.operation();
                    let completion = perform(&client, process, &operation, &recorder).await;
                    source.saw(&completion);
                    if completion == Completion::Refused {
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
    last: (u64, Datum),
    /// The key of the operation that is under way.
    current: u64,
}

impl OperationSource {
    fn new(process: u64, settings: LoadSettings) -> OperationSource {
        OperationSource {
            process,
            random: Random::from_seed(settings.seed.wrapping_mul(1_000_003).wrapping_add(process)),
            settings,
            count: 0,
            last: (0, Datum::Null),
            current: 0,
        }
    }

    fn operation(&mut self) -> Operation {
        self.count += 1;
        let value = format!("{}-{}", self.process, self.count);
        let kind = self.random.below(10);
        self.current = self.random.below(self.settings.keys);
        match kind {
            0..4 => Operation::get(key(self.current)),
            4..7 => Operation::put(key(self.current), value),
            7..9 => {
                self.current = self.last.0;
                Operation::cas(key(self.current), self.last.1.clone(), value)
            }
            _ => Operation::delete(key(self.current)),
        }
    }

    fn saw(&mut self, completion: &Completion) {
        if let Completion::Done(Answer::Value(value), _) = completion {
            self.last = (self.current, value.clone());
        }
    }

    fn pause(&mut self) -> Duration {
        let mean =
            u64::try_from(self.settings.pace.as_micros()).expect("the command line allows a day at most");
        Duration::from_micros(self.random.below(mean.saturating_mul(2).max(1)))
    }
}
