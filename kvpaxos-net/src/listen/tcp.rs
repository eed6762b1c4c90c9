//! The door for clients over TCP: framed requests in, framed replies out, as many in flight as the client likes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kvpaxos::{ClientId, ReplicaId, Request};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::listen::accept::Listener;
use crate::listen::bounds::Bounds;
use crate::replica::inbox::{Arrival, Sink};
use crate::wire::frames::{Frames, ReadError};
use crate::wire::outbox::Outbox;
use crate::wire::write::write_all;

/// A client that takes in nothing for so long while replies wait is disconnected.
const STALL: Duration = Duration::from_secs(10);

/// What every connection's task needs to know.
pub(crate) struct Door {
    pub(crate) id: ReplicaId,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) names: Arc<Names>,
    pub(crate) bounds: Bounds,
}

/// Gives every client of a replica a number of its own.
#[derive(Debug, Default)]
pub(crate) struct Names(AtomicU64);

impl Names {
    pub(crate) fn next(&self) -> ClientId {
        ClientId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Accepts connections of clients until the task is dropped.
pub(crate) async fn serve(socket: TcpListener, door: Door) {
    let mut listener = Listener::new(socket, door.id, "client");
    let door = Arc::new(door);
    let places = Arc::new(Semaphore::new(door.bounds.connections));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, address) = listener.accept().await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let limit = door.bounds.connections;
            tracing::warn!(replica = %door.id, %address, limit, "too many clients are connected; this one is closed");
            continue;
        };
        let door = Arc::clone(&door);
        connections.spawn(async move {
            let _place = place;
            converse(stream, address, &door).await;
        });
    }
}

/// Serves one client until it hangs up, breaks the rules or does not read.
async fn converse(stream: TcpStream, address: SocketAddr, door: &Door) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(replica = %door.id, %address, %error, "client is gone");
        return;
    }
    let client = door.names.next();
    let outbox = Arc::new(Outbox::new(door.bounds.client_outbox));
    outbox.open();
    let sink = Sink::Stream(Arc::clone(&outbox));
    if door
        .arrivals
        .send(Arrival::Joined { client, sink })
        .await
        .is_err()
    {
        return;
    }
    let (reader, writer) = stream.into_split();
    let ended = tokio::select! {
        read = read(reader, client, &outbox, door) => read,
        written = write(writer, &outbox) => written,
    };
    outbox.close();
    // The loop may have stopped.
    let _ = door.arrivals.send(Arrival::Left { client }).await;
    match ended {
        Ok(()) => tracing::debug!(replica = %door.id, %address, "client hung up"),
        Err(error) if error.is_disconnect() => {
            tracing::debug!(replica = %door.id, %address, %error, "client is gone");
        }
        Err(error) => tracing::warn!(replica = %door.id, %address, %error, "client connection is closed"),
    }
}

async fn read(
    reader: OwnedReadHalf,
    client: ClientId,
    outbox: &Outbox,
    door: &Door,
) -> Result<(), ReadError> {
    let mut frames = Frames::<Request, _>::new(reader);
    let mut requests = Vec::new();
    loop {
        // Who does not read its replies is not asked for more requests.
        outbox.below(door.bounds.client_outbox / 4).await;
        if !frames.fill(&mut requests).await? {
            return Ok(());
        }
        let requests = std::mem::take(&mut requests);
        let arrival = Arrival::Requests { client, requests };
        if door.arrivals.send(arrival).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, outbox: &Outbox) -> Result<(), ReadError> {
    let mut buffer = Vec::new();
    while outbox.take(&mut buffer).await {
        write_all(&mut writer, &buffer, STALL).await?;
    }
    Ok(())
}
