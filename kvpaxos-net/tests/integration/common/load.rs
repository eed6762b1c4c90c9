//! Clients that perform random operations, and record what they did and saw.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvpaxos::Random;
use kvpaxos_net::{Client, ClientError};
use kvpaxos_sim::history::{Action, Answer, Datum, History, Operation};
use kvpaxos_sim::linearizability::{Budget, Report, Verdict, check};

use super::PATIENCE;

const FITS: &str = "events fit the history";

/// How an operation ended.
pub(crate) enum Ended {
    Ok(Answer),
    /// Refused: certainly not done.
    Fail,
    /// Nobody knows.
    Info,
}

/// The history that all clients of a test write to.
#[derive(Clone)]
pub(crate) struct Recorder {
    history: Arc<Mutex<History>>,
    began: Instant,
    done: Arc<AtomicU64>,
    unknown: Arc<AtomicU64>,
}

impl Recorder {
    pub(crate) fn new() -> Recorder {
        Recorder {
            history: Arc::new(Mutex::new(History::new())),
            began: Instant::now(),
            done: Arc::default(),
            unknown: Arc::default(),
        }
    }

    pub(crate) fn invoke(&self, process: u64, operation: Operation) {
        self.with(|history| history.invoke(process, operation).expect(FITS));
    }

