//! The same server on real sockets: datagrams, and a thread for each replica.
//!
//! It keeps nothing on disk. So a replica that stopped starts with [`Memory::Lost`], and recovers what it had
//! promised from the others. A driver with a disk makes records durable before it sends what waits for them: see the
//! contract in `kvpaxos::io`.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kvpaxos::codec::{PeerFrame, decode_datagram, encode_message_into};
use kvpaxos::{ClientId, Effect, Entropy, Envelope, Event, Input, Memory, ReplicaId, Time};
use kvpaxos_sim::engine::Machine;

use super::locks::{Ask, Told};
use super::server::{Server, config};

/// Runs a replica until it is told to stop. `peers` are the addresses of all replicas.
pub(crate) fn serve(
    id: u8,
    memory: Memory,
    socket: &UdpSocket,
    peers: &[SocketAddr],
    stop: &AtomicBool,
) -> io::Result<()> {
    let start = Instant::now();
    let now = || Time(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    let mut entropy = [0; 32];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut entropy)?;
    let mut server = Server::start(&config(id), memory, Entropy(entropy), now());
    let mut clients = HashMap::new();
    let mut own = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        let event = match own.pop_front() {
            Some(message) => Event::Peer {
                from: ReplicaId(id),
                founding: None,
                message,
            },
            None => receive(&server, now(), socket, peers, &mut clients)?,
        };
        for effect in server.step(Input { at: now(), event }) {
            let envelopes = match effect {
                Effect::Send(envelope) => vec![envelope],
                Effect::Persist { then, .. } => then,
                Effect::Reply { to, reply } => {
                    // A datagram may be lost; then the client asks again.
                    let _ = socket.send_to(&serde_json::to_vec(&reply)?, clients[&to]);
                    Vec::new()
                }
                Effect::Observe(_) => Vec::new(),
                Effect::Halt(reason) => return Err(io::Error::other(reason.to_string())),
            };
            for Envelope { to, message } in envelopes {
                if to == ReplicaId(id) {
                    own.push_back(message);
                    continue;
                }
                let mut frame = Vec::new();
                encode_message_into(&message, &mut frame).map_err(io::Error::other)?;
                let _ = socket.send_to(&frame, peers[usize::from(to.0)]);
            }
        }
    }
    Ok(())
}

/// The next event: a datagram, or the clock.
fn receive(
    server: &Server,
    now: Time,
    socket: &UdpSocket,
    peers: &[SocketAddr],
    clients: &mut HashMap<ClientId, SocketAddr>,
) -> io::Result<Event<kvpaxos::Message, kvpaxos::Record, Ask>> {
    let wait = server
        .deadline()
        .map_or(20_000, |due| due.0.saturating_sub(now.0))
        .clamp(1, 20_000);
    socket.set_read_timeout(Some(Duration::from_micros(wait)))?;
    let mut bytes = vec![0; 65_536];
    // What is no message of ours is as good as lost.
    let Ok((length, from)) = socket.recv_from(&mut bytes) else {
        return Ok(Event::Clock);
    };
    if let Some(peer) = (0..).zip(peers).find(|(_, peer)| **peer == from) {
        let from = ReplicaId(peer.0);
        return Ok(match decode_datagram(&bytes[..length]) {
            Ok(PeerFrame::Message(message)) => Event::Peer {
                from,
                founding: None,
                message,
            },
            _ => Event::Clock,
        });
    }
    let Ok(request) = serde_json::from_slice(&bytes[..length]) else {
        return Ok(Event::Clock);
    };
    let client = ClientId(from.port().into());
    clients.insert(client, from);
    Ok(Event::Client {
        from: client,
        request,
    })
}

/// Asks one replica after the other until one answers.
pub(crate) fn ask(socket: &UdpSocket, replicas: &[SocketAddr], ask: &Ask) -> io::Result<Told> {
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut bytes = vec![0; 65_536];
    for replica in replicas.iter().cycle().take(60) {
        socket.send_to(&serde_json::to_vec(ask)?, replica)?;
        while let Ok((length, _)) = socket.recv_from(&mut bytes) {
            let told: Result<Told, _> = serde_json::from_slice(&bytes[..length]);
            if let Ok(told) = told
                && told.number == ask.number
                && told.answer != super::locks::Answer::Unknown
            {
                return Ok(told);
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
