//! A lock service with fencing tokens: a state machine of one's own over the log of kvpaxos. Without an argument it runs
//! on real sockets of this machine, while a replica crashes; otherwise it takes the commands of the simulator, such as
//! `find`. The page `manual::protocols` of `kvpaxos_sim` walks through it.

mod locks;
mod server;
mod simulated;
mod sockets;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kvpaxos::Memory;
use kvpaxos_sim::say;

use locks::{Action, Answer, Ask};

/// What the lock guards: it refuses a token below one that it has seen.
#[derive(Default)]
struct Guarded {
    seen: u64,
}

impl Guarded {
    fn write(&mut self, token: u64) -> bool {
        self.seen = self.seen.max(token);
        token == self.seen
    }
}

fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        return kvpaxos_sim::protocol::command(&simulated::LockService);
    }
    match on_sockets() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            kvpaxos_sim::note!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Three replicas on this machine. One owner takes a lock and falls asleep; the replica that it asked crashes and
/// loses its memory; another owner breaks the lock. What the first one writes when it wakes up is refused.
fn on_sockets() -> io::Result<()> {
    let sockets: Vec<UdpSocket> = (0..3)
        .map(|_| UdpSocket::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let peers: Vec<SocketAddr> = sockets
        .iter()
        .map(UdpSocket::local_addr)
        .collect::<Result<_, _>>()?;
    let stops: Vec<AtomicBool> = (0..4).map(|_| AtomicBool::new(false)).collect();
    let run = |id: u8, memory, stop: usize| {
        sockets::serve(id, memory, &sockets[usize::from(id)], &peers, &stops[stop])
    };
    thread::scope(|scope| {
        let run = &run;
        let start = |id: u8| scope.spawn(move || run(id, Memory::Kept(Vec::new()), id.into()));
        let (first, others) = (start(0), [start(1), start(2)]);
        let client = UdpSocket::bind("127.0.0.1:0")?;
        let told = story(&client, &peers, || {
            stops[0].store(true, Ordering::Relaxed);
            // A replica has one life at a time.
            let ended = first.join();
            scope.spawn(move || run(0, Memory::Lost, 3));
            ended.map_err(panicked)?
        });
        stops.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
        for replica in others {
            replica.join().map_err(panicked)??;
        }
        told
    })
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> io::Error {
    io::Error::other("a replica panicked")
}

fn story(
    client: &UdpSocket,
    replicas: &[SocketAddr],
    crash: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let mut number = 0;
    let mut ask = |action| {
        number += 1;
        let lock = "printer".to_owned();
        sockets::ask(client, replicas, &Ask { number, lock, action }).map(|told| told.answer)
    };
    let mut guarded = Guarded::default();
    let Answer::Taken { token: first } = ask(Action::Take { owner: 1 })? else {
        return Err(io::Error::other("nobody held the lock, and yet it was not given"));
    };
    say!(
        "owner 1 takes the lock with token {first}, writes ({}), and falls asleep",
        guarded.write(first)
    );
    crash()?;
    say!("replica 0 crashes, and starts without its memory");
    let held = ask(Action::Take { owner: 2 })?;
    say!("owner 2 finds {held:?}, and breaks the lock");
    ask(Action::Release { token: first })?;
    let Answer::Taken { token: second } = ask(Action::Take { owner: 2 })? else {
        return Err(io::Error::other(
            "the lock was released, and yet it was not given",
        ));
    };
    say!(
        "owner 2 takes the lock with token {second} and writes ({})",
        guarded.write(second)
    );
    let stale = guarded.write(first);
    say!("owner 1 wakes up and writes with token {first} ({stale})");
    if second > first && !stale {
        Ok(())
    } else {
        Err(io::Error::other("the token does not fence"))
    }
}
