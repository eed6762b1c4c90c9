//! Connections from clients: framed requests in, framed replies out, any number in flight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kvpaxos::codec;
use kvpaxos::{ClientId, Password, ReplicaId, Reply, Request};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::listen::accept::Listener;
use crate::listen::admission::{Activity, Admitted};
use crate::listen::bounds::Shared;
use crate::listen::gate::Gate;
use crate::listen::states::{HeldState, StateSource};
use crate::replica::clients::ClientName;
use crate::replica::inbox::{Arrival, ReplySink};
use crate::replica::leaving::Service;
use crate::system::repeats::{Repeats, Subject, info_repeated, warn_repeated};
use crate::tls::accept;
use crate::tls::fault::TlsFault;
use crate::tls::replica::ReplicaTls;
use crate::tls::stream::ReadHalf;
use crate::wire::budget::FREE;
use crate::wire::frames::{Frames, ReadError, ReadLimits};
use crate::wire::outbox::Outbox;
use crate::wire::write::write_queued;

/// A client that takes in nothing for this long while replies wait is disconnected.
const STALL: Duration = Duration::from_secs(10);

/// Serves the connections of clients.
pub(crate) struct ClientService {
    pub(crate) id: ReplicaId,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) client_ids: Arc<ClientIds>,
    pub(crate) tls: Option<ReplicaTls>,
    /// What clients must show, if there are any.
    pub(crate) passwords: Arc<[Password]>,
    pub(crate) states: StateSource,
    pub(crate) shared: Arc<Shared>,
    pub(crate) repeats: Arc<Repeats>,
}

/// Numbers the clients of a replica.
#[derive(Debug, Default)]
pub(crate) struct ClientIds(AtomicU64);

impl ClientIds {
    /// A number that no other client of this replica has had since it started.
    pub(crate) fn next(&self) -> ClientId {
        ClientId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why the connection of a client ended, if the client did not end it.
#[derive(Debug, thiserror::Error)]
enum CloseReason {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error("it was idle, and there is no room for another client")]
    Idle,
}

impl CloseReason {
    fn subject(&self) -> Subject {
        match self {
            CloseReason::Read(error) => error.subject(),
            CloseReason::Tls(fault) => Subject::cause(fault),
            CloseReason::Idle => Subject::cause(self),
        }
    }

    fn is_disconnect(&self) -> bool {
        match self {
            CloseReason::Read(error) => error.is_disconnect(),
            CloseReason::Tls(fault) => matches!(fault, TlsFault::Io(_)),
            CloseReason::Idle => false,
        }
    }
}

impl ClientService {
    /// Accepts connections until it is dropped.
    pub(crate) async fn serve(self, socket: TcpListener) {
        let listener = Listener {
            socket,
            id: self.id,
            from: "client",
            repeats: Arc::clone(&self.repeats),
        };
        let shared = Arc::clone(&self.shared);
        let service = Arc::new(self);
        let serve = |stream, address, admitted| Arc::clone(&service).connection(stream, address, admitted);
        listener.serve(&shared, Service::Ended, serve).await;
    }

    /// Serves one client until it disconnects, breaks the protocol or stops reading its replies.
    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, admitted: Admitted) {
        info_repeated!(self.repeats, Subject::ANY, {replica = %self.id, %address}, "a client has connected");
        match self.converse(stream, address, admitted).await {
            Ok(()) => tracing::debug!(replica = %self.id, %address, "client disconnected"),
            Err(why) if why.is_disconnect() => {
                tracing::debug!(replica = %self.id, %address, %why, "client disconnected");
            }
            Err(why) => warn_repeated!(
                self.repeats,
                why.subject(),
                {replica = %self.id, %address, %why},
                "the connection of a client is closed"
            ),
        }
    }

    async fn converse(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        mut admitted: Admitted,
    ) -> Result<(), CloseReason> {
        stream.set_nodelay(true).map_err(ReadError::from)?;
        let activity = Activity::new();
        let stream = tokio::select! {
            stream = accept::client(self.tls.as_ref(), stream, accept::ALERT) => stream?,
            () = admitted.must_make_room(&activity) => return Err(CloseReason::Idle),
        };
        let client = self.client_ids.next();
        let total = Arc::clone(&self.shared.outboxes);
        let outbox = Arc::new(Outbox::one_of_many(self.shared.bounds.client_outbox, total));
        outbox.open();
        let sink = ReplySink::Stream(Arc::clone(&outbox));
        let name = ClientName::Stream(address);
        let joined = self.arrivals.send(Arrival::Joined { client, name, sink }).await;
        if joined.is_err() {
            return Ok(());
        }
        let (reader, mut writer) = stream.into_split();
        let result = tokio::select! {
            read = self.read(reader, (client, address), &outbox, &activity) => read.map_err(CloseReason::from),
            written = write_queued(&outbox, &mut writer, STALL) => {
                written.map_err(|error| CloseReason::Read(error.into()))
            }
            () = admitted.must_make_room(&activity) => Err(CloseReason::Idle),
        };
        outbox.close();
        // The event loop may have stopped, and then nobody needs to know.
        let _ = self.arrivals.send(Arrival::Left { client }).await;
        result
    }

    async fn read(
        &self,
        reader: ReadHalf,
        (client, address): (ClientId, SocketAddr),
        outbox: &Outbox,
        activity: &Activity,
    ) -> Result<(), ReadError> {
        let limits = ReadLimits::shared(self.shared.requests.clone(), Arc::clone(&self.shared.received));
        let mut gate = Gate::new(Arc::clone(&self.passwords));
        let mut frames = Frames::<Request, _>::within(reader, behind(&gate, &limits));
        let mut state = HeldState::of(&self.states);
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        loop {
            // No requests are read from a client that does not read its replies.
            outbox.below(self.shared.bounds.client_outbox / 4).await;
            if !frames.fill(&mut requests).await? {
                return Ok(());
            }
            gate.sift(&mut requests, &mut replies);
            state.sift(&mut requests, &mut replies).await;
            if !replies.is_empty() {
                frames.set_limits(behind(&gate, &limits));
                self.answer(&gate, &mut replies, address, outbox);
            }
            if requests.is_empty() {
                continue;
            }
            activity.on_request();
            let arrival = Arrival::Requests {
                client,
                requests: std::mem::take(&mut requests),
                share: frames.take_share(),
            };
            if self.arrivals.send(arrival).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Answers what never reaches the replica.
    fn answer(&self, gate: &Gate, replies: &mut Vec<Reply>, address: SocketAddr, outbox: &Outbox) {
        if gate.is_wrong() {
            warn_repeated!(
                self.repeats,
                Subject::ANY,
                {replica = %self.id, %address},
                "a client shows a wrong password"
            );
        }
        let mut frame = Vec::new();
        for reply in replies.drain(..) {
            frame.clear();
            // Nothing else is in the outbox of a client that copies the state, and a refusal is short. What does
            // not fit is lost; the client has not read for long.
            if codec::encode_into(&reply, &mut frame).is_ok() {
                outbox.push(&frame);
            }
        }
        outbox.wake();
    }
}

/// The limits for who may ask, and for who may not yet.
fn behind(gate: &Gate, limits: &ReadLimits) -> ReadLimits {
    if gate.is_open() {
        return limits.clone();
    }
    ReadLimits {
        longest: FREE,
        ..limits.clone()
    }
}
