//! Datagrams of clients: one for each request, and one for each reply. If either is lost, the client asks
//! again under the same session and sequence number.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kvpaxos::codec::{self, MAX_DATAGRAM};
use kvpaxos::snapshot::REPLY_BYTES;
use kvpaxos::{ClientId, Outcome, Refusal, ReplicaId, ReplicaSet, Reply, Request, RequestBody};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::listen::bounds::Shared;
use crate::replica::inbox::Arrival;
use crate::system::repeats::{Repeats, Subject, warn_repeated};
use crate::wire::budget::Share;

/// Datagrams that are received before the event loop gets them.
const BATCH: usize = 256;

/// Serves datagrams. To the replica it is one client: it numbers the requests itself, and remembers who sent
/// which.
pub(crate) struct DatagramService {
    pub(crate) id: ReplicaId,
    pub(crate) client: ClientId,
    pub(crate) socket: UdpSocket,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) replies: mpsc::Receiver<Reply>,
    /// The most requests that wait for their replies are `bounds.datagrams`; further ones are dropped.
    pub(crate) shared: Arc<Shared>,
    pub(crate) repeats: Arc<Repeats>,
}

/// The sender of a request.
struct Requester {
    address: SocketAddr,
    /// The id that the sender gave the request.
    id: u64,
}

impl DatagramService {
    /// Runs until the task is dropped or the replica stops.
    pub(crate) async fn serve(mut self) {
        let mut requesters: HashMap<u64, Requester> = HashMap::new();
        let mut next_id = 0;
        let mut datagram = vec![0; MAX_DATAGRAM + 1];
        let mut frame = Vec::new();
        loop {
            tokio::select! {
                ready = self.socket.readable() => {
                    if let Err(error) = ready {
                        tracing::error!(replica = %self.id, %error, "the UDP socket failed; datagrams are no longer served");
                        return;
                    }
                    let mut requests = self.receive(&mut datagram, &mut requesters, &mut next_id);
                    for request in requests.extract_if(.., |request| is_for_streams(&request.body)) {
                        if let Some(requester) = requesters.remove(&request.id) {
                            let (id, outcome) = (request.id, too_long_for_datagrams(REPLY_BYTES));
                            self.answer(Reply { id, outcome }, &requester, &mut frame).await;
                        }
                    }
                    let client = self.client;
                    if !requests.is_empty()
                        && self.arrivals.send(Arrival::Requests { client, requests, share: Share::default() }).await.is_err()
                    {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
                reply = self.replies.recv() => match reply {
                    None => return,
                    Some(reply) => {
                        if let Some(requester) = requesters.remove(&reply.id) {
                            self.answer(reply, &requester, &mut frame).await;
                        }
                    }
                },
            }
        }
    }

    /// Receives the datagrams that have arrived.
    fn receive(
        &self,
        datagram: &mut [u8],
        requesters: &mut HashMap<u64, Requester>,
        next_id: &mut u64,
    ) -> Vec<Request> {
        let mut requests = Vec::new();
        // Bad ones count as well: a flood of them must not keep the thread from everything else.
        for _ in 0..BATCH {
            let (length, address) = match self.socket.try_recv_from(datagram) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // The error is about an earlier reply: nobody listened at its address.
                    tracing::debug!(replica = %self.id, %error, "a reply by datagram did not arrive");
                    continue;
                }
            };
            self.shared.datagrams.fetch_add(1, Ordering::Relaxed);
            let mut request = match codec::decode_datagram::<Request>(&datagram[..length]) {
                Ok(request) => request,
                Err(error) => {
                    self.shared.dropped_datagrams.fetch_add(1, Ordering::Relaxed);
                    warn_repeated!(
                        self.repeats,
                        Subject::cause(&error),
                        {replica = %self.id, %address, %error},
                        "a datagram is dropped"
                    );
                    continue;
                }
            };
            if requesters.len() >= self.shared.bounds.datagrams {
                self.shared.dropped_datagrams.fetch_add(1, Ordering::Relaxed);
                warn_repeated!(
                    self.repeats,
                    Subject::ANY,
                    {replica = %self.id, %address, limit = self.shared.bounds.datagrams},
                    "too many datagrams wait for replies; one is dropped"
                );
                continue;
            }
            let requester = Requester {
                address,
                id: request.id,
            };
            request.id = *next_id;
            *next_id += 1;
            requesters.insert(request.id, requester);
            requests.push(request);
        }
        requests
    }

    async fn answer(&self, mut reply: Reply, requester: &Requester, frame: &mut Vec<u8>) {
        reply.id = requester.id;
        frame.clear();
        let encoded = codec::encode_into(&reply, frame);
        if encoded.is_err() || frame.len() > MAX_DATAGRAM {
            reply.outcome = too_long(&reply.outcome, frame.len());
            frame.clear();
            if codec::encode_into(&reply, frame).is_err() {
                return;
            }
        }
        if let Err(error) = self.socket.send_to(frame, requester.address).await {
            tracing::debug!(replica = %self.id, address = %requester.address, %error, "cannot send a reply");
        }
    }
}

/// Whether the reply would fit in no datagram, and is not even made.
fn is_for_streams(body: &RequestBody) -> bool {
    matches!(body, RequestBody::SnapshotPart { .. })
}

fn too_long_for_datagrams(length: usize) -> Outcome {
    Outcome::Refused(Refusal::AnswerTooLong {
        length: length as u64,
        limit: MAX_DATAGRAM as u64,
    })
}

/// What a client is told instead of an outcome that does not fit in a datagram. Otherwise it would ask again
/// and again.
fn too_long(outcome: &Outcome, length: usize) -> Outcome {
    let limit = MAX_DATAGRAM as u64;
    match outcome {
        Outcome::Value { value, .. } => Outcome::Refused(Refusal::ValueTooLong {
            length: value.as_ref().map_or(0, bytes::Bytes::len) as u64,
            limit,
        }),
        // It took place, and a refusal would say that it did not.
        Outcome::Executed { .. } => Outcome::Unknown {
            silent: ReplicaSet::EMPTY,
        },
        _ => too_long_for_datagrams(length),
    }
}