    pub(crate) fn end(&self, process: u64, ended: Ended) {
        match ended {
            Ended::Ok(answer) => {
                self.with(|history| history.ok(process, answer).expect(FITS));
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            Ended::Fail => self.with(|history| history.fail(process).expect(FITS)),
            Ended::Info => {
                self.with(|history| history.info(process).expect(FITS));
                self.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().expect("nobody panics while writing")
    }

    /// Records an event. The lock orders events: one that is recorded later happened later, or at the same
    /// time.
    fn with(&self, write: impl FnOnce(&mut History)) {
        let mut history = self.lock();
        let time = i64::try_from(self.began.elapsed().as_micros()).expect("a test is short");
        write(history.at(time).expect(FITS));
    }

    /// How many operations were done.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until `more` further operations are done, which shows that the cluster serves.
    pub(crate) async fn progress(&self, more: u64) {
        let (began, goal) = (Instant::now(), self.done() + more);
        while self.done() < goal {
            assert!(
                began.elapsed() < PATIENCE,
                "the cluster does not get on: {} of {goal} operations are done",
                self.done()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Checks the history.
    ///
    /// # Panics
    /// If it is not linearizable, or the check is not decided.
    pub(crate) fn judge(&self) -> Report {
        let report = check(&self.lock(), Budget::default());
        match &report.verdict {
            Verdict::Linearizable => {}
            other => panic!("{other:#?}"),
        }
        println!(
            "{} operations on {} keys, {} of unknown outcome: linearizable",
            report.operations, report.keys, report.unknown
        );
        report
    }
}

/// Draws operations. All values differ, so that a read shows which write it saw.
pub(crate) struct Draw {
    pub(crate) process: u64,
    pub(crate) keys: u64,
    random: Random,
    count: u64,
    /// A value that the key may well hold, for a compare-and-swap.
    last: Datum,
}

impl Draw {
    pub(crate) fn new(process: u64, keys: u64) -> Draw {
        Draw {
            process,
            keys,
            random: Random::from_seed(process),
            count: 0,
            last: Datum::Null,
        }
    }

    pub(crate) fn operation(&mut self) -> Operation {
        self.count += 1;
        let key = format!("key{}", self.random.below(self.keys));
        let value = format!("{}-{}", self.process, self.count);
        match self.random.below(10) {
            0..4 => Operation::get(key),
            4..7 => Operation::put(key, value),
            7..9 => Operation::cas(key, self.last.clone(), value),
            _ => Operation::delete(key),
        }
    }

    /// Remembers a value that was read, for the next compare-and-swap.
    pub(crate) fn saw(&mut self, ended: &Ended) {
        if let Ended::Ok(Answer::Value(value)) = ended {
            self.last = value.clone();
        }
    }
}

/// Performs an operation.
pub(crate) async fn perform(client: &Client, operation: &Operation) -> Ended {
    let key = operation.key.clone();
    let result = match &operation.action {
        Action::Get => client
            .get(key)
            .await
            .map(|read| Answer::Value(read.value.as_deref().into())),
        Action::Put(value) => client
            .put(key, bytes(value).expect("a put has a value"))
            .await
            .map(|_| Answer::Done),
        Action::Delete => client.delete(key).await.map(|_| Answer::Done),
        Action::Cas { expect, value } => {
            client
                .cas(key, bytes(expect), bytes(value))
                .await
                .map(|swapped| Answer::Swapped {
                    applied: swapped.applied,
                })
        }
        Action::Append(value) => client
            .append(key, bytes(value).expect("an append has a value"))
            .await
            .map(|_| Answer::Done),
    };
    match result {
        Ok(answer) => Ended::Ok(answer),
        Err(
            ClientError::Refused(_)
            | ClientError::Failed(_)
            | ClientError::TooLong { .. }
            | ClientError::Unavailable { .. },
        ) => Ended::Fail,
        Err(ClientError::Unknown { .. } | ClientError::Gone) => Ended::Info,
    }
}

fn bytes(datum: &Datum) -> Option<Bytes> {
    match datum {
        Datum::Null => None,
        Datum::Text(text) => Some(text.clone().into()),
        Datum::Integer(_) => unreachable!("values are text"),
    }
}

/// Clients that run until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// Starts a task for each client. Their process numbers begin with `first`.
    pub(crate) fn start(clients: Vec<Client>, first: u64, keys: u64, recorder: &Recorder) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = clients.into_iter().zip(first..).map(|(client, process)| {
            let (stop, recorder) = (Arc::clone(&stop), recorder.clone());
            tokio::spawn(async move {
                let mut draw = Draw::new(process, keys);
                while !stop.load(Ordering::Relaxed) {
                    let operation = draw.operation();
                    recorder.invoke(process, operation.clone());
                    let ended = perform(&client, &operation).await;
                    draw.saw(&ended);
                    recorder.end(process, ended);
                    // A pause that leaves the processors to the replicas.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Load { stop, tasks }
    }

    /// Lets every client complete its operation.
    pub(crate) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
    }
}

/// Clients in an open loop: they begin operations at a fixed rate, whether or not earlier ones are answered.
pub(crate) struct OpenLoad {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<u64>,
}

impl OpenLoad {
    /// Begins one operation every `pace`, by each client in turn.
    pub(crate) fn start(clients: Vec<Client>, pace: Duration, keys: u64, recorder: &Recorder) -> OpenLoad {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, recorder) = (Arc::clone(&stop), recorder.clone());
        let task = tokio::spawn(async move {
            let mut draws: Vec<Draw> = (0..)
                .take(clients.len())
                .map(|number| Draw::new(number, keys))
                .collect();
            // Operations that are late are made up for, so that the rate holds.
            let mut clock = tokio::time::interval(pace);
            let mut operations = tokio::task::JoinSet::new();
            let mut begun = 0;
            while !stopped.load(Ordering::Relaxed) {
                clock.tick().await;
                let turn = begun % clients.len();
                let operation = draws[turn].operation();
                let (client, recorder) = (clients[turn].clone(), recorder.clone());
                // Many operations are in flight at once, so each is a process of its own in the history.
                let process = begun as u64;
                recorder.invoke(process, operation.clone());
                operations.spawn(async move {
                    let ended = perform(&client, &operation).await;
                    recorder.end(process, ended);
                });
                begun += 1;
            }
            while let Some(ended) = operations.join_next().await {
                ended.expect("an operation does not panic");
            }
            begun as u64
        });
        OpenLoad { stop, task }
    }

    /// Stops beginning operations, and waits for all that are in flight. Returns how many were begun.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the load does not panic")
    }
}
