//! Asks a replica whether it is alive, and whether it serves.

use std::time::Duration;

use bytes::Bytes;
use kvpaxos::config::Update;
use kvpaxos::{ClientId, Config, Outcome, Reply, Request, RequestBody, Status};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use crate::replica::inbox::{Arrival, Control};
use crate::wire::budget::Share;

/// A replica that answers a question about itself later than this hangs.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether a replica serves clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Readiness {
    Ready,
    /// The reason.
    NotReady(String),
}

/// Asks one replica. It is a client of its own, and asks one question at a time.
pub(crate) struct Probe {
    controls: mpsc::Sender<Control>,
    config: Config,
    client: ClientId,
    arrivals: mpsc::Sender<Arrival>,
    /// The id of the last request, and where replies come.
    replies: Mutex<(u64, mpsc::Receiver<Reply>)>,
}

impl Probe {
    /// `client` has joined the replica; its replies come through `replies`.
    pub(crate) fn new(
        controls: mpsc::Sender<Control>,
        config: Config,
        client: ClientId,
        arrivals: mpsc::Sender<Arrival>,
        replies: mpsc::Receiver<Reply>,
    ) -> Probe {
        Probe {
            controls,
            config,
            client,
            arrivals,
            replies: Mutex::new((0, replies)),
        }
    }

    /// What the replica knows; `None` if it has stopped or hangs.
    pub(crate) async fn status(&self) -> Option<Status> {
        let (answer, status) = oneshot::channel();
        let asked = async {
            self.controls.send(Control::Status(answer)).await.ok()?;
            status.await.ok()
        };
        timeout(ANSWER, asked).await.ok().flatten()
    }

    /// Whether the replica serves reads and writes: a read that goes through the leader and a quorum is
    /// answered. Writes take the same way; only in the two-phase setting they need all replicas.
    pub(crate) async fn readiness(&self) -> Readiness {
        let not_ready = |why: &str| Readiness::NotReady(why.to_owned());
        let Some(status) = self.status().await else {
            return not_ready("the replica does not answer");
        };
        if self.config.update == Update::TwoPhase && !status.silent.is_empty() {
            return Readiness::NotReady(format!(
                "in the two-phase setting nothing is written without {}",
                status.silent
            ));
        }
        match timeout(2 * ANSWER, self.read()).await {
            Ok(Some(Outcome::Value { .. })) => Readiness::Ready,
            Ok(Some(Outcome::Refused(refusal))) => Readiness::NotReady(refusal.to_string()),
            Ok(Some(_)) => not_ready("a read is answered by something else than a value"),
            Ok(None) => not_ready("the replica has stopped"),
            Err(_) => not_ready("a read is not answered"),
        }
    }

    async fn read(&self) -> Option<Outcome> {
        let mut replies = self.replies.lock().await;
        let (last, replies) = &mut *replies;
        *last += 1;
        let arrival = Arrival::Requests {
            client: self.client,
            requests: vec![Request {
                id: *last,
                body: RequestBody::Get { key: Bytes::new() },
            }],
            share: Share::default(),
        };
        self.arrivals.send(arrival).await.ok()?;
        loop {
            let reply = replies.recv().await?;
            // Others answer a question that was given up.
            if reply.id == *last {
                return Some(reply.outcome);
            }
        }
    }
}
