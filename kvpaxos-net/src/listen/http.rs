//! A port for those who watch over a replica: `/metrics` for Prometheus, `/health` and `/ready` for whoever
//! starts and stops processes or sends clients to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use kvpaxos::ReplicaId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::listen::accept::Listener;
use crate::listen::bounds::Shared;
use crate::listen::door::{PeerConnections, Stranger, Strangers};
use crate::listen::probe::{Probe, Readiness};
use crate::listen::question::{self, Question, text};
use crate::metrics::sample::Sample;
use crate::metrics::{self, Metrics};
use crate::system::repeats::{Repeats, Subject, warn_repeated};
use crate::tls::replica::ReplicaTls;
use crate::wire::outbox::Total;

/// Connections at once that have not asked yet: the oldest goes for the next. And as many that have asked; further ones
/// are turned away. Each is closed after one answer.
pub(crate) const CONNECTIONS: usize = 16;

/// Serves the port.
pub(crate) struct HttpService {
    pub(crate) id: ReplicaId,
    pub(crate) probe: Probe,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) peers: Arc<PeerConnections>,
    pub(crate) peer_outboxes: Arc<Total>,
    pub(crate) received_from_peers: Arc<AtomicU64>,
    pub(crate) repeats: Arc<Repeats>,
    /// For the end of its certificate.
    pub(crate) tls: Option<ReplicaTls>,
}

/// What a connection needs to ask.
#[derive(Clone)]
struct Asking {
    /// Set once it asks.
    known: Arc<AtomicBool>,
    permits: Arc<Semaphore>,
}

impl HttpService {
    /// Accepts connections until it is dropped.
    pub(crate) async fn serve(self, socket: TcpListener) {
        let listener = Listener {
            socket,
            id: self.id,
            from: "http",
            repeats: Arc::clone(&self.repeats),
        };
        let service = Arc::new(self);
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut strangers = Strangers::new(CONNECTIONS);
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, address) = listener.accept().await;
            let known = Arc::new(AtomicBool::new(false));
            let asking = Asking {
                known: Arc::clone(&known),
                permits: Arc::clone(&permits),
            };
            let task = connections.spawn(Arc::clone(&service).connection(stream, address, asking));
            let is_expected = false;
            if strangers.add(Stranger {
                host: address.ip().into(),
                task,
                known,
                is_expected,
            }) {
                warn_repeated!(
                    service.repeats,
                    Subject::ANY,
                    {replica = %service.id, %address, limit = CONNECTIONS},
                    "too many HTTP connections that ask nothing; the oldest was closed for the next"
                );
            }
            // Each may ask before the next comes.
            tokio::task::yield_now().await;
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, asking: Asking) {
        let answer = |question| {
            let (service, asking) = (&self, &asking);
            async move {
                asking.known.store(true, Ordering::Relaxed);
                let Ok(_permit) = asking.permits.try_acquire() else {
                    let why = "too many ask at once\n";
                    return text(StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
                };
                service.answer(question).await
            }
        };
        if let Err(why) = question::serve(stream, answer).await {
            tracing::debug!(replica = %self.id, %address, %why, "HTTP connection closed");
        }
    }

    async fn answer(&self, question: Question) -> Response<Full<Bytes>> {
        match question {
            Question::Metrics => {
                let mut response = text(StatusCode::OK, self.metrics.encode(&self.sample().await));
                let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            // The event loop answers: it runs, and does not hang.
            Question::Health => match self.probe.status().await {
                Some(_) => text(StatusCode::OK, "alive\n".to_owned()),
                None => text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the replica does not answer\n".to_owned(),
                ),
            },
            Question::Ready => match self.probe.readiness().await {
                Readiness::Ready => text(StatusCode::OK, "ready\n".to_owned()),
                Readiness::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            Question::Unknown => question::unknown(),
            Question::NotAllowed => question::not_allowed(),
        }
    }

    async fn sample(&self) -> Sample {
        let shared = &self.shared;
        let admission = &shared.admission;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Sample {
            status: self.probe.status().await,
            client_connections: admission.served(),
            client_connections_limit: admission.limit(),
            refused_clients: admission.refused(),
            peer_connections: self.peers.count(),
            request_bytes: shared.requests.taken(),
            reply_bytes: shared.outboxes.queued(),
            received_from_clients: load(&shared.received),
            sent_to_clients: shared.outboxes.taken(),
            received_from_peers: load(&self.received_from_peers),
            sent_to_peers: self.peer_outboxes.taken(),
            dropped_messages: self.peer_outboxes.refused(),
            datagrams: load(&shared.datagrams),
            dropped_datagrams: load(&shared.dropped_datagrams),
            repeated_lines: self.repeats.total(),
            certificate_expiry: self.tls.as_ref().map_or(0, |tls| {
                let since = tls.valid_until().duration_since(SystemTime::UNIX_EPOCH);
                since.map_or(0, |since| since.as_secs())
            }),
        }
    }
}
