//! Connections from clients: framed requests in, framed replies out, any number in flight.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kvpaxos::{ClientId, ReplicaId, Request};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::listen::accept::Listener;
use crate::listen::bounds::Bounds;
use crate::replica::inbox::{Arrival, ReplySink};
use crate::wire::frames::{Frames, ReadError};
use crate::wire::outbox::Outbox;
use crate::wire::write::write_queued;

/// A client that takes in nothing for this long while replies wait is disconnected.
const STALL: Duration = Duration::from_secs(10);

/// Serves the connections of clients.
pub(crate) struct ClientService {
    pub(crate) id: ReplicaId,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) client_ids: Arc<ClientIds>,
    pub(crate) bounds: Bounds,
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

impl ClientService {
    /// Accepts connections until it is dropped.
    pub(crate) async fn serve(self, socket: TcpListener) {
        let listener = Listener {
            socket,
            id: self.id,
            from: "client",
            limit: self.bounds.connections,
        };
        let service = Arc::new(self);
        listener
            .serve(move |stream, address| Arc::clone(&service).connection(stream, address))
            .await;
    }

    /// Serves one client until it disconnects, breaks the protocol or stops reading its replies.
    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(replica = %self.id, %address, %error, "client disconnected");
            return;
        }
        let client = self.client_ids.next();
        let outbox = Arc::new(Outbox::new(self.bounds.client_outbox));
        outbox.open();
        let sink = ReplySink::Stream(Arc::clone(&outbox));
        let joined = self.arrivals.send(Arrival::Joined { client, sink }).await;
        if joined.is_err() {
            return;
        }
        let (reader, mut writer) = stream.into_split();
        let result = tokio::select! {
            read = self.read(reader, client, &outbox) => read,
            written = write_queued(&outbox, &mut writer, STALL) => written.map_err(ReadError::from),
        };
        outbox.close();
        // The event loop may have stopped, and then nobody needs to know.
        let _ = self.arrivals.send(Arrival::Left { client }).await;
        match result {
            Ok(()) => tracing::debug!(replica = %self.id, %address, "client disconnected"),
            Err(error) if error.is_disconnect() => {
                tracing::debug!(replica = %self.id, %address, %error, "client disconnected");
            }
            Err(error) => tracing::warn!(replica = %self.id, %address, %error, "client connection closed"),
        }
    }

    async fn read(&self, reader: OwnedReadHalf, client: ClientId, outbox: &Outbox) -> Result<(), ReadError> {
        let mut frames = Frames::<Request, _>::new(reader);
        let mut requests = Vec::new();
        loop {
            // No requests are read from a client that does not read its replies.
            outbox.below(self.bounds.client_outbox / 4).await;
            if !frames.fill(&mut requests).await? {
                return Ok(());
            }
            let requests = std::mem::take(&mut requests);
            let arrival = Arrival::Requests { client, requests };
            if self.arrivals.send(arrival).await.is_err() {
                return Ok(());
            }
        }
    }
}
