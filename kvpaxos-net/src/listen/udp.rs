//! The door for clients over UDP: one datagram a request, one a reply. Whatever gets lost is asked again by the client,
//! under the same session and sequence.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use kvpaxos::codec::{self, MAX_DATAGRAM};
use kvpaxos::{ClientId, Outcome, Refusal, ReplicaId, Reply, Request};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::replica::inbox::Arrival;

/// Datagrams taken in one go.
const BATCH: usize = 256;

/// See the module. To the replica it is one client: it numbers the requests itself and remembers whose they were.
pub(crate) struct Door {
    pub(crate) id: ReplicaId,
    pub(crate) client: ClientId,
    pub(crate) socket: UdpSocket,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) replies: mpsc::Receiver<Reply>,
    /// Requests whose reply is out, at most.
    pub(crate) limit: usize,
}

/// Whose request it was.
struct Asker {
    address: SocketAddr,
    /// The request's id in the asker's own count.
    id: u64,
}

impl Door {
    /// Serves until the task is dropped or the replica stops.
    pub(crate) async fn serve(mut self) {
        let mut askers: HashMap<u64, Asker> = HashMap::new();
        let mut next = 0;
        let mut datagram = vec![0; MAX_DATAGRAM + 1];
        let mut frame = Vec::new();
        loop {
            tokio::select! {
                ready = self.socket.readable() => {
                    if let Err(error) = ready {
                        tracing::error!(replica = %self.id, %error, "the UDP socket is broken; datagrams are no longer served");
                        return;
                    }
                    let requests = self.receive(&mut datagram, &mut askers, &mut next);
                    let client = self.client;
                    if !requests.is_empty()
                        && self.arrivals.send(Arrival::Requests { client, requests }).await.is_err()
                    {
                        return;
                    }
                }
                reply = self.replies.recv() => match reply {
                    None => return,
                    Some(reply) => {
                        if let Some(asker) = askers.remove(&reply.id) {
                            self.answer(reply, &asker, &mut frame).await;
                        }
                    }
                },
            }
        }
    }

    /// Takes what has arrived.
    fn receive(&self, datagram: &mut [u8], askers: &mut HashMap<u64, Asker>, next: &mut u64) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < BATCH {
            let (length, address) = match self.socket.try_recv_from(datagram) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // Told of an earlier reply that found nobody.
                    tracing::debug!(replica = %self.id, %error, "a datagram came back");
                    continue;
                }
            };
            let mut request = match codec::decode_datagram::<Request>(&datagram[..length]) {
                Ok(request) => request,
                Err(error) => {
                    tracing::warn!(replica = %self.id, %address, %error, "a datagram is dropped");
                    continue;
                }
            };
            if askers.len() >= self.limit {
                tracing::debug!(replica = %self.id, %address, "too many datagrams are being served; one is dropped");
                continue;
            }
            let asker = Asker {
                address,
                id: request.id,
            };
            request.id = *next;
            *next += 1;
            askers.insert(request.id, asker);
            requests.push(request);
        }
        requests
    }

    async fn answer(&self, mut reply: Reply, asker: &Asker, frame: &mut Vec<u8>) {
        reply.id = asker.id;
        frame.clear();
        let encoded = codec::encode_into(&reply, frame);
        if encoded.is_err() || frame.len() > MAX_DATAGRAM {
            // Only a value can be so long: say so, rather than let the client ask again and again.
            let length = match &reply.outcome {
                Outcome::Value { value, .. } => value.as_ref().map_or(0, bytes::Bytes::len),
                _ => frame.len(),
            };
            reply.outcome = Outcome::Refused(Refusal::ValueTooLong {
                length: length as u64,
                limit: MAX_DATAGRAM as u64,
            });
            frame.clear();
            if codec::encode_into(&reply, frame).is_err() {
                return;
            }
        }
        if let Err(error) = self.socket.send_to(frame, asker.address).await {
            tracing::debug!(replica = %self.id, address = %asker.address, %error, "a reply could not be sent");
        }
    }
}
