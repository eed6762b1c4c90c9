//! The load itself: lanes, each of which sends one request after the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::bench::connection::{Answer, Connection, Failure, FailureKind, Request};
use crate::bench::draw::RequestSource;
use crate::bench::history;
use crate::bench::mix::Kind;
use crate::bench::pace::{ArrivalQueue, Arrivals, RunTime, release_all};
use crate::bench::plan::Plan;
use crate::bench::progress::Progress;
use crate::bench::tally::Tally;
use crate::bench::target::Target;
use crate::bench::workers::Workers;
use crate::recorder::Recorder;

/// The pause of a lane after an error in a closed loop: nobody may be able to serve it for a moment.
const PAUSE: Duration = Duration::from_millis(10);
/// Lanes share this many tallies, so that they seldom wait for each other.
const TALLIES: usize = 8;
/// How often progress is shown.
const SHOWN: Duration = Duration::from_millis(500);
/// How many keys are written at a time before the first round.
const PRELOADERS: usize = 256;

/// What came of one round of a target.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) measured: Duration,
    pub(crate) tally: Tally,
    /// Requests that were sent and had no answer when the measurement ended.
    pub(crate) in_flight: u64,
}

impl Measurement {
    /// Requests done a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.tally.completed as f64 / self.measured.as_secs_f64().max(1e-9)
    }
}

/// Tells whether everything is to end early.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Where `true` is to be sent, and who hears it.
    pub(crate) fn channel() -> (watch::Sender<bool>, Stop) {
        let (sender, receiver) = watch::channel(false);
        (sender, Stop(receiver))
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until everything is to end.
    pub(crate) async fn wait(&self) {
        if self.0.clone().wait_for(|is_set| *is_set).await.is_err() {
            // Nobody can say so any more.
            std::future::pending::<()>().await;
        }
    }
}

/// What all lanes of a run share.
struct Run {
    time: RunTime,
    is_open: bool,
    tallies: [Mutex<Tally>; TALLIES],
    in_flight: AtomicU64,
    done: AtomicU64,
    errors: AtomicU64,
    recorder: Option<Recorder>,
}

