//! Clients that put, get, delete and swap at random, and write down what they did and saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kvpaxos::Random;
use kvpaxos_history::{Action, Answer, Datum, Operation};
use kvpaxos_net::{Client, ClientError, ClientOptions, Transport};
use tokio::task::JoinHandle;

use crate::soak::history::{Completion, Recorder};

/// Some clients are impatient: while nobody serves them they are told that the fate of what they asked is unknown.
const IMPATIENT: Duration = Duration::from_millis(100);
/// A client that goes on when an operation was refused does so after this: nobody can serve it for a moment.
const PAUSE: Duration = Duration::from_millis(50);

/// What the load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) clients: u64,
    pub(crate) keys: u64,
    /// The mean time a client waits between two operations, so that the processors are left to the replicas.
    pub(crate) pace: Duration,
    pub(crate) seed: u64,
}

/// Clients that go on until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// A task for each client. Every fourth talks in datagrams, and every fourth is impatient.
    pub(crate) fn start(
        mix: Mix,
        tcp: &[String],
        udp: &[String],
        recorder: &Recorder,
    ) -> Result<Load, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for process in 0..mix.clients {
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
                let mut draw = Draw::new(process, mix);
                while !stop.load(Ordering::Relaxed) {
                    let operation = draw.operation();
                    let completion = perform(&client, process, &operation, &recorder).await;
                    draw.saw(&completion);
                    if completion == Completion::Refused {
                        tokio::time::sleep(PAUSE).await;
                    }
                    tokio::time::sleep(draw.pause()).await;
                }
                client.close().await;
            }));
        }
        Ok(Load { stop, tasks })
    }

    /// Lets every client end its operation.
    pub(crate) async fn stop(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await
                .map_err(|error| format!("a client ended by itself: {error}"))?;
        }
        Ok(())
    }
}

/// The names of the keys.
pub(crate) fn key(number: u64) -> String {
    format!("key{number}")
}

/// Does what the operation says, and records it.
pub(crate) async fn perform(
    client: &Client,
    process: u64,
    operation: &Operation,
    recorder: &Recorder,
) -> Completion {
    recorder.invoke(process, operation);
    let completion = ask(client, operation).await;
    recorder.complete(process, &completion);
    completion
}

async fn ask(client: &Client, operation: &Operation) -> Completion {
    let key = operation.key.clone();
    let result = match &operation.action {
        Action::Get => client.get(key).await.map(|read| {
            let answer = Answer::Value(read.value.as_deref().into());
            Completion::Done(answer, read.revision)
        }),
        Action::Put(value) => {
            let put = client.put(key, text(value)).await;
            put.map(|revision| Completion::Done(Answer::Done, revision))
        }
        Action::Delete => {
            let deleted = client.delete(key).await;
            deleted.map(|deleted| Completion::Done(Answer::Done, deleted.revision))
        }
        Action::Cas { expect, value } => {
            let expect = (*expect != Datum::Null).then(|| text(expect));
            let swapped = client.cas(key, expect, Some(text(value))).await;
            swapped.map(|swapped| {
                let applied = swapped.applied;
                Completion::Done(Answer::Swapped { applied }, swapped.revision)
            })
        }
        Action::Append(_) => unreachable!("no append is drawn, as the store has none"),
    };
    match result {
        Ok(completion) => completion,
        Err(ClientError::Refused(_) | ClientError::Unavailable { .. }) => Completion::Refused,
        Err(ClientError::Unknown { .. } | ClientError::Gone) => Completion::Unknown,
    }
}

fn text(value: &Datum) -> Bytes {
    value.as_text().into_owned().into()
}

/// Draws operations: unique values, so that reads tell which write they saw.
struct Draw {
    process: u64,
    mix: Mix,
    random: Random,
    count: u64,
    /// The key whose value was seen last, and that value: a compare-and-swap of it may well succeed.
    last: (u64, Datum),
    /// The key of the operation that is under way.
    current: u64,
}

impl Draw {
    fn new(process: u64, mix: Mix) -> Draw {
        Draw {
            process,
            random: Random::from_seed(mix.seed.wrapping_mul(1_000_003).wrapping_add(process)),
            mix,
            count: 0,
            last: (0, Datum::Null),
            current: 0,
        }
    }

    fn operation(&mut self) -> Operation {
        self.count += 1;
        let value = format!("{}-{}", self.process, self.count);
        let kind = self.random.below(10);
        self.current = self.random.below(self.mix.keys);
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
        let mean = u64::try_from(self.mix.pace.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.below(mean.saturating_mul(2).max(1)))
    }
}