impl Run {
    fn tally(&self, lane: usize) -> MutexGuard<'_, Tally> {
        self.tallies[lane % TALLIES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane: a client's place for one request in flight.
struct Lane {
    number: usize,
    connection: Connection,
    source: RequestSource,
    /// In an open loop, where its client's requests come from.
    queue: Option<Arc<ArrivalQueue>>,
    run: Arc<Run>,
}

/// Connects all clients of a target. Each asks something, which opens its session and its connection, and
/// shows that the target serves.
pub(crate) async fn connect(
    plan: &Plan,
    target: &Target,
    workers: &Workers,
) -> Result<Vec<Connection>, Failure> {
    let failed = |text| Failure {
        kind: FailureKind::Unavailable,
        text,
    };
    let mut tasks = Vec::new();
    for client in 0..plan.clients {
        let inside = workers.enter(client);
        let connection = target.connect(&plan.access, client).map_err(failed)?;
        drop(inside);
        let request = first_request(plan);
        tasks.push(workers.spawn(client, async move {
            connection.perform(request).await.map(|_| connection)
        }));
    }
    let mut connections = Vec::new();
    for task in tasks {
        let connected = task
            .await
            .map_err(|error| failed(format!("a client ended: {error}")))?;
        connections.push(connected?);
    }
    Ok(connections)
}

/// A write, unless nothing is to be written.
fn first_request(plan: &Plan) -> Request {
    let (kind, value) = match plan.draw.mix.is_read_only() && !plan.preload {
        true => (Kind::Get, ""),
        false => (Kind::Put, "x"),
    };
    Request {
        kind,
        key: "bench/warm-up".into(),
        value: value.into(),
        expect: None,
    }
}

/// Ends the sessions of all clients.
pub(crate) async fn disconnect(connections: Vec<Connection>) {
    let closing: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::spawn(connection.close()))
        .collect();
    for task in closing {
        // Replicas drop a session that is not used some day anyway.
        let _ = task.await;
    }
}

/// Puts every key.
pub(crate) async fn preload(
    plan: &Plan,
    connections: &[Connection],
    workers: &Workers,
) -> Result<(), Failure> {
    let (next, letters) = (Arc::new(AtomicU64::new(0)), plan.draw.letters());
    let mut tasks = Vec::new();
    for lane in 0..PRELOADERS {
        let client = lane % connections.len();
        let connection = connections[client].clone();
        let (next, draw, letters) = (Arc::clone(&next), Arc::clone(&plan.draw), letters.clone());
        tasks.push(workers.spawn(client, async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= draw.keys {
                    return Ok(());
                }
                connection
                    .perform(Request {
                        kind: Kind::Put,
                        key: draw.key(number),
                        value: draw.value(&letters, number),
                        expect: None,
                    })
                    .await?;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap_or_else(|error| {
            Err(Failure {
                kind: FailureKind::Unavailable,
                text: format!("a client ended: {error}"),
            })
        })?;
    }
    Ok(())
}

/// Measures one round of a target.
pub(crate) async fn measure(
    plan: &Plan,
    connections: &[Connection],
    workers: &Workers,
    round: u64,
    recorder: Option<&Recorder>,
    progress: &Progress,
    stop: &Stop,
) -> Result<Measurement, String> {
    let run = Arc::new(Run {
        time: RunTime::new(Instant::now(), plan.warm_up, plan.measured),
        is_open: plan.arrivals.is_some(),
        tallies: std::array::from_fn(|_| Mutex::new(Tally::new())),
        in_flight: AtomicU64::new(0),
        done: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        recorder: recorder.cloned(),
    });
    let queues = open(plan, &run);
    let mut sources = plan.draw.sources(plan.clients * plan.pipeline, round).into_iter();
    let mut lanes = Vec::new();
    for (client, connection) in connections.iter().enumerate() {
        for place in 0..plan.pipeline {
            let lane = Lane {
                number: client * plan.pipeline + place,
                connection: connection.clone(),
                source: sources.next().expect("one for each lane"),
                queue: queues.get(client).cloned(),
                run: Arc::clone(&run),
            };
            lanes.push(workers.spawn(client, lane.run()));
        }
    }
    let pacer = plan
        .arrivals
        .map(|arrivals| pacer(arrivals, queues.clone(), Arc::clone(&run)));
    watch(&run, progress, stop).await;
    let in_flight = run.in_flight.load(Ordering::Relaxed);
    if let Some(pacer) = pacer.transpose()? {
        // It knows the end, and sleeps for a moment only.
        let _ = pacer.join();
    }
    queues.iter().for_each(|queue| queue.close());
    for lane in lanes {
        lane.await.map_err(|error| format!("a lane ended: {error}"))?;
    }
    let mut tally = Tally::new();
    for lane in 0..TALLIES {
        tally.merge(&run.tally(lane));
    }
    for due in queues.iter().flat_map(|queue| queue.left()) {
        if run.time.is_measured(due) {
            tally.unsent.record(run.time.end().saturating_duration_since(due));
        }
    }
    Ok(Measurement {
        measured: run.time.measured(),
        tally,
        in_flight,
    })
}

/// The arrivals of each client of an open loop.
fn open(plan: &Plan, run: &Run) -> Vec<Arc<ArrivalQueue>> {
    let Some(arrivals) = plan.arrivals else {
        return Vec::new();
    };
    (0..plan.clients)
        .map(|client| {
            Arc::new(ArrivalQueue::new(
                arrivals,
                client,
                plan.clients,
                run.time.start(),
            ))
        })
        .collect()
}

fn pacer(
    arrivals: Arrivals,
    queues: Vec<Arc<ArrivalQueue>>,
    run: Arc<Run>,
) -> Result<std::thread::JoinHandle<()>, String> {
    std::thread::Builder::new()
        .name("arrivals".to_owned())
        .spawn(move || release_all(arrivals, &queues, &run.time))
        .map_err(|error| format!("the system gives no thread: {error}"))
}

/// Waits until the run ends, and shows how it goes.
async fn watch(run: &Run, progress: &Progress, stop: &Stop) {
    let mut last = (Instant::now(), 0);
    loop {
        let now = Instant::now();
        let end = run.time.end();
        if now >= end {
            return;
        }
        let pause = (end - now).min(SHOWN);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.wait() => run.time.stop(Instant::now()),
        }
        let (now, done) = (Instant::now(), run.done.load(Ordering::Relaxed));
        let rate = (done - last.1) as f64 / (now - last.0).as_secs_f64().max(1e-9);
        last = (now, done);
        progress.show(&run.time, now, rate, run.errors.load(Ordering::Relaxed));
    }
}

impl Lane {
    async fn run(mut self) {
        while let Some(due) = self.next().await {
            let request = self.source.draw();
            let kind = request.kind;
            self.run.in_flight.fetch_add(1, Ordering::Relaxed);
            let sent = Instant::now();
            let ended = self.perform(&request).await;
            let now = Instant::now();
            self.run.in_flight.fetch_sub(1, Ordering::Relaxed);
            match ended {
                Ok(answer) => {
                    self.run.done.fetch_add(1, Ordering::Relaxed);
                    self.source.saw(&request, &answer);
                    self.done(kind, [due, sent, now], answer.is_miss());
                }
                Err(failure) => self.failed(failure, due).await,
            }
        }
    }

    /// When the next request is due, once it is; `None` at the end. In a closed loop that is now.
    async fn next(&self) -> Option<Instant> {
        if let Some(queue) = &self.queue {
            return queue.next().await;
        }
        let now = Instant::now();
        (now < self.run.time.end()).then_some(now)
    }

    async fn perform(&self, request: &Request) -> Result<Answer, Failure> {
        let recorded = self.run.recorder.as_ref();
        let process = self.number as u64;
        if let Some(recorder) = recorded {
            recorder.invoke(process, &history::operation(request));
        }
        let ended = self.connection.perform(request.clone()).await;
        if let Some(recorder) = recorded {
            recorder.complete(process, &history::completion(&ended));
        }
        ended.map(|done| done.answer)
    }

    fn done(&self, kind: Kind, [due, sent, ended]: [Instant; 3], is_miss: bool) {
        let time = &self.run.time;
        let mut tally = self.run.tally(self.number);
        tally.completed += u64::from(time.is_measured(ended));
        if time.is_measured(due) {
            tally.done(kind, ended - due, is_miss);
            if self.run.is_open {
                tally.service.record(ended - sent);
            }
        }
    }

    async fn failed(&self, failure: Failure, due: Instant) {
        self.run.errors.fetch_add(1, Ordering::Relaxed);
        if self.run.time.is_measured(due) {
            self.run.tally(self.number).failed(failure);
        }
        // In an open loop the next request is due when it is due.
        if !self.run.is_open {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
